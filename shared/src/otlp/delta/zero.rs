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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_that_ends_at_or_after_it() {
        for (value, scale, want) in [
            (1.0, 0, -1),
            (1.5, 0, 0),
            (2.0, 0, 0),
            (2.1, 0, 1),
            (0.25, 0, -3),
            (65_536.0, -4, 0),
            (65_537.0, -4, 1),
            (2.0, 8, 255),
            (f64::MIN_POSITIVE, 0, -1023),
            (f64::MAX, -4, 63),
        ] {
            assert_eq!(index(value, scale), want, "{value} at {scale}");
        }
    }

    proptest! {
        /// Or the zero bucket of a series would grow with each point that has a narrower one.
        #[test]
        fn a_bound_is_in_the_bucket_that_it_ends(scale in -4i32..=8, place in -60i64..60, more in 0i64..256) {
            let bucket = (place << scale.max(0)) + more % (1 << scale.max(0));
            prop_assert_eq!(index(upper_bound(bucket, scale), scale), bucket);
        }
    }
}
