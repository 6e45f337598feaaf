//! Small requests, and translations in a form that tests read.

use prost::Message;

use crate::{
    otlp::{
        AnyValue, Gauge, KeyValue, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, Resource,
        ResourceMetrics, Scope, ScopeMetrics, Value,
    },
    prometheus::{Options, Translation, Translator},
    series::{LabelSet, LabelSets, NAME, STALE, Series},
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
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
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
    shown_bytes(&request.encode_to_vec())
}

pub(crate) fn shown_bytes(request: &[u8]) -> Vec<String> {
    shown_with(&Options::default(), request)
}

pub(super) fn shown_with(options: &Options, request: &[u8]) -> Vec<String> {
    let mut sets = LabelSets::default();
    let made = Translator::new(options, None).translate(request, &mut sets).unwrap();
    shown_translation(made, &sets)
}

pub(super) fn shown_translation(mut made: Translation, sets: &LabelSets) -> Vec<String> {
    let series = made.batch.by_series().map(|series| shown_series(series, sets.get(series.id).unwrap()));
    let dropped = made.dropped.iter().map(|drop| format!("{}: {}", drop.reason, drop.points));
    series.collect::<Vec<_>>().into_iter().chain(dropped).collect()
}

pub(super) fn shown_series(series: Series<'_>, labels: &LabelSet) -> String {
    let others = labels.iter().filter(|(name, _)| *name != NAME);
    let others: Vec<_> = others.map(|(name, value)| format!("{name}={value}")).collect();
    let value = |v: f64| if v.to_bits() == STALE.to_bits() { "stale".to_owned() } else { v.to_string() };
    let samples: Vec<_> =
        series.samples.iter().map(|(_, s)| format!("{}@{}", value(s.value), s.at)).collect();
    let exemplars: Vec<_> = series.exemplars.iter().map(|(_, e)| format!(" # {}", e.value)).collect();
    let name = labels.get(NAME).unwrap_or_default();
    let histograms: Vec<_> = series.histograms.iter().map(|(_, h)| format!("{h:?}")).collect();
    let values = [samples, histograms].concat().join(" ");
    format!("{name}{{{}}} {values}{}", others.join(","), exemplars.concat())
}
