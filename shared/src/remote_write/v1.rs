//! Remote write 1.0 on the wire: the messages of `prompb/remote.proto` and `prompb/types.proto`, as a receiver reads
//! them. A sender builds requests with [`super::Packer`], which writes the same bytes without these copies.

use prost::Message;

/// `prometheus.WriteRequest`, the body of a request before snappy.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteRequest {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
    /// What the metrics mean.
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<MetricMetadata>,
}

/// Samples under one label set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeries {
    /// Sorted by name, unique, no empty value.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Ascending in time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Examples of what the samples count.
    #[prost(message, repeated, tag = "3")]
    pub exemplars: Vec<Exemplar>,
    /// Native histograms, ascending in time.
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<Histogram>,
}

/// One name-value pair.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Label {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// One value at one time.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sample {
    /// Compare by bits: the stale marker is a NaN.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// An example of what was counted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Exemplar {
    /// `trace_id` by convention, and others.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// The example.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

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

/// What a metric means.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricMetadata {
    /// Unknown 0, counter 1, gauge 2, histogram 3, gauge histogram 4, summary 5, info 6, state set 7.
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    /// The metric, without `_total`, `_bucket` and the like.
    #[prost(string, tag = "2")]
    pub metric_family_name: String,
    /// For people.
    #[prost(string, tag = "4")]
    pub help: String,
    /// Its unit.
    #[prost(string, tag = "5")]
    pub unit: String,
}

/// A body is not a remote-write request.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Refused before anything was decompressed.
    #[error("remote-write body says that it holds {declared} bytes, more than the limit of {max}")]
    TooLarge {
        /// What the body says of itself.
        declared: usize,
        /// The limit.
        max: usize,
    },
    /// Not a snappy block.
    #[error("remote-write body is not a snappy block: {0}")]
    Snappy(#[source] snap::Error),
    /// Not the message.
    #[error("remote-write body is not a WriteRequest: {0}")]
    Protobuf(#[source] prost::DecodeError),
}

/// Reads a request's body: a snappy block of at most `max_decoded` bytes of protobuf.
///
/// # Errors
/// [`DecodeError`]. The length that the block declares is checked before anything is decompressed.
pub fn decode(body: &[u8], max_decoded: usize) -> Result<WriteRequest, DecodeError> {
    let declared = snap::raw::decompress_len(body).map_err(DecodeError::Snappy)?;
    if declared > max_decoded {
        return Err(DecodeError::TooLarge { declared, max: max_decoded });
    }
    let message = snap::raw::Decoder::new().decompress_vec(body).map_err(DecodeError::Snappy)?;
    WriteRequest::decode(message.as_slice()).map_err(DecodeError::Protobuf)
}
