//! What goes out in one delivery.

use siphon_core::{
    remote_write::{Limits, Packer, Weight},
    series::{Batch, LabelSets},
};

use super::{
    super::{Completes, Delivery, Outgoing},
    translators::Translated,
};

/// Consecutive records whose samples fit one request.
#[derive(Default)]
pub(super) struct Group {
    completes: Completes,
    batch: Batch,
    weight: Weight,
    /// The records went out before.
    may_be_stored: bool,
    /// What goes with the last ones.
    added: Batch,
    /// It went out before.
    added_may_be_stored: bool,
}

impl Group {
    /// Whether its records, and what is added, went out before.
    pub(super) fn new(may_be_stored: bool, added_may_be_stored: bool) -> Self {
        Self { may_be_stored, added_may_be_stored, ..Self::default() }
    }

    /// Takes a record in, or gives it back where it would pass the limits, or is not all of it: what became of a part
    /// counts once the record is done, not with those before it. The first one always has room: should it pass the limits
    /// alone, it becomes several requests under one cursor.
    pub(super) fn take(
        &mut self,
        mut record: Translated,
        sets: &LabelSets,
        limits: &Limits,
    ) -> Option<Translated> {
        let weight = self.weight.clone().plus(&mut record.batch, sets);
        let is_too_much = self.batch.samples() > 0 && !weight.fits(limits);
        if is_too_much || self.completes.through.is_some() && record.left.is_some() {
            return Some(record);
        }
        self.weight = weight;
        self.batch.append(record.batch);
        self.completes.extend(record.completes);
        None
    }

    /// Adds what no record holds. It goes under the cursor of the last records, whatever the limits: an agent that is
    /// drained ends, and nobody comes back for it.
    pub(super) fn add(&mut self, added: Translated) {
        self.added.append(added.batch);
        self.completes.extend(added.completes);
    }

    /// `None` if there is nothing in it, not even a record or what was left out of a part of one.
    pub(super) fn close(mut self, packer: &mut Packer, sets: &LabelSets) -> Option<Delivery<Outgoing>> {
        if !self.may_be_stored {
            self.batch.append(std::mem::take(&mut self.added));
        }
        let is_empty = self.batch.samples() + self.added.samples() == 0;
        if is_empty && self.completes.through.is_none() && self.completes.samples == 0 {
            return None;
        }
        let mut items = Vec::new();
        let records = self.completes.arrived.len();
        for (batch, may_be_stored, records) in
            [(&mut self.batch, self.may_be_stored, records), (&mut self.added, self.added_may_be_stored, 1)]
        {
            let (requests, drops) = packer.requests(batch, sets);
            items.extend(requests.into_iter().map(|request| Outgoing { request, may_be_stored, records }));
            for drop in drops {
                let Completes { dropped, exemplars, .. } = &mut self.completes;
                (if drop.is_exemplars() { exemplars } else { dropped }).add(drop.reason, drop.samples);
            }
        }
        Some(Delivery { items, completes: self.completes })
    }
}
