//! One share of the spool: its records, its cursor, and the account of what became of them.

use std::{collections::VecDeque, io};

use log::error;
use siphon_core::{
    units::UnixMillis,
    wire::{Cursor, FRAME_HEADER_BYTES, FrameHeader, Kind},
};

use super::{
    NotStored, Tally, TooLarge,
    ring::{Ring, Saved},
};

/// The records of one share that are not acknowledged, oldest first, as frames in a ring.
///
/// What is evicted although the latest page holds it may still have been delivered. It waits in `unsettled` until an ack
/// covers it (then it counts as delivered) or the next page is made (then as lost). That takes a byte for each such record.
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
    /// Their kinds, oldest first, and the sequence after the last of them.
    unsettled: VecDeque<Kind>,
    unsettled_end: u64,
    /// Records that could not be read any more, since they were last asked for.
    damaged: Tally,
}

/// The oldest records of a queue, chosen for a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) bytes: usize,
    pub(super) records: u64,
    pub(super) by_kind: Tally,
}

impl Queue {
    /// The queue whose frames lie in `ring`.
    pub(super) fn new(ring: Ring, saved: Saved) -> Self {
        Self {
            ring,
            records: saved.next - saved.oldest,
            by_kind: saved.by_kind,
            next_sequence: saved.next,
            page_end: saved.oldest,
            handed_out_end: saved.handed_out_end,
            unsettled: VecDeque::new(),
            unsettled_end: 0,
            damaged: Tally::default(),
        }
    }

    #[cfg(test)]
    pub(super) const fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    pub(super) const fn used(&self) -> usize {
        self.ring.used()
    }

    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// What is buffered, and what is evicted but may yet turn out to be delivered.
    pub(super) fn unfinished(&self) -> Tally {
        self.by_kind.plus(tally(self.unsettled.iter().copied()))
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
    ) -> Result<Tally, NotStored> {
        let (bytes, share_bytes) = (self.ring.frame_bytes(payload.len()), self.ring.capacity());
        let too_large = TooLarge { bytes, share_bytes };
        let payload_bytes = u32::try_from(payload.len()).map_err(|_| too_large)?;
        if bytes > share_bytes {
            return Err(too_large.into());
        }
        let mut lost = Tally::default();
        while self.ring.free() < bytes {
            self.evict(&mut lost);
        }
        let header = FrameHeader { kind, sequence: self.next_sequence, arrived, payload_bytes };
        if let Err(error) = self.append(&header, payload) {
            return Err(NotStored::Disk { evicted: lost, error });
        }
        self.next_sequence += 1;
        self.records += 1;
        self.by_kind.add(kind, 1);
        Ok(lost)
    }

    fn append(&mut self, header: &FrameHeader, payload: &[u8]) -> io::Result<()> {
        if self.ring.is_behind() {
            self.save()?;
        }
        self.ring.push(header, payload)
    }

    fn evict(&mut self, lost: &mut Tally) {
        let sequence = self.oldest();
        let Some(kind) = self.pop() else { return };
        if sequence < self.page_end {
            self.unsettled.push_back(kind);
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
        let (mut run, mut offset) = (Run::default(), 0);
        while run.records < records {
            let Some(header) = self.ring.header(offset) else { break };
            let bytes = run.bytes + FRAME_HEADER_BYTES + header.payload_bytes as usize;
            if (bytes > budget && !(at_least_one && run.records == 0)) || !self.ring.is_intact(offset) {
                break;
            }
            offset += self.ring.frame_bytes(header.payload_bytes as usize);
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
        self.save_or_report();
        tally(std::mem::take(&mut self.unsettled))
    }

    /// Acknowledge this when the latest page is delivered.
    pub(super) const fn cursor(&self) -> Cursor {
        Cursor(self.page_end)
    }

    /// Appends the frames of `run` to `page`.
    pub(super) fn copy(&self, run: &Run, page: &mut Vec<u8>) -> io::Result<()> {
        self.ring.copy(run.records, run.bytes, page)
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
        let mut delivered = tally(self.settle(cursor));
        while self.records > 0 && self.oldest() < cursor.0 {
            let Some(kind) = self.pop() else { break };
            delivered.add(kind, 1);
        }
        if self.ring.is_behind() {
            self.save_or_report();
        }
        delivered
    }

    /// Those of the evicted records that are before `cursor`.
    fn settle(&mut self, cursor: Cursor) -> impl Iterator<Item = Kind> {
        let left = usize::try_from(self.unsettled_end.saturating_sub(cursor.0)).unwrap_or(usize::MAX);
        let settled = self.unsettled.len().saturating_sub(left);
        self.unsettled.drain(..settled)
    }

    /// Drops the oldest records that can't be read as they were written.
    pub(super) fn drop_damaged(&mut self) {
        while self.records > 0 && !self.ring.is_intact(0) {
            if let Some(kind) = self.pop() {
                self.damaged.add(kind, 1);
            }
        }
    }

    /// The records that were found damaged since this was last asked.
    pub(super) fn take_damaged(&mut self) -> Tally {
        std::mem::take(&mut self.damaged)
    }

    /// Says whose records these are and will be. Gives those that were another task's, which are dropped.
    pub(super) fn claim(&mut self, task_arn: &str) -> Tally {
        let mut foreign = Tally::default();
        let foreign_end = self.ring.claim(task_arn);
        while self.records > 0 && self.oldest() < foreign_end {
            let Some(kind) = self.pop() else { break };
            foreign.add(kind, 1);
        }
        self.save_or_report();
        foreign
    }

    fn save_or_report(&mut self) {
        if let Err(error) = self.save() {
            error!(error:%; "the spool's file can't be written: an agent that starts now finds older records in it");
        }
    }

    fn save(&mut self) -> io::Result<()> {
        self.ring.save(Saved {
            oldest: self.oldest(),
            next: self.next_sequence,
            handed_out_end: self.handed_out_end,
            by_kind: self.by_kind,
        })
    }

    fn pop(&mut self) -> Option<Kind> {
        let Some(header) = self.ring.header(0) else {
            self.give_up();
            return None;
        };
        self.ring.pop(self.ring.frame_bytes(header.payload_bytes as usize));
        self.records -= 1;
        self.by_kind.remove_one(header.kind);
        Some(header.kind)
    }

    /// Drops all records: where the oldest one's length can't be read, none behind it can be found.
    fn give_up(&mut self) {
        self.damaged = self.damaged.plus(std::mem::take(&mut self.by_kind));
        self.records = 0;
        self.ring.clear();
    }
}

fn tally(kinds: impl IntoIterator<Item = Kind>) -> Tally {
    let mut tally = Tally::default();
    kinds.into_iter().for_each(|kind| tally.add(kind, 1));
    tally
}
