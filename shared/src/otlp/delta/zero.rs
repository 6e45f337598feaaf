//! Where the edge of a zero bucket lies among the other buckets: their bounds are powers of 2^(2^-scale).

/// How far from a bound an edge may be, in parts of a bucket, to be taken as that bound: `log2` is not exact.
const NEAR: f64 = 1e-6;

/// The index of the bucket that a value above zero is in.
#[expect(clippy::cast_possible_truncation, reason = "no double is as far out as an index of 64 bits")]
pub(super) fn index(value: f64, scale: i32) -> i64 {
    let buckets = value.log2() * f64::from(scale).exp2();
    let bound = buckets.round();
    let upper = if (buckets - bound).abs() < NEAR { bound } else { buckets.ceil() };
    upper as i64 - 1
}

/// The largest value in a bucket.
pub(super) fn upper_bound(index: i64, scale: i32) -> f64 {
    ((index + 1) as f64 * f64::from(-scale).exp2()).exp2().min(f64::MAX)
}
