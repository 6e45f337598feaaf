//! Requests, and what an accumulator makes of them.

use std::time::Duration;

use prost::Message;
use siphon_core::otlp::{
    AnyValue, ExponentialHistogram, ExponentialHistogramPoint, Gauge, Histogram, HistogramPoint, KeyValue,
    Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, Resource, ResourceMetrics, Scope,
    ScopeMetrics, Sum, Value, check,
    delta::{Accumulator, Limits, Reason},
};

pub(crate) const DELTA: i32 = 1;
pub(crate) const CUMULATIVE: i32 = 2;

pub(crate) const LIMITS: Limits = Limits { series: 100, expiry: Duration::from_secs(3600) };
pub(crate) const NO_LIMIT: usize = usize::MAX;

pub(crate) fn accumulator(limits: Limits) -> Accumulator {
    Accumulator::new(limits, &[7; 16])
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |text: &str| Some(AnyValue { value: Some(Value::String(text.to_owned())) });
    pairs.iter().map(|(key, text)| KeyValue { key: (*key).to_owned(), value: value(text) }).collect()
}

pub(crate) fn int(start: u64, time: u64, value: i64) -> NumberPoint {
    number(start, time, NumberValue::Int(value))
}

pub(crate) fn double(start: u64, time: u64, value: f64) -> NumberPoint {
    number(start, time, NumberValue::Double(value))
}

fn number(start: u64, time: u64, value: NumberValue) -> NumberPoint {
    let value = Some(value);
    NumberPoint { start_time_unix_nano: start, time_unix_nano: time, value, ..NumberPoint::default() }
}

pub(crate) fn metric(name: &str, data: MetricData) -> Metric {
    Metric { name: name.to_owned(), unit: "s".to_owned(), data: Some(data), ..Metric::default() }
}

pub(crate) fn counter(points: Vec<NumberPoint>) -> Metric {
    metric("c", MetricData::Sum(Sum { points, temporality: DELTA, monotonic: true }))
}

pub(crate) fn histogram(points: Vec<HistogramPoint>) -> Metric {
    metric("h", MetricData::Histogram(Histogram { points, temporality: DELTA }))
}

pub(crate) fn exponential(points: Vec<ExponentialHistogramPoint>) -> Metric {
    metric("e", MetricData::ExponentialHistogram(ExponentialHistogram { points, temporality: DELTA }))
}

pub(crate) fn gauge() -> Metric {
    metric("g", MetricData::Gauge(Gauge { points: vec![int(0, 1, 1)] }))
}

pub(crate) fn request(metrics: Vec<Metric>) -> MetricsRequest {
    let scope = Some(Scope {
        name: "lib".to_owned(),
        version: "1".to_owned(),
        attributes: attributes(&[("s", "1")]),
    });
    let resource =
        Some(Resource { attributes: attributes(&[("service.name", "shop"), ("service.instance.id", "1")]) });
    let scope_metrics = vec![ScopeMetrics { scope, metrics }];
    MetricsRequest { resource_metrics: vec![ResourceMetrics { resource, scope_metrics }] }
}

/// The request with totals, and the reasons of the points that are not in it.
pub(crate) fn rewrite(
    accumulator: &mut Accumulator,
    request: &MetricsRequest,
    seconds: u64,
) -> (MetricsRequest, Vec<(&'static str, u64)>) {
    let bytes = request.encode_to_vec();
    let points = check::metrics(&bytes).unwrap();
    let made = accumulator.rewrite(&bytes, NO_LIMIT, Duration::from_secs(seconds)).unwrap().unwrap();
    assert_eq!(
        check::metrics(&made.request).unwrap() + made.dropped.total(),
        points,
        "no point is lost unseen"
    );
    let dropped = made.dropped.by_reason().filter(|(_, count)| *count > 0);
    let dropped = dropped.map(|(reason, count): (Reason, u64)| (reason.name(), count)).collect();
    (MetricsRequest::decode(&made.request[..]).unwrap(), dropped)
}

/// All metrics of a request.
pub(crate) fn metrics(request: &MetricsRequest) -> impl Iterator<Item = &Metric> {
    request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics)
}

/// Start, time and value of each point of all sums. Each has to be cumulative.
pub(crate) fn sums(request: &MetricsRequest) -> Vec<(u64, u64, f64)> {
    let points = metrics(request).filter_map(|metric| match &metric.data {
        Some(MetricData::Sum(sum)) => {
            assert_eq!(sum.temporality, CUMULATIVE);
            Some(&sum.points)
        }
        _ => None,
    });
    points.flatten().map(|p| (p.start_time_unix_nano, p.time_unix_nano, value(p))).collect()
}

pub(crate) fn value(point: &NumberPoint) -> f64 {
    match point.value.unwrap() {
        NumberValue::Int(int) => int as f64,
        NumberValue::Double(double) => double,
    }
}

/// All points of all histograms. Each has to be cumulative.
pub(crate) fn histograms(request: &MetricsRequest) -> Vec<HistogramPoint> {
    let points = metrics(request).filter_map(|metric| match &metric.data {
        Some(MetricData::Histogram(histogram)) => {
            assert_eq!(histogram.temporality, CUMULATIVE);
            Some(histogram.points.clone())
        }
        _ => None,
    });
    points.flatten().collect()
}

/// All points of all exponential histograms. Each has to be cumulative.
pub(crate) fn exponentials(request: &MetricsRequest) -> Vec<ExponentialHistogramPoint> {
    let points = metrics(request).filter_map(|metric| match &metric.data {
        Some(MetricData::ExponentialHistogram(histogram)) => {
            assert_eq!(histogram.temporality, CUMULATIVE);
            Some(histogram.points.clone())
        }
        _ => None,
    });
    points.flatten().collect()
}
