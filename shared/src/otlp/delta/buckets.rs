//! Consecutive buckets of an exponential histogram, of one sign.

use super::exponential::{joined, lowered};
use crate::protobuf::write;

/// By index: bucket `i` is of the values over base^i up to base^(i + 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Buckets {
    first: i64,
    counts: Box<[u64]>,
}

impl Buckets {
    /// The first and the last index.
    pub(super) fn range(&self) -> Option<(i64, i64)> {
        let more = i64::try_from(self.counts.len()).ok()?.checked_sub(1).filter(|more| *more >= 0)?;
        Some((self.first, self.first + more))
    }

    pub(super) const fn len(&self) -> usize {
        self.counts.len()
    }

    /// The count under an index.
    pub(super) fn count(&self, index: i64) -> u64 {
        self.place(index).and_then(|place| self.counts.get(place)).copied().unwrap_or(0)
    }

    /// Adds to the count under an index, which has to be within the range.
    pub(super) fn add(&mut self, index: i64, count: u64) {
        if let Some(total) = self.place(index).and_then(|place| self.counts.get_mut(place)) {
            *total = total.saturating_add(count);
        }
    }

    fn place(&self, index: i64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.first)?).ok()
    }

    /// Lowers the resolution by that many bits, and makes room for indexes of that resolution.
    pub(super) fn stretch(&mut self, bits: u32, range: Option<(i64, i64)>) {
        let own = lowered(self.range(), bits);
        let Some((first, last)) = joined(own, range) else { return };
        if bits == 0 && own == Some((first, last)) {
            return;
        }
        let length = usize::try_from(last - first + 1).unwrap_or(0);
        let mut wider = Self { first, counts: vec![0; length].into_boxed_slice() };
        for (index, count) in (self.first..).zip(&self.counts) {
            wider.add(index >> bits, *count);
        }
        *self = wider;
    }

    /// Takes out all buckets up to an index, and gives what they counted.
    pub(super) fn take_through(&mut self, index: i64) -> u64 {
        let places = index.saturating_sub(self.first).saturating_add(1);
        let places = usize::try_from(places.max(0)).unwrap_or(usize::MAX).min(self.counts.len());
        let (taken, rest) = self.counts.split_at(places);
        let empty = rest.iter().take_while(|count| **count == 0).count();
        let count = taken.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
        self.first += i64::try_from(places + empty).unwrap_or(0);
        self.counts = rest.iter().skip(empty).copied().collect();
        count
    }

    /// Writes them as a field, unless there are none.
    pub(super) fn write(&self, tag: u8, out: &mut Vec<u8>) {
        if self.counts.is_empty() {
            return;
        }
        let message = write::open(tag, 128, out);
        write::sint32(1, i32::try_from(self.first).unwrap_or_default(), out); // no index is over 32 bits
        let counts = write::open(2, 128, out);
        self.counts.iter().for_each(|count| write::varint(*count, out));
        write::close(&counts, out);
        write::close(&message, out);
    }
}
