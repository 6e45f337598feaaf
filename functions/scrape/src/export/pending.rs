//! Translated records that are not all delivered.

use std::collections::VecDeque;

use super::{Completes, Delivery};

pub(super) struct Pending<T> {
    items: VecDeque<T>,
    /// In order, each with how many of `items` must go before it is done.
    records: VecDeque<(usize, Completes)>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), records: VecDeque::new() }
    }
}

impl<T> Pending<T> {
    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Adds what one record became.
    pub(super) fn add(&mut self, items: impl IntoIterator<Item = T>, record: Completes) {
        self.items.extend(items);
        self.records.push_back((self.items.len(), record));
    }

    /// As many of the first items as `first` says go together, with the records that end with them; `None` when nothing
    /// is pending. Fewer where a record begins among them: what became of its items counts once it is done, not with the
    /// records before it.
    pub(super) fn take(&mut self, first: impl FnOnce(&[T]) -> usize) -> Option<Delivery<T>> {
        let most = first(self.items.make_contiguous()).min(self.items.len());
        let ends = self.records.iter().filter(|(_, record)| record.through.is_some()).map(|(end, _)| *end);
        let sent = ends.take_while(|end| *end <= most).last().unwrap_or(most);
        let items: Vec<_> = self.items.drain(..sent).collect();
        let mut completes = Completes::default();
        while let Some((_, record)) = self.records.pop_front_if(|(end, _)| *end <= sent) {
            completes.extend(record);
        }
        for (end, _) in &mut self.records {
            *end -= sent;
        }
        (!items.is_empty() || completes.through.is_some()).then_some(Delivery { items, completes })
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::wire::Cursor;

    use super::*;

    fn record(sequence: u64) -> Completes {
        Completes { through: Some(Cursor(sequence)), ..Completes::default() }
    }

    /// Items and cursor of each delivery, of five items at most.
    fn deliveries(records: impl IntoIterator<Item = (usize, Completes)>) -> Vec<(usize, Option<u64>)> {
        let mut pending = Pending::default();
        records.into_iter().for_each(|(items, record)| pending.add(vec![(); items], record));
        let take = || pending.take(|items| items.len().min(5));
        let delivered = |all: Delivery<()>| (all.items.len(), all.completes.through.map(|cursor| cursor.0));
        std::iter::from_fn(take).map(delivered).collect()
    }

    #[test]
    fn a_delivery_has_whole_records_as_far_as_one_fits() {
        let records = [(2, record(1)), (2, record(2)), (2, record(3)), (3, record(4))];
        assert_eq!(deliveries(records), [(4, Some(2)), (5, Some(4))]);
    }

    #[test]
    fn a_record_that_does_not_fit_shares_none_of_its_deliveries_with_those_before_it() {
        let part = Completes::default;
        assert_eq!(deliveries([(3, record(1)), (7, record(2))]), [(3, Some(1)), (5, None), (2, Some(2))]);
        assert_eq!(deliveries([(0, record(1)), (7, record(2))]), [(0, Some(1)), (5, None), (2, Some(2))]);
        assert_eq!(
            deliveries([(3, record(1)), (2, part()), (4, record(2))]),
            [(3, Some(1)), (5, None), (1, Some(2))]
        );
    }
}
