//! What applications send as OTLP metrics, and what of it arrives.

use std::collections::BTreeMap;

use prost::Message;
use siphon_core::{
    otlp::{
        Gauge, KeyValue, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, Resource,
        ResourceMetrics, ScopeMetrics,
    },
    remote_write::{
        MAX_BODY_BYTES,
        v1::{TimeSeries, decode},
    },
    series::NAME,
    units::UnixMillis,
    wire::Kind,
};

use super::{Agent, Prometheus, agent::attribute, seconds_ago};

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| attribute(key, *value)).collect()
}

pub(crate) fn nanos(at: UnixMillis) -> u64 {
    at.0.cast_unsigned() * 1_000_000
}

pub(crate) fn number(value: f64, at: UnixMillis, own: &[(&str, &str)]) -> NumberPoint {
    NumberPoint {
        time_unix_nano: nanos(at),
        value: Some(NumberValue::Double(value)),
        attributes: attributes(own),
        ..NumberPoint::default()
    }
}

pub(crate) fn metric(name: &str, data: MetricData) -> Metric {
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
}

pub(crate) fn gauge(name: &str, points: Vec<NumberPoint>) -> Metric {
    metric(name, MetricData::Gauge(Gauge { points }))
}

impl Agent {
    /// Adds one record of metrics.
    pub(crate) fn metrics(&self, resource: &[(&str, &str)], metrics: Vec<Metric>) {
        let resource = Some(Resource { attributes: attributes(resource) });
        let scope_metrics = vec![ScopeMetrics { scope: None, metrics }];
        let request = MetricsRequest { resource_metrics: vec![ResourceMetrics { resource, scope_metrics }] };
        self.record(Kind::OtlpMetrics, seconds_ago(1), request.encode_to_vec());
    }
}

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// The labels of a series, each of which it may have but once.
pub(crate) fn labels(series: &TimeSeries) -> Labels {
    let labels: Labels = series.labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
    assert_eq!(labels.len(), series.labels.len(), "{:?}", series.labels);
    labels
}

impl Prometheus {
    /// All series of all requests, in order of arrival.
    pub(crate) fn series(&self) -> Vec<TimeSeries> {
        let bodies = self.edit(|state| state.bodies.clone());
        bodies.iter().flat_map(|body| decode(body, MAX_BODY_BYTES).unwrap().timeseries).collect()
    }

    /// Those of a metric.
    pub(crate) fn series_of(&self, metric: &str) -> Vec<TimeSeries> {
        let is_of = |series: &TimeSeries| labels(series).get(NAME).is_some_and(|name| name == metric);
        self.series().into_iter().filter(is_of).collect()
    }
}
