//! The message of native histograms, which both versions have in common.

use super::pack::sendable;
use crate::{
    series::{self, Buckets, NativeHistogram, Start},
    units::UnixMillis,
};

/// A native histogram.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    /// How many were counted.
    #[prost(oneof = "HistogramCount", tags = "1, 2")]
    pub count: Option<HistogramCount>,
    /// Their sum.
    #[prost(double, tag = "3")]
    pub sum: f64,
    /// Bucket bounds are powers of 2^(2^-schema).
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    /// Half the width of the zero bucket.
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    /// How many were within the zero threshold.
    #[prost(oneof = "HistogramZeroCount", tags = "6, 7")]
    pub zero_count: Option<HistogramZeroCount>,
    /// Runs of buckets below zero.
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<BucketSpan>,
    /// Whole counts below zero, each as the difference from the one before.
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    /// Real counts below zero.
    #[prost(double, repeated, tag = "10")]
    pub negative_counts: Vec<f64>,
    /// Runs of buckets above zero.
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    /// Whole counts above zero, each as the difference from the one before.
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    /// Real counts above zero.
    #[prost(double, repeated, tag = "13")]
    pub positive_counts: Vec<f64>,
    /// Whether counting began anew: unknown 0, yes 1, no 2, gauge 3.
    #[prost(int32, tag = "14")]
    pub reset_hint: i32,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    /// When counting began, in milliseconds since the epoch; 0 if unknown. Version 1.0 has no such field: 0.
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// The count of a histogram.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum HistogramCount {
    /// A whole number.
    #[prost(uint64, tag = "1")]
    Int(u64),
    /// A real number.
    #[prost(double, tag = "2")]
    Float(f64),
}

/// The count of a histogram's zero bucket.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum HistogramZeroCount {
    /// A whole number.
    #[prost(uint64, tag = "6")]
    Int(u64),
    /// A real number.
    #[prost(double, tag = "7")]
    Float(f64),
}

/// Consecutive buckets.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct BucketSpan {
    /// Index of the first span's first bucket; for later spans the gap to the one before.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// How many buckets.
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

impl Histogram {
    /// The message of `histogram`, without its start.
    pub(crate) fn of(histogram: &NativeHistogram) -> Self {
        let spans = |side: &Buckets| {
            side.spans.iter().map(|s| BucketSpan { offset: s.offset, length: s.length }).collect()
        };
        Self {
            count: Some(HistogramCount::Int(histogram.count)),
            sum: sendable(histogram.sum),
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: Some(HistogramZeroCount::Int(histogram.zero_count)),
            negative_spans: spans(&histogram.negative),
            negative_deltas: histogram.negative.deltas.clone(),
            positive_spans: spans(&histogram.positive),
            positive_deltas: histogram.positive.deltas.clone(),
            timestamp: histogram.at.0,
            ..Self::default()
        }
    }

    /// The reverse, with the start. Real counts, which no sender of ours makes, are lost.
    pub(super) fn read(self) -> NativeHistogram {
        let buckets = |spans: Vec<BucketSpan>, deltas| {
            let span = |s: BucketSpan| series::BucketSpan { offset: s.offset, length: s.length };
            Buckets { spans: spans.into_iter().map(span).collect(), deltas }
        };
        NativeHistogram {
            at: UnixMillis(self.timestamp),
            start: Start::decoded(self.start_timestamp),
            count: if let Some(HistogramCount::Int(count)) = self.count { count } else { 0 },
            sum: self.sum,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: if let Some(HistogramZeroCount::Int(count)) = self.zero_count { count } else { 0 },
            negative: buckets(self.negative_spans, self.negative_deltas),
            positive: buckets(self.positive_spans, self.positive_deltas),
        }
    }
}
