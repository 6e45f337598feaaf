//! Remote write 1.0 on the wire: the messages of `prompb/remote.proto` and `prompb/types.proto`, as a receiver reads
//! them. A sender builds requests with [`super::Packer`], which writes the same bytes without these copies.

pub use super::{
    decode::DecodeError,
    histogram::{BucketSpan, Histogram, HistogramCount, HistogramZeroCount},
};

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

/// Reads a request's body: a snappy block of at most `max_decoded` bytes of protobuf.
///
/// # Errors
/// [`DecodeError`]. The length that the block declares is checked before anything is decompressed.
pub fn decode(body: &[u8], max_decoded: usize) -> Result<WriteRequest, DecodeError> {
    super::decode::message(body, max_decoded)
}
