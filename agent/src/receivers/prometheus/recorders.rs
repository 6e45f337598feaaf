//! The open blocks of all targets, and the memory that they share with answers on their way.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use siphon_core::{
    scrapes::{Outcome, Recorder, Scrape, Sealed, Target},
    units::UnixMillis,
};

use super::memory::{Memory, Share};

/// A target's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u64);

/// What is recorded of each target.
#[derive(Debug)]
pub struct Recorders {
    memory: Rc<Memory>,
    next: Cell<u64>,
    /// Open blocks stay open, so that the last scrapes go out together.
    is_held: Cell<bool>,
    open: RefCell<BTreeMap<Slot, Held>>,
}

#[derive(Debug)]
struct Held {
    recorder: Recorder,
    share: Share,
    last_at: UnixMillis,
}

impl Recorders {
    /// All together take so many bytes at most.
    #[must_use]
    pub fn new(memory_bytes: usize) -> Self {
        let memory = Rc::new(Memory::new(memory_bytes));
        Self { memory, next: Cell::new(0), is_held: Cell::new(false), open: RefCell::default() }
    }

    pub(super) fn share(&self) -> Share {
        self.memory.share()
    }

    pub(super) fn open(&self, target: Target) -> Slot {
        let slot = Slot(self.next.replace(self.next.get() + 1));
        let (recorder, share) = (Recorder::new(target), self.share());
        self.open.borrow_mut().insert(slot, Held { recorder, share, last_at: UnixMillis(i64::MIN) });
        slot
    }

    /// Adds a scrape whose text has `share`. Gives the blocks that are complete by that.
    pub(super) fn add(&self, slot: Slot, scrape: Scrape<Vec<u8>>, share: Share) -> Vec<Sealed> {
        let mut open = self.open.borrow_mut();
        // Whoever is closed meanwhile records no more.
        open.get_mut(&slot).map(|held| held.add(scrape, share)).unwrap_or_default()
    }

    /// The end of a target, and its last block.
    pub(super) fn close(&self, slot: Slot, at: UnixMillis) -> Vec<Sealed> {
        let mut sealed = self.add(slot, Scrape { at, duration_us: 0, outcome: Outcome::Gone }, self.share());
        let held = self.open.borrow_mut().remove(&slot);
        sealed.extend(held.and_then(|mut held| held.recorder.seal()));
        sealed
    }

    /// From now on [`Self::seal`] leaves blocks open, or closes them again.
    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.set(is_held);
    }

    /// Closes all open blocks, unless they are held. The work is bounded by the number of targets, since no block is larger than a full one.
    pub(crate) fn seal(&self) -> Vec<Sealed> {
        let mut open = self.open.borrow_mut();
        open.values_mut().filter(|_| !self.is_held.get()).filter_map(Held::seal).collect()
    }
}

impl Held {
    fn add(&mut self, mut scrape: Scrape<Vec<u8>>, share: Share) -> Vec<Sealed> {
        // Two samples of one time would be a conflict, and one from before refused, should the clock go back.
        scrape.at = scrape.at.max(self.last_at.plus(1));
        self.last_at = scrape.at;
        self.recorder.add(scrape);
        drop(share);
        // Without the open block there is no more than the text, which had its share.
        let is_full = self.recorder.is_full() || !self.share.resize(self.recorder.bytes());
        if is_full { self.seal().into_iter().collect() } else { Vec::new() }
    }

    fn seal(&mut self) -> Option<Sealed> {
        let sealed = self.recorder.seal();
        self.share.resize(self.recorder.bytes());
        sealed
    }
}
