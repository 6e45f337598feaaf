//! The spool: what is buffered until it is acknowledged, in a fixed number of bytes, in memory or in a directory.
//!
//! Each [`Share`] has half of the bytes, as a ring that frames lie in byte for byte as on the wire
//! ([`siphon_core::wire::FrameHeader`], then the payload). So a page is a copy, and the bytes of a record's header count.
//! In a directory each share is a file, and each frame has checksums before it. When a share is full its oldest records go.
//! Nothing here knows the time, the network or the counters: every method says what it did as a [`Tally`].

mod disk;
mod memory;
mod queue;
mod ring;
#[cfg(test)]
mod tests;

use std::{io, path::Path};

use disk::DiskRing;
pub use disk::{OpenError, Recovered};
use memory::MemoryRing;
use queue::{Queue, Run};
use ring::{Ring, Saved};
use siphon_core::{
    units::UnixMillis,
    wire::{Cursors, FRAME_HEADER_BYTES, Kind, Share, ShareHead},
};

/// Numbers of records by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Kind::ALL.len()]);

impl Tally {
    /// One record of `kind`.
    #[must_use]
    pub fn one(kind: Kind) -> Self {
        let mut tally = Self::default();
        tally.add(kind, 1);
        tally
    }

    /// Adds `count` records of `kind`.
    pub fn add(&mut self, kind: Kind, count: u64) {
        for (own, sum) in Kind::ALL.into_iter().zip(&mut self.0) {
            *sum += if own == kind { count } else { 0 };
        }
    }

    fn remove_one(&mut self, kind: Kind) {
        for (own, sum) in Kind::ALL.into_iter().zip(&mut self.0) {
            *sum -= u64::from(own == kind);
        }
    }

    /// The records of each kind.
    pub fn by_kind(self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(self.0)
    }

    /// The records of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn plus(mut self, other: Self) -> Self {
        other.by_kind().for_each(|(kind, count)| self.add(kind, count));
        self
    }

    fn less(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, taken)| *own = own.saturating_sub(taken));
        self
    }
}

/// A record does not fit into its share, even alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {bytes} bytes does not fit into its share of {share_bytes} bytes")]
pub struct TooLarge {
    bytes: usize,
    share_bytes: usize,
}

/// A record is not in the spool.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// It never can be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The spool's file can't be written.
    #[error("the spool's file can't be written: {error}")]
    Disk {
        /// Records that were lost to make room.
        evicted: Tally,
        /// Why.
        error: io::Error,
    },
}

/// An ack names records that were never handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("acknowledges records that were never handed out")]
pub struct BeyondHandedOut;

/// The buffer of one agent.
#[derive(Debug)]
pub struct Spool {
    metrics: Queue,
    traces: Queue,
    /// Which share chooses first for the next page.
    first: Share,
}

/// The records of a page.
#[derive(Debug)]
pub struct Selection {
    metrics: Run,
    traces: Run,
    /// Records in the page.
    pub handed_out: Tally,
    /// Records that were in the page before, were evicted since, and were not acknowledged.
    pub lost: Tally,
    /// The metrics share after the page.
    pub metrics_head: ShareHead,
    /// The traces share after the page.
    pub traces_head: ShareHead,
}

impl Selection {
    /// Bytes that [`Spool::copy`] will append.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.metrics.bytes + self.traces.bytes
    }
}

impl Spool {
    /// An empty spool of `max_bytes` in memory, half of them for each share.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let queue = || Queue::new(Ring::Memory(MemoryRing::new(max_bytes / 2)), Saved::default());
        Self { metrics: queue(), traces: queue(), first: Share::Metrics }
    }

    /// A spool of `max_bytes` in the files of `dir`, half of them for each share, with what an agent before has left there.
    /// None of that may be handed out before [`Self::claim`] has said whose it is.
    ///
    /// # Errors
    /// [`OpenError`], but never for what the files hold.
    pub fn open(dir: &Path, max_bytes: usize) -> Result<(Self, Recovered), OpenError> {
        let open = |share| {
            let (ring, saved, recovered) = DiskRing::open(dir, share, max_bytes / 2)?;
            Ok((Queue::new(Ring::Disk(Box::new(ring)), saved), recovered))
        };
        let ((metrics, of_metrics), (traces, of_traces)) = (open(Share::Metrics)?, open(Share::Traces)?);
        Ok((Self { metrics, traces, first: Share::Metrics }, of_metrics.plus(of_traces)))
    }

    /// Says which task all records are of from now on, and gives those that an agent of another task has left. They are
    /// dropped.
    pub fn claim(&mut self, task_arn: &str) -> Tally {
        self.metrics.claim(task_arn).plus(self.traces.claim(task_arn))
    }

    /// The longest payload that a spool of `max_bytes` takes, in memory or in a directory.
    #[must_use]
    pub const fn payload_limit(max_bytes: usize, in_directory: bool) -> usize {
        let before = if in_directory { disk::FRAME_BYTES } else { FRAME_HEADER_BYTES };
        (max_bytes / 2).saturating_sub(before)
    }

    /// Appends a record, and gives the records that were lost to make room.
    ///
    /// # Errors
    /// [`NotStored`]. For one that is [`TooLarge`] nothing was lost.
    pub fn push(&mut self, kind: Kind, arrived: UnixMillis, payload: &[u8]) -> Result<Tally, NotStored> {
        self.queue_mut(kind.share()).push(kind, arrived, payload)
    }

    /// Chooses the records of the next page: the oldest of each share, at most `max_bytes` with their headers, but at
    /// least one record if there is any.
    ///
    /// Each share may have half of the bytes and what the other leaves. The shares take turns at choosing first, which
    /// brings the right to a first record of any size: so a large record is never passed over for ever.
    ///
    /// What was handed out before is handed out again as it was, neither in parts nor with more behind it; where the
    /// page has no room for that, it waits for its share's turn. So whoever writes it again makes the same requests of
    /// it, and a receiver that refuses one of them as known has all of it.
    pub fn select(&mut self, max_bytes: usize) -> Selection {
        let (first, second) = match self.first {
            Share::Metrics => (Share::Metrics, Share::Traces),
            Share::Traces => (Share::Traces, Share::Metrics),
        };
        self.first = second;
        self.metrics.drop_damaged();
        self.traces.drop_damaged();
        let reserved = self.queue(second).used().min(max_bytes / 2);
        let repeat = |share| self.queue(share).repeat().filter(|run: &Run| run.bytes <= max_bytes);
        let run = repeat(first).unwrap_or_else(|| self.queue(first).run(max_bytes - reserved, true));
        let left = max_bytes.saturating_sub(run.bytes);
        let other = match repeat(second) {
            Some(run) if run.bytes <= left => run,
            Some(_) => Run::default(),
            None => self.queue(second).run(left, run.records == 0),
        };
        match first {
            Share::Metrics => self.hand_out(run, other),
            Share::Traces => self.hand_out(other, run),
        }
    }

    fn hand_out(&mut self, metrics: Run, traces: Run) -> Selection {
        let before = (self.metrics.handed_out(), self.traces.handed_out());
        let lost = self.metrics.hand_out(&metrics).plus(self.traces.hand_out(&traces));
        let head = |queue: &Queue, run: &Run, handed_out_before| ShareHead {
            cursor: queue.cursor(),
            remaining_records: queue.records() - run.records,
            handed_out_before,
        };
        Selection {
            handed_out: metrics.by_kind.plus(traces.by_kind),
            lost,
            metrics_head: head(&self.metrics, &metrics, before.0),
            traces_head: head(&self.traces, &traces, before.1),
            metrics,
            traces,
        }
    }

    /// Appends the frames of `selection` to `page`. Nothing may have changed since they were selected.
    ///
    /// # Errors
    /// A file can't be read; then the page is of no use.
    pub fn copy(&self, selection: &Selection, page: &mut Vec<u8>) -> io::Result<()> {
        self.metrics.copy(&selection.metrics, page)?;
        self.traces.copy(&selection.traces, page)
    }

    /// Records that could not be read any more as they were written, since this was last asked. They are dropped.
    pub fn take_damaged(&mut self) -> Tally {
        self.metrics.take_damaged().plus(self.traces.take_damaged())
    }

    /// Drops what is before the cursors, and gives the records that are delivered by that.
    ///
    /// # Errors
    /// [`BeyondHandedOut`]; then nothing was dropped.
    pub fn ack(&mut self, delivered: &Cursors) -> Result<Tally, BeyondHandedOut> {
        if !Share::ALL.into_iter().all(|share| self.queue(share).was_handed_out(delivered.get(share))) {
            return Err(BeyondHandedOut);
        }
        Ok(self.metrics.ack(delivered.metrics).plus(self.traces.ack(delivered.traces)))
    }

    /// Records in both shares.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.metrics.records() + self.traces.records()
    }

    /// Records of both shares that are neither acknowledged nor lost, by kind: those that are buffered, and those that are
    /// evicted while the latest page holds them.
    #[must_use]
    pub fn unfinished(&self) -> Tally {
        self.metrics.unfinished().plus(self.traces.unfinished())
    }

    /// Bytes that `share` holds, headers included.
    #[must_use]
    pub const fn used(&self, share: Share) -> usize {
        self.queue(share).used()
    }

    const fn queue(&self, share: Share) -> &Queue {
        match share {
            Share::Metrics => &self.metrics,
            Share::Traces => &self.traces,
        }
    }

    const fn queue_mut(&mut self, share: Share) -> &mut Queue {
        match share {
            Share::Metrics => &mut self.metrics,
            Share::Traces => &mut self.traces,
        }
    }
}
