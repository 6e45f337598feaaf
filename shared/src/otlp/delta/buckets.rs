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

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(first: i64, counts: &[u64]) -> Buckets {
        Buckets { first, counts: counts.into() }
    }

    #[test]
    fn they_stretch_to_either_side_at_the_same_or_a_lower_resolution() {
        for (bits, range, want) in [
            (0, None, buckets(-3, &[1, 2, 4])),
            (0, Some((-2, -1)), buckets(-3, &[1, 2, 4])),
            (0, Some((-5, 0)), buckets(-5, &[0, 0, 1, 2, 4, 0])),
            (1, None, buckets(-2, &[1, 6])),
            (1, Some((0, 0)), buckets(-2, &[1, 6, 0])),
            (63, None, buckets(-1, &[7])),
        ] {
            let mut stretched = buckets(-3, &[1, 2, 4]);
            stretched.stretch(bits, range);
            assert_eq!(stretched, want, "{bits} {range:?}");
        }
        let mut empty = Buckets::default();
        empty.stretch(3, None);
        assert_eq!((&empty, empty.range()), (&Buckets::default(), None));
        empty.stretch(3, Some((7, 8)));
        assert_eq!((empty.range(), empty.len()), (Some((7, 8)), 2));
    }

    #[test]
    fn the_lowest_are_taken_out_with_what_is_empty_after_them() {
        for (index, taken, left) in [
            (i64::MIN, 0, buckets(-3, &[1, 0, 4])),
            (-4, 0, buckets(-3, &[1, 0, 4])),
            (-3, 1, buckets(-1, &[4])),
            (-1, 5, buckets(0, &[])),
            (i64::MAX, 5, buckets(0, &[])),
        ] {
            let mut rest = buckets(-3, &[1, 0, 4]);
            assert_eq!((rest.take_through(index), rest), (taken, left), "{index}");
        }
    }

    #[test]
    fn counts_stop_at_the_largest_number() {
        let mut full = buckets(0, &[u64::MAX - 1]);
        full.add(0, 5);
        full.add(1, 5);
        assert_eq!(full, buckets(0, &[u64::MAX]));
    }
}
