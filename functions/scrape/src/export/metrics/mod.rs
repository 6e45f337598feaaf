//! The metrics share -> remote-write requests.
//!
//! What a page repeats goes out in the same groups as the first time, apart from what is new with each page (the agent's
//! counters, markers): then a receiver that has it knows it.

mod group;
#[cfg(test)]
mod tests;
mod translators;

use siphon_core::{
    amp::Limiter,
    prometheus::Rest,
    remote_write::{Limits, Packer, Version},
    series::Ends,
    wire::{Record, Share},
};

use self::{
    group::Group,
    translators::{Translated, Translators},
};
use super::{Delivery, Export, Outgoing, PART_BYTES};

/// The deliveries of one page, made as they are asked for.
pub struct Deliveries<'a> {
    translators: Translators<'a>,
    packer: Packer,
    limits: Limits,
    records: Vec<&'a Record>,
    /// Where the next group begins; `None` behind the last record.
    next: Option<Place<'a>>,
    /// What is there of it already.
    waiting: Option<Translated>,
    /// The first record of the latest group.
    begun: usize,
    /// Records before this one go alone.
    alone: usize,
    /// The page was handed out before.
    is_repeat: bool,
    has_counts: bool,
    is_end: bool,
    /// What goes with the last records, once it is made: it has to be the same, should they come again.
    added: Option<Translated>,
    is_done: bool,
}

impl<'a> Deliveries<'a> {
    /// See [`Export::metrics`].
    pub(super) fn new(
        export: &'a Export<'_>,
        limiter: Option<Limiter>,
        counts: bool,
        limits: Limits,
        version: Version,
        ends: &'a mut Ends,
    ) -> Self {
        let head = &export.page.head;
        let records: Vec<_> = export.page.share(Share::Metrics).collect();
        let is_repeat =
            records.first().is_some_and(|record| record.sequence < head.metrics.handed_out_before.0);
        let mut deliveries = Self {
            translators: Translators::new(export, limiter, ends),
            packer: Packer::new(&limits, version),
            limits,
            records,
            next: None,
            waiting: None,
            begun: 0,
            alone: 0,
            is_repeat,
            has_counts: counts && !export.page.records.is_empty(),
            is_end: head.stopping && head.metrics.remaining_records == 0,
            added: None,
            is_done: false,
        };
        deliveries.next = deliveries.place(0);
        deliveries
    }

    /// The records of the latest delivery come again, one by one: some of them may be stored. So each that is dealt with
    /// stays so, however long it takes to find out about all.
    pub fn take_apart(&mut self) {
        self.alone = self.next.map_or(self.records.len(), |place| place.index);
        self.next = self.place(self.begun);
        (self.waiting, self.is_done) = (None, false);
    }

    fn place(&self, index: usize) -> Option<Place<'a>> {
        let record = *self.records.get(index)?;
        Some(Place { index, record, rest: Rest::default() })
    }

    fn group(&mut self) -> Group {
        self.begun = self.next.map_or(self.records.len(), |place| place.index);
        let is_alone = self.begun < self.alone;
        let mut group = Group::new(self.is_repeat || is_alone, is_alone && !self.is_repeat);
        while let Some(place) = self.next {
            let translated = self.waiting.take().unwrap_or_else(|| self.translators.translate(place));
            let left = translated.left;
            self.waiting = group.take(translated, &self.translators.sets, &self.limits);
            if self.waiting.is_some() {
                break;
            }
            self.next = left.map(|rest| Place { rest, ..place }).or_else(|| self.place(place.index + 1));
            if left.is_some() || is_alone {
                break;
            }
        }
        if self.next.is_none() {
            self.is_done = true;
            group.add(self.added());
        }
        group
    }

    /// The agent's counters, and markers.
    fn added(&mut self) -> Translated {
        let Self { translators, added, has_counts, is_end, .. } = self;
        let added = added.get_or_insert_with(|| {
            let mut added = if *has_counts { translators.counts() } else { Translated::default() };
            if *is_end {
                added.extend(translators.end());
            }
            added
        });
        added.clone()
    }
}

impl Iterator for Deliveries<'_> {
    type Item = Delivery<Outgoing>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            let delivery = self.group().close(&mut self.packer, &self.translators.sets);
            // Once all was translated, what may come again adds no series.
            if self.translators.sets.bytes() > PART_BYTES && self.added.is_none() {
                self.translators.forget();
                self.waiting = None; // it refers to what is forgotten
            }
            if delivery.is_some() {
                return delivery;
            }
        }
        None
    }
}

/// A record, from some point of it on.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Of the record, in the page's share.
    index: usize,
    record: &'a Record,
    rest: Rest,
}
