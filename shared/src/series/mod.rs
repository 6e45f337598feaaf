//! Series: samples under one label set, the shape of everything that goes to Prometheus.
//!
//! ```text
//!   translators ──► LabelSets  each label set once, under a SeriesId, with its metadata ─┐
//!        └────────► Batch      samples, each with its SeriesId ──────────────────────────┴─► remote write
//! ```
//!
//! So a sample costs a few numbers, and a label set is made, hashed and encoded once however many samples it has.

mod base;
mod batch;
mod ends;
mod histogram;
mod labels;
mod metadata;
mod sets;
mod start;

pub(crate) use base::Base;
pub use batch::{Batch, Series};
pub use ends::Ends;
pub(crate) use histogram::BucketWriter;
pub use histogram::{BucketSpan, Buckets, NativeHistogram};
pub use labels::{Label, LabelSet, NAME};
pub(crate) use labels::{label_len, put_label, settled};
pub use metadata::{Metadata, MetricKind};
pub use sets::{LabelSets, SeriesId};
pub use start::Start;

use crate::units::UnixMillis;

/// The NaN that ends a series. An ordinary NaN must never carry these bits, and arithmetic on this one may lose them:
/// copy it, never compute with it.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// One value at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it was measured.
    pub at: UnixMillis,
    /// Compare by bits: [`STALE`] is a NaN.
    pub value: f64,
    /// When counting began, of a counter.
    pub start: Start,
}

impl Sample {
    /// A sample whose start is unknown.
    #[must_use]
    pub const fn new(at: UnixMillis, value: f64) -> Self {
        Self { at, value, start: Start::UNKNOWN }
    }
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.value.to_bits() == other.value.to_bits() && self.start == other.start
    }
}

/// An example of what a counter or bucket counted.
#[derive(Clone, Debug)]
pub struct Exemplar {
    /// `trace_id` and `span_id` first, then attributes under the names that the application gave them.
    pub labels: Vec<Label>,
    /// The example itself, not the counter's value.
    pub value: f64,
    /// When it was seen.
    pub at: UnixMillis,
}

impl PartialEq for Exemplar {
    fn eq(&self, other: &Self) -> bool {
        self.labels == other.labels && self.value.to_bits() == other.value.to_bits() && self.at == other.at
    }
}
