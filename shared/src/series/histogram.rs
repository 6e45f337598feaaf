//! Native histograms (<https://prometheus.io/docs/specs/native_histograms/>).

use super::Start;
use crate::units::UnixMillis;

/// A native histogram of whole counts at one time.
#[derive(Clone, Debug, Default)]
pub struct NativeHistogram {
    /// When it was measured.
    pub at: UnixMillis,
    /// When counting began.
    pub start: Start,
    /// How many were counted; the bits of [`super::STALE`] end the series.
    pub count: u64,
    /// Their sum; [`super::STALE`] ends the series.
    pub sum: f64,
    /// Resolution: bucket bounds are powers of 2^(2^-schema), -4 to 8.
    pub schema: i32,
    /// Half the width of the zero bucket.
    pub zero_threshold: f64,
    /// How many were within the zero threshold.
    pub zero_count: u64,
    /// Buckets of values below zero.
    pub negative: Buckets,
    /// Buckets of values above zero.
    pub positive: Buckets,
}

impl PartialEq for NativeHistogram {
    fn eq(&self, other: &Self) -> bool {
        let whole = |h: &Self| (h.at, h.start, h.count, h.schema, h.zero_count);
        let bits = |h: &Self| (h.sum.to_bits(), h.zero_threshold.to_bits());
        whole(self) == whole(other)
            && bits(self) == bits(other)
            && self.negative == other.negative
            && self.positive == other.positive
    }
}

/// The populated buckets of one side of a native histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Runs of consecutive buckets.
    pub spans: Vec<BucketSpan>,
    /// The first bucket's count, then each bucket's difference from the one before.
    pub deltas: Vec<i64>,
}

/// Consecutive buckets of a native histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSpan {
    /// Index of the first span's first bucket; for later spans the gap to the one before.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// Up to so many empty buckets are written out rather than skipped by a new span.
const MAX_WRITTEN_GAP: i64 = 2;

impl Buckets {
    /// Index and count of each bucket that is written, ascending. Buckets are numbered by their upper bounds.
    pub fn counts(&self) -> impl Iterator<Item = (i64, u64)> {
        let mut next = 0i64;
        let indexes = self.spans.iter().flat_map(move |span| {
            let first = next + i64::from(span.offset);
            next = first + i64::from(span.length);
            first..next
        });
        let mut count = 0i64;
        let counts = self.deltas.iter().map(move |delta| {
            count = count.wrapping_add(*delta);
            count.cast_unsigned()
        });
        indexes.zip(counts)
    }

    /// Writes buckets that come with ascending indexes. Empty ones are skipped.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = (i64, u64)>) -> Self {
        let mut populated = counts.into_iter().filter(|(_, count)| *count > 0).peekable();
        let Some((first, _)) = populated.peek() else { return Self::default() };
        let (mut writer, mut next) = (BucketWriter::starting_at(*first), *first);
        for (index, count) in populated {
            writer.skip(index - next);
            writer.write(count);
            next = index + 1;
        }
        writer.buckets
    }
}

/// Buckets as they are written, one by one.
pub(crate) struct BucketWriter {
    pub(crate) buckets: Buckets,
    previous: i64,
}

impl BucketWriter {
    /// The first bucket that is skipped or written has this index.
    pub(crate) fn starting_at(index: i64) -> Self {
        let spans = vec![BucketSpan { offset: clamped(index), length: 0 }];
        Self { buckets: Buckets { spans, deltas: Vec::new() }, previous: 0 }
    }

    /// The next buckets are empty.
    pub(crate) fn skip(&mut self, gap: i64) {
        if gap > MAX_WRITTEN_GAP {
            self.buckets.spans.push(BucketSpan { offset: clamped(gap), length: 0 });
        } else {
            (0..gap).for_each(|_| self.write(0));
        }
    }

    /// The next bucket.
    pub(crate) fn write(&mut self, count: u64) {
        if let Some(span) = self.buckets.spans.last_mut() {
            span.length += 1;
        }
        let count = count.cast_signed();
        self.buckets.deltas.push(count.wrapping_sub(self.previous));
        self.previous = count;
    }
}

fn clamped(index: i64) -> i32 {
    i32::try_from(index).unwrap_or(if index < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::{super::STALE, *};

    #[test]
    fn counts_are_read_as_they_are_written() {
        for counts in [
            vec![],
            vec![(-7, 5)],
            vec![(-2, 1), (-1, u64::MAX), (0, 4), (2, 3), (5, 1), (9, 8)],
            vec![(i64::from(i32::MIN), 1), (-1, 2), (i64::from(i32::MAX) - 1, 3)],
        ] {
            let buckets = Buckets::from_counts(counts.clone());
            let populated: Vec<_> = buckets.counts().filter(|(_, count)| *count > 0).collect();
            assert_eq!(populated, counts);
        }
        let gaps = Buckets::from_counts([(1, 1), (4, 2), (8, 3)]);
        let span = |offset, length| BucketSpan { offset, length };
        assert_eq!((gaps.spans, gaps.deltas), (vec![span(1, 4), span(3, 1)], vec![1, -1, 0, 2, 1]));
    }

    #[test]
    fn a_stale_histogram_equals_itself() {
        let stale = NativeHistogram { sum: STALE, count: STALE.to_bits(), ..Default::default() };
        assert_eq!(stale, stale.clone());
        assert_ne!(stale, NativeHistogram { sum: f64::NAN, ..stale.clone() });
    }
}
