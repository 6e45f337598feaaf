//! OTLP metrics to series, as the OpenTelemetry exporter `prometheusremotewrite` v0.156.0 translates them with resource
//! attributes as labels.
//!
//! ```text
//!   resource ─► ResourceLabels ─► target_info
//!                     └─► scope ─► CommonLabels ─┐
//!   metric ─► name, kind ────────────────────────┼─► label set, once for each series ─► SeriesId ─┐
//!   point  ─► own labels ────────────────────────┘                                                ├─► Batch
//!          └► time, values ───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A [`Translator`] reads requests where they lie and knows what it has seen: a resource, a scope and a series are
//! recognized by their bytes, so that labels are made once for each, not once for each point.
//!
//! Ours differs where that one loses or garbles data: a resource attribute whose key makes no label name is left out
//! rather than cost all points of its resource; buckets of exponential histograms finer than Prometheus knows are
//! merged exactly.

mod attributes;
mod common;
mod exemplars;
mod exponential;
mod known;
mod labels;
pub(crate) mod names;
mod points;
mod resource;
#[cfg(test)]
mod testing;
mod translator;

pub use translator::Translator;

use crate::series::Batch;

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
    /// What can be sent.
    pub batch: Batch,
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

impl Translation {
    pub(crate) fn count_drop(&mut self, reason: &'static str, points: u64) {
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.points += points,
            None if points > 0 => self.dropped.push(Drop { reason, points }),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{attributes, metric, point, request, shown};
    use crate::otlp::{AnyValue, ArrayValue, Histogram, HistogramPoint, KeyValue, MetricData, Scope, Value};

    #[test]
    fn a_histogram_with_its_resource_and_scope() {
        let histogram = Histogram {
            points: vec![HistogramPoint {
                time_unix_nano: 1_700_000_000_123_456_789,
                count: 8,
                sum: Some(5.5),
                bucket_counts: vec![3, 4, 1],
                explicit_bounds: vec![0.1, 1.0],
                attributes: attributes(&[("http.request.method", "GET"), ("cloud.region", "overridden")]),
                ..HistogramPoint::default()
            }],
            temporality: 2,
        };
        let mut duration = metric("http.server.request.duration", MetricData::Histogram(histogram));
        duration.unit = "s".to_owned();
        let scope = Scope { name: "io.app.http".to_owned(), version: "2".to_owned(), attributes: vec![] };
        let resource = [
            ("service.name", "checkout"),
            ("service.namespace", "shop"),
            ("cloud.region", "eu-west-1"),
            ("empty", ""),
        ];
        let mut request = request(&resource, Some(scope), vec![duration]);
        let group = AnyValue { value: Some(Value::String("/ecs/checkout".to_owned())) };
        let groups = AnyValue { value: Some(Value::Array(ArrayValue { values: vec![group] })) };
        let own = request.resource_metrics[0].resource.as_mut().unwrap();
        own.attributes.push(KeyValue { key: "aws.log.group.names".to_owned(), value: Some(groups) });

        let name = "http_server_request_duration_seconds";
        let logs = "aws_log_group_names=[\"/ecs/checkout\"]";
        let before = format!("{logs},cloud_region=eu-west-1,http_request_method=GET,job=shop/checkout");
        let after =
            "otel_scope_name=io.app.http,otel_scope_version=2,service_name=checkout,service_namespace=shop";
        assert_eq!(
            shown(&request),
            [
                format!("{name}_sum{{{before},{after}}} 5.5@1700000000123"),
                format!("{name}_count{{{before},{after}}} 8@1700000000123"),
                format!("{name}_bucket{{{before},le=0.1,{after}}} 3@1700000000123"),
                format!("{name}_bucket{{{before},le=1,{after}}} 7@1700000000123"),
                format!("{name}_bucket{{{before},le=+Inf,{after}}} 8@1700000000123"),
                format!("target_info{{{logs},cloud_region=eu-west-1,job=shop/checkout}} 1@1700000000123"),
            ]
        );
    }

    #[test]
    fn points_of_one_label_set_become_one_series_in_time_order() {
        let at = |millis: u64| {
            let mut point = point(&[("a", "b")]);
            point.time_unix_nano = millis * 1_000_000;
            point
        };
        let gauges =
            vec![super::testing::gauge(vec![at(7), at(5)]), super::testing::gauge(vec![at(6), at(7)])];
        assert_eq!(shown(&request(&[], None, gauges)), ["g{a=b} 1@5 1@6 1@7 1@7"]);
    }
}
