//! What a metric means, for people and for tools.

/// What remote write 2.0 says of each series, and 1.0 of none of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// The kind of metric that the series is part of.
    pub kind: MetricKind,
    /// What it measures, in plain words. May be empty.
    pub help: String,
    /// Its unit as names spell it, such as `seconds`. May be empty.
    pub unit: String,
}

/// The kinds of metric that Prometheus knows, under their numbers in both versions of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MetricKind {
    /// Not told.
    Unknown = 0,
    /// Only grows.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// Counts in buckets, classic or native.
    Histogram = 3,
    /// Buckets that go up and down.
    GaugeHistogram = 4,
    /// Quantiles.
    Summary = 5,
    /// Always 1; its labels tell.
    Info = 6,
    /// One series for each state.
    StateSet = 7,
}
