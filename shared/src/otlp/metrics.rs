//! Metrics.

use super::{KeyValue, Resource, Scope};

/// The bit of a point's flags that says: no value, the series has ended.
pub const NO_RECORDED_VALUE: u32 = 1;

/// `ExportMetricsServiceRequest`: the body of `POST /v1/metrics`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetricsRequest {
    /// Metrics by resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

/// The metrics of one resource.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResourceMetrics {
    /// Who produced them.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// Metrics by scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
}

/// The metrics of one scope.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScopeMetrics {
    /// The library that produced them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
}

/// One metric with its points.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// Its name, with dots as a rule.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it measures, in plain words.
    #[prost(string, tag = "2")]
    pub description: String,
    /// Its unit, UCUM as a rule.
    #[prost(string, tag = "3")]
    pub unit: String,
    /// Its points.
    #[prost(oneof = "MetricData", tags = "5, 7, 9, 10, 11")]
    pub data: Option<MetricData>,
}

/// The kinds of metric.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum MetricData {
    /// A value that goes up and down.
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    /// A value that is added to.
    #[prost(message, tag = "7")]
    Sum(Sum),
    /// Counts in buckets with given bounds.
    #[prost(message, tag = "9")]
    Histogram(Histogram),
    /// Counts in buckets whose bounds grow exponentially.
    #[prost(message, tag = "10")]
    ExponentialHistogram(ExponentialHistogram),
    /// Quantiles.
    #[prost(message, tag = "11")]
    Summary(Summary),
}

/// A value that goes up and down.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gauge {
    /// Its points.
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<NumberPoint>,
}

/// A value that is added to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sum {
    /// Its points.
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<NumberPoint>,
    /// What a point's value counts from.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub temporality: i32,
    /// Whether it only grows: a counter.
    #[prost(bool, tag = "3")]
    pub monotonic: bool,
}

/// What a point's value counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Temporality {
    /// Not told.
    Unspecified = 0,
    /// From the point before.
    Delta = 1,
    /// From the start.
    Cumulative = 2,
}

/// Counts in buckets with given bounds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    /// Its points.
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<HistogramPoint>,
    /// What a point's counts count from.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub temporality: i32,
}

/// Counts in buckets whose bounds grow exponentially.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExponentialHistogram {
    /// Its points.
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<ExponentialHistogramPoint>,
    /// What a point's counts count from.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub temporality: i32,
}

/// Quantiles.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// Its points.
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<SummaryPoint>,
}

/// One value of a gauge or sum.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NumberPoint {
    /// When counting began, nanoseconds since the epoch, or 0.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The value, if any.
    #[prost(oneof = "NumberValue", tags = "4, 6")]
    pub value: Option<NumberValue>,
    /// Examples of what was counted.
    #[prost(message, repeated, tag = "5")]
    pub exemplars: Vec<Exemplar>,
    /// Its attributes.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// See [`NO_RECORDED_VALUE`].
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

/// The types of a number.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum NumberValue {
    /// A real number.
    #[prost(double, tag = "4")]
    Double(f64),
    /// A whole number.
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

/// One value of a histogram.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramPoint {
    /// When counting began, nanoseconds since the epoch, or 0.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// How many were counted.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum, if it makes sense.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// Counts, one more than the bounds.
    #[prost(fixed64, repeated, tag = "6")]
    pub bucket_counts: Vec<u64>,
    /// Upper bounds, ascending.
    #[prost(double, repeated, tag = "7")]
    pub explicit_bounds: Vec<f64>,
    /// Examples of what was counted.
    #[prost(message, repeated, tag = "8")]
    pub exemplars: Vec<Exemplar>,
    /// Its attributes.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// See [`NO_RECORDED_VALUE`].
    #[prost(uint32, tag = "10")]
    pub flags: u32,
}

/// One value of an exponential histogram.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExponentialHistogramPoint {
    /// Its attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    /// When counting began, nanoseconds since the epoch, or 0.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// How many were counted.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum, if it makes sense.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// Bucket bounds are powers of 2^(2^-scale).
    #[prost(sint32, tag = "6")]
    pub scale: i32,
    /// How many were within the zero threshold.
    #[prost(fixed64, tag = "7")]
    pub zero_count: u64,
    /// Counts of values above zero.
    #[prost(message, optional, tag = "8")]
    pub positive: Option<Buckets>,
    /// Counts of values below zero.
    #[prost(message, optional, tag = "9")]
    pub negative: Option<Buckets>,
    /// See [`NO_RECORDED_VALUE`].
    #[prost(uint32, tag = "10")]
    pub flags: u32,
    /// Examples of what was counted.
    #[prost(message, repeated, tag = "11")]
    pub exemplars: Vec<Exemplar>,
    /// Half the width of the zero bucket.
    #[prost(double, tag = "14")]
    pub zero_threshold: f64,
}

/// Consecutive buckets of an exponential histogram.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Buckets {
    /// Index of the first.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// Counts.
    #[prost(uint64, repeated, tag = "2")]
    pub counts: Vec<u64>,
}

/// One value of a summary.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SummaryPoint {
    /// When counting began, nanoseconds since the epoch, or 0.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// How many were counted.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum.
    #[prost(double, tag = "5")]
    pub sum: f64,
    /// The quantiles.
    #[prost(message, repeated, tag = "6")]
    pub quantiles: Vec<Quantile>,
    /// Its attributes.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// See [`NO_RECORDED_VALUE`].
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

/// One quantile of a summary.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Quantile {
    /// From 0 to 1.
    #[prost(double, tag = "1")]
    pub quantile: f64,
    /// The value at it.
    #[prost(double, tag = "2")]
    pub value: f64,
}

/// An example of what was counted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Exemplar {
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "2")]
    pub time_unix_nano: u64,
    /// The value, if any.
    #[prost(oneof = "ExemplarValue", tags = "3, 6")]
    pub value: Option<ExemplarValue>,
    /// 8 bytes, or empty.
    #[prost(bytes = "vec", tag = "4")]
    pub span_id: Vec<u8>,
    /// 16 bytes, or empty.
    #[prost(bytes = "vec", tag = "5")]
    pub trace_id: Vec<u8>,
    /// Attributes that the point itself lacks.
    #[prost(message, repeated, tag = "7")]
    pub filtered_attributes: Vec<KeyValue>,
}

/// The types of an exemplar's value.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum ExemplarValue {
    /// A real number.
    #[prost(double, tag = "3")]
    Double(f64),
    /// A whole number.
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}
