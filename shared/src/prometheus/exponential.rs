//! Exponential histograms to native histograms.

use super::{
    points::{Refusal, at, is_stale, start},
    reason,
};
use crate::{
    otlp::{self, view::ExponentialHistogramPoint},
    series::{BucketWriter, Buckets, NativeHistogram, STALE},
};

/// The resolutions that Prometheus knows. Finer ones are merged down; coarser ones can't be told.
const MIN_SCHEMA: i32 = -4;
const MAX_SCHEMA: i32 = 8;

/// What a histogram that names no zero threshold gets.
const DEFAULT_ZERO_THRESHOLD: f64 = 1e-128;

/// One point. One that is too coarse is refused.
pub(super) fn native_histogram(point: &ExponentialHistogramPoint<'_>) -> Result<NativeHistogram, Refusal> {
    if point.scale < MIN_SCHEMA {
        return Err(Refusal::Dropped(reason::EXPONENTIAL_SCALE));
    }
    let (at, is_stale) = (at(point.time_unix_nano), is_stale(point.flags));
    let merged_bits = u32::try_from(point.scale.saturating_sub(MAX_SCHEMA)).unwrap_or(0);
    let has_threshold = point.zero_threshold != 0.0;
    Ok(NativeHistogram {
        at,
        start: start(point.start_time_unix_nano, at),
        count: if is_stale { STALE.to_bits() } else { point.count },
        sum: if is_stale { STALE } else { point.sum.unwrap_or(0.0) },
        schema: point.scale.min(MAX_SCHEMA),
        zero_threshold: if has_threshold { point.zero_threshold } else { DEFAULT_ZERO_THRESHOLD },
        zero_count: point.zero_count,
        negative: side(&point.negative.decode_merged()?, merged_bits),
        positive: side(&point.positive.decode_merged()?, merged_bits),
    })
}

fn side(buckets: &otlp::Buckets, merged_bits: u32) -> Buckets {
    layout(&merged(buckets, merged_bits))
}

/// Consecutive buckets under Prometheus' indexes, which count by upper bound.
struct Dense {
    first: i64,
    counts: Vec<u64>,
}

/// Merges 2^`bits` neighbours into one. Indexes are halved towards minus infinity.
fn merged(buckets: &otlp::Buckets, bits: u32) -> Dense {
    let index = |i: i64| ((i + i64::from(buckets.offset)) >> bits.min(63)) + 1;
    let first = index(0);
    let mut counts: Vec<u64> = Vec::new();
    for (i, count) in (0..).zip(&buckets.counts) {
        let place = usize::try_from(index(i) - first).unwrap_or(usize::MAX);
        match counts.get_mut(place) {
            Some(sum) => *sum = sum.saturating_add(*count),
            None => counts.push(*count), // the next index is the same or one more
        }
    }
    Dense { first, counts }
}

/// Spans and deltas: empty buckets in front and between are skipped where that is worth a span, the last bucket is
/// always written.
fn layout(dense: &Dense) -> Buckets {
    let Some(last) = dense.counts.len().checked_sub(1) else { return Buckets::default() };
    let mut out = BucketWriter::starting_at(dense.first);
    let mut next = 0; // place of the first bucket that is not yet written
    for (place, (i, count)) in (0i64..).zip(dense.counts.iter().enumerate()) {
        let is_written = *count != 0 || i == last;
        if is_written {
            out.skip(place - next);
            out.write(*count);
            next = place + 1;
        }
    }
    out.buckets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::series::BucketSpan;

    fn spans(pairs: &[(i32, u32)]) -> Vec<BucketSpan> {
        pairs.iter().map(|(offset, length)| BucketSpan { offset: *offset, length: *length }).collect()
    }

    #[test]
    fn buckets_become_spans_and_deltas() {
        for (offset, bits, counts, want_spans, want_deltas) in [
            (4, 0, vec![0, 5, 7], vec![(5, 3)], vec![0, 5, 2]),
            (-2, 0, vec![1, 0, 2, 4], vec![(-1, 4)], vec![1, -1, 2, 2]),
            (0, 0, vec![5, 0], vec![(1, 2)], vec![5, -5]),
            (0, 0, vec![5, 0, 0, 7], vec![(1, 4)], vec![5, -5, 0, 7]),
            (0, 0, vec![5, 0, 0, 0, 7], vec![(1, 1), (3, 1)], vec![5, 2]),
            (0, 0, vec![0, 0, 0, 0, 5], vec![(1, 0), (4, 1)], vec![5]),
            (0, 0, vec![0, 0, 0], vec![(1, 3)], vec![0, 0, 0]),
            (0, 1, vec![1, 2, 3, 4], vec![(1, 2)], vec![3, 4]),
            (0, 1, vec![0, 0, 3, 4], vec![(1, 2)], vec![0, 7]),
            (-3, 1, vec![1, 2, 4], vec![(-1, 2)], vec![1, 5]),
            (i32::MAX, 40, vec![1, 1], vec![(1, 1)], vec![2]),
            (7, 0, vec![], vec![], vec![]),
        ] {
            let made = side(&otlp::Buckets { offset, counts: counts.clone() }, bits);
            assert_eq!(
                made,
                Buckets { spans: spans(&want_spans), deltas: want_deltas },
                "{offset} {bits} {counts:?}"
            );
        }
    }

    #[test]
    fn the_scale_is_kept_lowered_or_refused() {
        for (scale, want) in [(-5, None), (-4, Some(-4)), (8, Some(8)), (9, Some(8)), (i32::MAX, Some(8))] {
            let point = ExponentialHistogramPoint { scale, ..Default::default() };
            assert_eq!(native_histogram(&point).ok().map(|h| h.schema), want, "{scale}");
        }
    }

    #[test]
    fn a_point_without_recorded_value_is_stale() {
        let point = ExponentialHistogramPoint { flags: 1, count: 7, sum: Some(1.0), ..Default::default() };
        let made = native_histogram(&point).ok().unwrap();
        assert_eq!((made.sum.to_bits(), made.count), (STALE.to_bits(), STALE.to_bits()));
        assert_eq!(made.zero_threshold, DEFAULT_ZERO_THRESHOLD);
    }

    /// The loop of the exporter that we follow, word for word, where nothing has to be merged.
    fn as_the_exporter_does(first: i32, counts: &[u64]) -> Buckets {
        let index = |i: usize| first + i32::try_from(i).unwrap();
        let mut out = BucketWriter::starting_at(first.into());
        let (mut current, mut count) = (first, 0);
        for (i, next) in counts.iter().enumerate() {
            if index(i) == current {
                count += next;
            } else if count == 0 {
                count = *next;
            } else {
                out.skip((index(i) - current - 1).into());
                out.write(count);
                (count, current) = (*next, index(i));
            }
        }
        out.skip((index(counts.len() - 1) - current).into());
        out.write(count);
        out.buckets
    }

    proptest! {
        #[test]
        fn the_layout_is_the_exporters(
            first in -5i32..5,
            counts in prop::collection::vec(prop_oneof![2 => Just(0u64), 1 => 1u64..9], 1..20),
        ) {
            prop_assert_eq!(layout(&Dense { first: first.into(), counts: counts.clone() }), as_the_exporter_does(first, &counts));
        }

        #[test]
        fn merging_keeps_every_count(offset in any::<i32>(), bits in 0u32..80, counts in prop::collection::vec(0u64..9, 0..40)) {
            let dense = merged(&otlp::Buckets { offset, counts: counts.clone() }, bits);
            prop_assert_eq!(dense.counts.iter().sum::<u64>(), counts.iter().sum::<u64>());
        }
    }
}
