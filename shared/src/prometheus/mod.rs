//! OTLP metrics to series, as the OpenTelemetry exporter `prometheusremotewrite` v0.156.0 translates them with resource
//! attributes as labels.
//!
//! ```text
//!   resource ─► ResourceLabels ─► target_info
//!                     └─► scope ─► CommonLabels ─┐
//!   metric ─► name, kind ────────────────────────┼─► Series
//!   point  ─► own labels, values ────────────────┘
//! ```
//!
//! What depends on the resource, the scope or the metric is worked out once for all of its points.
//!
//! Ours differs where that one loses or garbles data: a resource attribute whose key makes no label name is left out
//! rather than cost all points of its resource; buckets of exponential histograms finer than Prometheus knows are
//! merged exactly.

mod attributes;
mod common;
mod exemplars;
mod exponential;
mod labels;
pub(crate) mod names;
mod points;
mod resource;

use crate::{otlp::MetricsRequest, remote_write::merge, series::Series};

/// How OTLP metrics are translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether names end in unit and kind (`_seconds`, `_total`).
    pub suffixes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { suffixes: true }
    }
}

/// What a request became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// One a label set, samples ascending in time.
    pub series: Vec<Series>,
    /// What was left out.
    pub dropped: Vec<Drop>,
}

/// Points that were left out for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// One of the `reason` constants.
    pub reason: &'static str,
    /// How many.
    pub points: u64,
}

/// Why points are left out.
pub mod reason {
    /// A sum or histogram counts from the point before: Prometheus counts from the start.
    pub const DELTA_TEMPORALITY: &str = "delta_temporality";
    /// A sum or histogram doesn't say what it counts from.
    pub const UNSPECIFIED_TEMPORALITY: &str = "unspecified_temporality";
    /// Nothing of the metric's name can be kept.
    pub const METRIC_NAME: &str = "metric_name";
    /// Nothing of an attribute's key can be kept.
    pub const LABEL_NAME: &str = "label_name";
    /// An exponential histogram is coarser than native histograms can be.
    pub const EXPONENTIAL_SCALE: &str = "exponential_scale";
}

/// Translates a request. A point that can't be translated is counted and costs no other.
///
/// Times are the points' own, in whole milliseconds. A point flagged "no recorded value" becomes stale markers.
#[must_use]
pub fn series(request: &MetricsRequest, options: &Options) -> Translation {
    let mut out = Translation::default();
    for metrics in &request.resource_metrics {
        resource::translate(metrics, options, &mut out);
    }
    Translation { series: merge(out.series), dropped: out.dropped }
}

impl Translation {
    fn count_drop(&mut self, reason: &'static str, points: u64) {
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.points += points,
            None if points > 0 => self.dropped.push(Drop { reason, points }),
            None => {}
        }
    }
}
