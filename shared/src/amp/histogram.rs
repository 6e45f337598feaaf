//! Native histograms that AMP takes. One with too many buckets has neighbours merged two by two, which is the next lower
//! resolution: its count, its sum and its zero bucket stay, and each remaining bound was one before.
//!
//! Resolution must not go up again while a series goes on, or Prometheus would take it for a reset of its counts. It
//! doesn't: as counts grow, the number of buckets and their size, as estimated here, grow too.

use super::reason;
use crate::series::{BucketSpan, Buckets, NativeHistogram};

const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
const MAX_BUCKETS: usize = 200;
const MAX_BYTES: usize = 2_048;

/// All fields but the buckets, at their largest.
const FIXED_BYTES: usize = 80;

/// Lowers a histogram's resolution until AMP takes it; says whether it had to. An error is the reason why it can't be
/// sent.
pub(super) fn fit(histogram: &mut NativeHistogram) -> Result<bool, &'static str> {
    if !SCHEMAS.contains(&histogram.schema) {
        return Err(reason::HISTOGRAM_SCHEMA);
    }
    let given = histogram.schema;
    while !fits(histogram) {
        if histogram.schema == *SCHEMAS.start() {
            return Err(reason::HISTOGRAM_SIZE);
        }
        histogram.schema -= 1;
        for side in [&mut histogram.negative, &mut histogram.positive] {
            *side = merged(side);
        }
    }
    Ok(histogram.schema != given)
}

fn fits(histogram: &NativeHistogram) -> bool {
    let sides = [&histogram.negative, &histogram.positive];
    let zero = usize::from(histogram.zero_count > 0);
    zero + sides.iter().map(|side| side.deltas.len()).sum::<usize>() <= MAX_BUCKETS
        && FIXED_BYTES + sides.map(buckets_bytes).iter().sum::<usize>() <= MAX_BYTES
}

/// At most so many bytes as a message. A delta is no larger than the counts between which it is: these only grow.
fn buckets_bytes(buckets: &Buckets) -> usize {
    let span = |span: &BucketSpan| 4 + signed_bytes(span.offset.into()) + varint_bytes(span.length.into());
    let mut before = 0;
    let delta =
        |(_, count): (i64, u64)| signed_bytes(std::mem::replace(&mut before, count).max(count).cast_signed());
    buckets.spans.iter().map(span).sum::<usize>() + buckets.counts().map(delta).sum::<usize>()
}

fn signed_bytes(value: i64) -> usize {
    varint_bytes(((value << 1) ^ (value >> 63)).cast_unsigned())
}

fn varint_bytes(value: u64) -> usize {
    (value | 1).ilog2() as usize / 7 + 1
}

/// One resolution lower. A bucket is told by its upper bound: number 2n - 1 and number 2n become number n.
fn merged(buckets: &Buckets) -> Buckets {
    let mut counts: Vec<(i64, u64)> = Vec::with_capacity(buckets.deltas.len());
    for (index, count) in buckets.counts() {
        let index = ((index - 1) >> 1) + 1;
        match counts.last_mut().filter(|(last, _)| *last == index) {
            Some((_, sum)) => *sum = sum.wrapping_add(count),
            None => counts.push((index, count)),
        }
    }
    Buckets::from_counts(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::{remote_write::v1, series::Start, units::UnixMillis};

    fn histogram(schema: i32, negative: &[(i64, u64)], positive: &[(i64, u64)]) -> NativeHistogram {
        let side = |counts: &[(i64, u64)]| Buckets::from_counts(counts.iter().copied());
        let total =
            |counts: &[(i64, u64)]| counts.iter().fold(0u64, |sum, (_, count)| sum.wrapping_add(*count));
        NativeHistogram {
            at: UnixMillis(1_700_000_000_000),
            start: Start::at(UnixMillis(1_600_000_000_000)),
            count: total(negative).wrapping_add(total(positive)),
            sum: 1.5,
            schema,
            zero_threshold: 1e-128,
            zero_count: 3,
            negative: side(negative),
            positive: side(positive),
        }
    }

    fn run(first: i64, length: i64, count: u64) -> Vec<(i64, u64)> {
        (first..first + length).map(|index| (index, count)).collect()
    }

    #[test]
    fn neighbours_are_merged_until_it_fits() {
        for (negative, positive, want) in [
            (run(1, 99, 1), run(1, 100, 1), Ok(3)), // with the zero bucket 200
            (run(1, 100, 1), run(1, 100, 1), Ok(2)),
            (run(0, 0, 1), run(-500, 1001, 1), Ok(0)),
            (run(0, 0, 1), run(1, 150, u64::MAX >> 8), Ok(3)),
            (run(0, 0, 1), run(1, 199, u64::MAX >> 2), Ok(3)),
            (run(1, 95, u64::MAX >> 7), run(1, 95, u64::MAX >> 8), Ok(3)),
            (run(0, 0, 1), (0..150).map(|i| (i * 4_000_000, 1)).collect(), Ok(3)),
            (
                run(0, 0, 1),
                (0..150).map(|i| (i * 40_000, u64::MAX >> 8)).collect(),
                Err(reason::HISTOGRAM_SIZE),
            ),
        ] {
            let mut fitted = histogram(3, &negative, &positive);
            let given = fitted.clone();
            let is_lowered = fit(&mut fitted);
            assert_eq!(is_lowered.map(|_| fitted.schema), want);
            if is_lowered == Ok(false) {
                assert_eq!(fitted, given);
            }
        }
    }

    #[test]
    fn only_schemas_of_exponential_buckets_are_sent() {
        for (schema, want) in
            [(-4, true), (8, true), (-5, false), (9, false), (-53, false), (i32::MAX, false)]
        {
            let fitted = fit(&mut histogram(schema, &[], &[(1, 1)]));
            assert_eq!(fitted, if want { Ok(false) } else { Err(reason::HISTOGRAM_SCHEMA) }, "{schema}");
        }
    }

    #[test]
    fn a_stale_marker_stays_one() {
        let mut stale = NativeHistogram { sum: crate::series::STALE, ..histogram(0, &[], &run(1, 300, 1)) };
        stale.count = crate::series::STALE.to_bits();
        let (sum, count) = (stale.sum.to_bits(), stale.count);
        assert_eq!(fit(&mut stale), Ok(true));
        assert_eq!((stale.sum.to_bits(), stale.count), (sum, count));
    }

    /// Populated buckets, ascending, with gaps.
    fn any_counts() -> impl Strategy<Value = Vec<(i64, u64)>> {
        let step = prop_oneof![8 => 1i64..3, 1 => 3i64..2000];
        let count = prop_oneof![8 => 1u64..100, 1 => 1u64..1 << 50];
        (-3000i64..3000, prop::collection::vec((step, count), 0..300)).prop_map(|(first, steps)| {
            let next = |index: &mut i64, (step, count): (i64, u64)| {
                *index += step;
                Some((*index, count))
            };
            steps.into_iter().scan(first, next).collect()
        })
    }

    /// How many were counted at or below each bound, as powers of 2^(2^-schema), of the buckets of one side.
    fn at_or_below(side: &Buckets, bound: i64) -> u64 {
        side.counts().filter(|(index, _)| *index <= bound).map(|(_, count)| count).sum()
    }

    proptest! {
        #[test]
        fn a_lower_resolution_counts_the_same(
            schema in -4i32..=8,
            negative in any_counts(),
            positive in any_counts(),
        ) {
            let given = histogram(schema, &negative, &positive);
            let mut fitted = given.clone();
            if fit(&mut fitted).is_err() {
                return Ok(());
            }
            let whole = |h: &NativeHistogram| (h.at, h.count, h.sum.to_bits(), h.zero_threshold.to_bits(), h.zero_count);
            prop_assert_eq!(whole(&fitted), whole(&given));
            let merged = i64::from(given.schema - fitted.schema);
            for (before, after) in [(&given.negative, &fitted.negative), (&given.positive, &fitted.positive)] {
                let total = |side: &Buckets| side.counts().map(|(_, count)| count).sum::<u64>();
                prop_assert_eq!(total(after), total(before));
                for (index, _) in after.counts() {
                    // Bound n of a resolution is bound 2n of the next higher one.
                    for bound in [index - 1, index] {
                        prop_assert_eq!(at_or_below(after, bound), at_or_below(before, bound << merged));
                    }
                }
            }
        }

        #[test]
        fn what_fits_is_within_amps_limits(
            schema in -4i32..=8,
            negative in any_counts(),
            positive in any_counts(),
        ) {
            let mut fitted = histogram(schema, &negative, &positive);
            if fit(&mut fitted).is_ok() {
                let message = v1::Histogram::of(&fitted);
                prop_assert!(message.encoded_len() <= MAX_BYTES, "{}", message.encoded_len());
                prop_assert!(message.negative_deltas.len() + message.positive_deltas.len() <= MAX_BUCKETS);
                let lengths = |spans: &[v1::BucketSpan]| spans.iter().map(|s| s.length as usize).sum::<usize>();
                prop_assert_eq!(lengths(&message.positive_spans), message.positive_deltas.len());
                prop_assert_eq!(lengths(&message.negative_spans), message.negative_deltas.len());
            }
        }

        /// A series' later histogram has what the earlier has, and more.
        #[test]
        fn resolution_does_not_go_up_as_counts_grow(
            counts in prop::collection::btree_map(0i64..400, 1u64..1 << 40, 0..300),
            grown in prop::collection::btree_map(0i64..400, 1u64..1 << 40, 0..100),
        ) {
            let mut later = counts.clone();
            for (index, count) in grown {
                *later.entry(index).or_default() += count;
            }
            let fitted = |counts: std::collections::BTreeMap<i64, u64>| {
                let mut histogram = histogram(8, &[], &counts.into_iter().collect::<Vec<_>>());
                fit(&mut histogram).map(|_| histogram.schema)
            };
            prop_assert!(fitted(later).unwrap() <= fitted(counts).unwrap());
        }
    }
}
