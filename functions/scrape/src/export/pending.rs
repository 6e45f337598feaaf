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
    /// is pending.
    pub(super) fn take(&mut self, first: impl FnOnce(&[T]) -> usize) -> Option<Delivery<T>> {
        let sent = first(self.items.make_contiguous()).min(self.items.len());
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
