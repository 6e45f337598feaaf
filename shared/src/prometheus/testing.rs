//! Small requests, and translations in a form that tests read.

use crate::{
    otlp::{
        AnyValue, Gauge, KeyValue, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, Resource,
        ResourceMetrics, Scope, ScopeMetrics, Value,
    },
    prometheus::{Options, series},
    series::{NAME, STALE, Series},
};

pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Value::String(value.to_owned());
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

pub(super) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| attribute(key, value)).collect()
}

/// A point of 1 at 5 milliseconds.
pub(super) fn point(own: &[(&str, &str)]) -> NumberPoint {
    NumberPoint {
        time_unix_nano: 5_000_000,
        value: Some(NumberValue::Int(1)),
        attributes: attributes(own),
        ..NumberPoint::default()
    }
}

pub(super) fn metric(name: &str, data: MetricData) -> Metric {
    Metric { name: name.to_owned(), unit: String::new(), data: Some(data) }
}

/// The gauge `g`.
pub(super) fn gauge(points: Vec<NumberPoint>) -> Metric {
    metric("g", MetricData::Gauge(Gauge { points }))
}

pub(super) fn request(
    resource: &[(&str, &str)],
    scope: Option<Scope>,
    metrics: Vec<Metric>,
) -> MetricsRequest {
    let resource = Some(Resource { attributes: attributes(resource) });
    let scope_metrics = vec![ScopeMetrics { scope, metrics }];
    MetricsRequest { resource_metrics: vec![ResourceMetrics { resource, scope_metrics }] }
}

/// Each series as `name{label=value,…} value@millis …`, in order, then each reason with its count.
pub(super) fn shown(request: &MetricsRequest) -> Vec<String> {
    let made = series(request, &Options::default());
    let dropped = made.dropped.iter().map(|drop| format!("{}: {}", drop.reason, drop.points));
    made.series.iter().map(shown_series).chain(dropped).collect()
}

fn shown_series(series: &Series) -> String {
    let others = series.labels.as_slice().iter().filter(|label| label.name != NAME);
    let labels: Vec<_> = others.map(|label| format!("{}={}", label.name, label.value)).collect();
    let value = |v: f64| if v.to_bits() == STALE.to_bits() { "stale".to_owned() } else { v.to_string() };
    let samples: Vec<_> = series.samples.iter().map(|s| format!("{}@{}", value(s.value), s.at)).collect();
    let exemplars: Vec<_> = series.exemplars.iter().map(|e| format!(" # {}", e.value)).collect();
    let name = series.labels.get(NAME).unwrap_or_default();
    format!("{name}{{{}}} {}{}", labels.join(","), samples.join(" "), exemplars.concat())
}
