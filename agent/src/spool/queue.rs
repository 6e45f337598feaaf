//! One share of the spool: its records, its cursor, and the account of what became of them.

use siphon_core::{
    units::UnixMillis,
    wire::{Cursor, FRAME_HEADER_BYTES, FrameHeader, Kind},
};

use super::{Tally, TooLarge, ring::Ring};

/// The records of one share that are not acknowledged, oldest first, as frames in a ring.
///
/// What is evicted although the latest page holds it may still have been delivered. It waits as `unsettled` until an ack
/// covers it (then it counts as delivered) or the next page is made (then as lost).
#[derive(Debug)]
pub(super) struct Queue {
    ring: Ring,
    records: u64,
    by_kind: Tally,
    next_sequence: u64,
    /// The sequence after the last record of the latest page.
    page_end: u64,
    /// The sequence after the last record that was ever handed out.
    handed_out_end: u64,
    unsettled: Tally,
    unsettled_end: u64,
}

/// The oldest records of a queue, chosen for a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) bytes: usize,
    pub(super) records: u64,
    pub(super) by_kind: Tally,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            ring: Ring::new(capacity),
            records: 0,
            by_kind: Tally::default(),
            next_sequence: 0,
            page_end: 0,
            handed_out_end: 0,
            unsettled: Tally::default(),
            unsettled_end: 0,
        }
    }

    pub(super) const fn used(&self) -> usize {
        self.ring.used()
    }

    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// What is buffered, and what is evicted but may yet turn out to be delivered.
    pub(super) fn unfinished(&self) -> Tally {
        self.by_kind.plus(self.unsettled)
    }

    const fn oldest(&self) -> u64 {
        self.next_sequence - self.records
    }

    /// Appends a record and says what was lost for it.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        arrived: UnixMillis,
        payload: &[u8],
    ) -> Result<Tally, TooLarge> {
        let (bytes, share_bytes) = (FRAME_HEADER_BYTES + payload.len(), self.ring.capacity());
        let too_large = TooLarge { bytes, share_bytes };
        let payload_bytes = u32::try_from(payload.len()).map_err(|_| too_large)?;
        if bytes > share_bytes {
            return Err(too_large);
        }
        let mut lost = Tally::default();
        while self.ring.free() < bytes {
            self.evict(&mut lost);
        }
        let header = FrameHeader { kind, sequence: self.next_sequence, arrived, payload_bytes };
        self.ring.push(&header.encode());
        self.ring.push(payload);
        self.next_sequence += 1;
        self.records += 1;
        self.by_kind.add(kind, 1);
        Ok(lost)
    }

    fn evict(&mut self, lost: &mut Tally) {
        let sequence = self.oldest();
        let Some(kind) = self.pop() else { return };
        if sequence < self.page_end {
            self.unsettled.add(kind, 1);
            self.unsettled_end = sequence + 1;
        } else {
            lost.add(kind, 1);
        }
    }

    /// The oldest records that fit into `budget` bytes; if `at_least_one`, the first one in any case.
    pub(super) fn run(&self, budget: usize, at_least_one: bool) -> Run {
        self.run_of(self.records, budget, at_least_one)
    }

    /// What was handed out and is not acknowledged, to be handed out again as it was: with nothing else behind it, so that
    /// who writes it makes the same requests of it.
    pub(super) fn repeat(&self) -> Option<Run> {
        let records = self.handed_out_end.checked_sub(self.oldest()).filter(|records| *records > 0)?;
        Some(self.run_of(records, usize::MAX, true))
    }

    /// The oldest of the first `records` records, as far as `budget` bytes go.
    fn run_of(&self, records: u64, budget: usize, at_least_one: bool) -> Run {
        let mut run = Run::default();
        while run.records < records {
            let Some(header) = self.header(run.bytes) else { break };
            let bytes = run.bytes + frame_bytes(&header);
            if bytes > budget && !(at_least_one && run.records == 0) {
                break;
            }
            run.bytes = bytes;
            run.records += 1;
            run.by_kind.add(header.kind, 1);
        }
        run
    }

    /// Notes that `run` goes out, and says what was lost of the page before it.
    pub(super) fn hand_out(&mut self, run: &Run) -> Tally {
        self.page_end = self.oldest() + run.records;
        self.handed_out_end = self.handed_out_end.max(self.page_end);
        std::mem::take(&mut self.unsettled)
    }

    /// Acknowledge this when the latest page is delivered.
    pub(super) const fn cursor(&self) -> Cursor {
        Cursor(self.page_end)
    }

    /// The frames of `run`, in the two pieces that they may lie in.
    pub(super) fn frames(&self, run: &Run) -> (&[u8], &[u8]) {
        self.ring.range(0, run.bytes)
    }

    /// What comes before it was handed out at least once.
    pub(super) const fn handed_out(&self) -> Cursor {
        Cursor(self.handed_out_end)
    }

    pub(super) const fn was_handed_out(&self, cursor: Cursor) -> bool {
        cursor.0 <= self.handed_out_end
    }

    /// Drops what is before `cursor`, and says what was delivered by that.
    pub(super) fn ack(&mut self, cursor: Cursor) -> Tally {
        let mut delivered = Tally::default();
        if cursor.0 >= self.unsettled_end {
            delivered = std::mem::take(&mut self.unsettled);
        }
        while self.records > 0 && self.oldest() < cursor.0 {
            let Some(kind) = self.pop() else { break };
            delivered.add(kind, 1);
        }
        delivered
    }

    fn pop(&mut self) -> Option<Kind> {
        let header = self.header(0)?;
        self.ring.pop(frame_bytes(&header));
        self.records -= 1;
        self.by_kind.remove_one(header.kind);
        Some(header.kind)
    }

    fn header(&self, offset: usize) -> Option<FrameHeader> {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let (first, second) = self.ring.range(offset, FRAME_HEADER_BYTES);
        let (start, end) = bytes.split_at_mut(first.len());
        start.copy_from_slice(first);
        end.copy_from_slice(second);
        FrameHeader::decode(&bytes)
    }
}

const fn frame_bytes(header: &FrameHeader) -> usize {
    FRAME_HEADER_BYTES + header.payload_bytes as usize
}
