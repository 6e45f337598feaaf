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

#[cfg(test)]
mod tests {
    use super::{super::STALE, *};

    #[test]
    fn a_stale_histogram_equals_itself() {
        let stale = NativeHistogram { sum: STALE, count: STALE.to_bits(), ..Default::default() };
        assert_eq!(stale, stale.clone());
        assert_ne!(stale, NativeHistogram { sum: f64::NAN, ..stale.clone() });
    }
}
