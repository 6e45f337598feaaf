//! Remote write 2.0 on the wire: the messages of `prompb/io/prometheus/write/v2/types.proto`, as a receiver reads them.
//! A sender builds requests with [`super::Packer`], which writes the same bytes without these copies.

pub use super::{
    decode::DecodeError,
    histogram::{BucketSpan, Histogram, HistogramCount, HistogramZeroCount},
};
use crate::series::MetricKind;

/// `io.prometheus.write.v2.Request`, the body of a request before snappy.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// All strings, each once. The first is empty: a reference of 0 is no string.
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    /// The series.
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries>,
}

/// Samples, or native histograms, under one label set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeries {
    /// Name, value, name, value …: places in [`Request::symbols`]. Sorted by name, unique.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// Ascending in time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Native histograms, ascending in time.
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Histogram>,
    /// Examples of what the samples count.
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<Exemplar>,
    /// What the metric means.
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
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
    /// When counting began, in milliseconds since the epoch; 0 if unknown.
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}

/// An example of what was counted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Exemplar {
    /// As those of a series, but in any order. `trace_id` by convention, and others.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// The example.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// What a metric means.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Metadata {
    /// Its kind.
    #[prost(enumeration = "MetricKind", tag = "1")]
    pub r#type: i32,
    /// For people: a place in [`Request::symbols`].
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    /// Its unit: a place in [`Request::symbols`].
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}

impl Request {
    /// The pairs that references of this request stand for; `None` for one that points outside of the table or lacks its
    /// other half.
    #[must_use]
    pub fn labels(&self, refs: &[u32]) -> Option<Vec<(&str, &str)>> {
        let pair = |pair: &[u32]| match *pair {
            [name, value] => Some((self.symbol(name)?, self.symbol(value)?)),
            _ => None,
        };
        refs.chunks(2).map(pair).collect()
    }

    /// The string that a reference stands for.
    #[must_use]
    pub fn symbol(&self, reference: u32) -> Option<&str> {
        self.symbols.get(usize::try_from(reference).ok()?).map(String::as_str)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.symbols.first().is_none_or(|first| !first.is_empty()) {
            return Err(DecodeError::Symbols);
        }
        for (series, one) in self.timeseries.iter().enumerate() {
            self.fault(one).map_or(Ok(()), |problem| Err(DecodeError::Series { series, problem }))?;
        }
        Ok(())
    }

    /// What is wrong with a series.
    fn fault(&self, series: &TimeSeries) -> Option<&'static str> {
        let is_known = |reference: u32| self.symbol(reference).is_some();
        if self.labels(&series.labels_refs).is_none() {
            return Some("a label lacks its value, or is not in the symbol table");
        }
        if series.exemplars.iter().any(|exemplar| self.labels(&exemplar.labels_refs).is_none()) {
            return Some("a label of an exemplar lacks its value, or is not in the symbol table");
        }
        if series.metadata.is_some_and(|told| !is_known(told.help_ref) || !is_known(told.unit_ref)) {
            return Some("its help or unit is not in the symbol table");
        }
        let has_one_kind = series.samples.is_empty() != series.histograms.is_empty();
        (!has_one_kind).then_some("it has to hold either samples or native histograms")
    }
}

/// Reads a request's body: a snappy block of at most `max_decoded` bytes of protobuf. Every reference in what it gives is
/// in the symbol table, every name has a value, every series holds either samples or native histograms.
///
/// # Errors
/// [`DecodeError`]. The length that the block declares is checked before anything is decompressed.
pub fn decode(body: &[u8], max_decoded: usize) -> Result<Request, DecodeError> {
    let request: Request = super::decode::message(body, max_decoded)?;
    request.check()?;
    Ok(request)
}
