//! What applications report of their sampling, until X-Ray has it.

use std::collections::{BTreeMap, btree_map::Entry};

use siphon_core::{
    wire::{Reported, SamplingStatistics},
    xray::sampling::MAX_COUNT,
};

/// The most pairs of client and rule that are counted at a time, and that a page carries.
const MAX_PAIRS: usize = 256;

/// There is no room for one more pair of client and rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Counts by client and rule: a batch that is handed out until X-Ray has it, and what was counted since.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    open: BTreeMap<(String, String), SamplingStatistics>,
    batch: Vec<SamplingStatistics>,
    number: u64,
}

impl Statistics {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.batch.is_empty()
    }

    /// Adds what one client reports of one rule.
    pub(super) fn add(&mut self, more: SamplingStatistics) -> Result<(), Full> {
        let is_full = self.open.len() >= MAX_PAIRS;
        match self.open.entry((more.client_id.clone(), more.rule_name.clone())) {
            Entry::Occupied(mut sum) => add(sum.get_mut(), more),
            Entry::Vacant(_) if is_full => return Err(Full),
            Entry::Vacant(place) => _ = place.insert(more),
        }
        Ok(())
    }

    /// The batch and its number; a new one if the last was reported.
    pub(super) fn hand_out(&mut self) -> (u64, Vec<SamplingStatistics>) {
        if self.batch.is_empty() {
            self.batch = std::mem::take(&mut self.open).into_values().collect();
        }
        (self.number, self.batch.clone())
    }

    /// Drops what X-Ray has. What is left of the batch is a batch of its own, so that the same words said twice drop
    /// nothing more.
    pub(super) fn reported(&mut self, reported: Reported) {
        if reported.batch == self.number && reported.statistics > 0 {
            self.batch.drain(..reported.statistics.min(self.batch.len()));
            self.number += 1;
        }
    }
}

/// A sum that is over what X-Ray takes stays there: a larger one would have the whole call refused.
fn add(sum: &mut SamplingStatistics, more: SamplingStatistics) {
    let add = |sum: &mut u64, more| *sum = sum.saturating_add(more).min(MAX_COUNT);
    add(&mut sum.request_count, more.request_count);
    add(&mut sum.sampled_count, more.sampled_count);
    add(&mut sum.borrow_count, more.borrow_count);
    sum.timestamp = more.timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(client: usize, rule: &str) -> SamplingStatistics {
        SamplingStatistics {
            client_id: format!("{client:024x}"),
            rule_name: rule.to_owned(),
            timestamp: 1.into(),
            request_count: 3,
            sampled_count: 2,
            borrow_count: 1,
        }
    }

    fn counts(batch: &[SamplingStatistics]) -> Vec<(u64, u64, u64)> {
        batch.iter().map(|s| (s.request_count, s.sampled_count, s.borrow_count)).collect()
    }

    #[test]
    fn a_batch_stays_the_same_until_it_is_reported() {
        let mut statistics = Statistics::default();
        statistics.add(one(1, "a")).unwrap();
        statistics.add(SamplingStatistics { timestamp: 9.into(), ..one(1, "a") }).unwrap();
        statistics.add(one(1, "b")).unwrap();
        let (number, batch) = statistics.hand_out();
        assert_eq!(counts(&batch), [(6, 4, 2), (3, 2, 1)]);
        assert_eq!(batch[0].timestamp, 9.into());
        statistics.add(one(1, "a")).unwrap();
        assert_eq!(statistics.hand_out(), (number, batch), "what comes later waits");
        let reported = |batch, statistics| Reported { batch, statistics };
        statistics.reported(reported(number + 7, 2));
        statistics.reported(reported(number, 0));
        assert_eq!(statistics.hand_out().1.len(), 2, "of another batch, or nothing of it");
        statistics.reported(reported(number, 1));
        statistics.reported(reported(number, 1));
        let (rest, batch) = statistics.hand_out();
        assert_eq!((rest, &batch[..]), (number + 1, &[one(1, "b")][..]), "what is left, and once only");
        statistics.reported(reported(rest, 99));
        assert_eq!(statistics.hand_out(), (number + 2, vec![one(1, "a")]));
        statistics.reported(reported(number + 2, 1));
        assert!(statistics.is_empty());
    }

    #[test]
    fn a_sum_stays_within_what_x_ray_takes() {
        let mut statistics = Statistics::default();
        for request_count in [MAX_COUNT, 1, MAX_COUNT] {
            statistics.add(SamplingStatistics { request_count, ..one(1, "a") }).unwrap();
        }
        assert_eq!(counts(&statistics.hand_out().1), [(MAX_COUNT, 6, 3)]);
    }

    #[test]
    fn so_many_pairs_and_no_more() {
        let mut statistics = Statistics::default();
        for client in 0..MAX_PAIRS {
            assert_eq!(statistics.add(one(client, "a")), Ok(()));
        }
        assert_eq!(statistics.add(one(MAX_PAIRS, "a")), Err(Full));
        assert_eq!(statistics.add(one(0, "a")), Ok(()), "the known ones go on");
        statistics.hand_out();
        assert_eq!(statistics.add(one(MAX_PAIRS, "a")), Ok(()), "there is room again");
    }
}
