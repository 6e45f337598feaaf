//! What the agent has: OTLP metrics that mean what the suite's pages mean.

use siphon_core::otlp::{
    Buckets, Exemplar, ExemplarValue, ExponentialHistogram, ExponentialHistogramPoint, Gauge, Histogram,
    HistogramPoint, Metric, MetricData, NumberPoint, NumberValue, Quantile, Sum, Summary, SummaryPoint,
};

use crate::world::{agent::attribute, seconds_ago};

const CUMULATIVE: i32 = 2;

/// Nanoseconds, so many seconds ago.
pub(crate) fn ago(seconds: i64) -> u64 {
    u64::try_from(seconds_ago(seconds).0).unwrap() * 1_000_000
}

/// A second ago, of this value.
pub(crate) fn point(value: f64, attributes: &[(&str, &str)]) -> NumberPoint {
    NumberPoint {
        time_unix_nano: ago(1),
        value: Some(NumberValue::Double(value)),
        attributes: attributes.iter().map(|(key, value)| attribute(key, *value)).collect(),
        ..NumberPoint::default()
    }
}

pub(crate) fn metric(name: &str, description: &str, unit: &str, data: MetricData) -> Metric {
    let [name, description, unit] = [name, description, unit].map(str::to_owned);
    Metric { name, description, unit, data: Some(data) }
}

pub(crate) fn gauge(name: &str, points: Vec<NumberPoint>) -> Metric {
    metric(name, &format!("About {name}."), "", MetricData::Gauge(Gauge { points }))
}

/// Counts since ten minutes ago, unless its points say otherwise.
pub(crate) fn counter(name: &str, points: Vec<NumberPoint>) -> Metric {
    let data = MetricData::Sum(Sum { points, temporality: CUMULATIVE, monotonic: true });
    metric(name, &format!("About {name}."), "", data)
}

fn histogram(name: &str, point: HistogramPoint) -> Metric {
    let data = MetricData::Histogram(Histogram { points: vec![point], temporality: CUMULATIVE });
    metric(name, &format!("About {name}."), "s", data)
}

fn exponential(name: &str, point: ExponentialHistogramPoint) -> Metric {
    let point = ExponentialHistogramPoint { start_time_unix_nano: ago(600), time_unix_nano: ago(1), ..point };
    let data = MetricData::ExponentialHistogram(ExponentialHistogram {
        points: vec![point],
        temporality: CUMULATIVE,
    });
    metric(name, &format!("About {name}."), "By", data)
}

fn exemplar(value: f64, with_custom_label: bool) -> Exemplar {
    let customer = with_custom_label.then(|| attribute("customer", "gold"));
    Exemplar {
        filtered_attributes: customer.into_iter().collect(),
        time_unix_nano: ago(2),
        value: Some(ExemplarValue::Double(value)),
        span_id: vec![0xab; 8],
        trace_id: vec![0xcd; 16],
    }
}

/// A counter and a gauge.
pub(crate) fn simple() -> Vec<Metric> {
    vec![counter("orders", vec![point(3.0, &[])]), gauge("queue", vec![point(2.0, &[])])]
}

/// Samples of [`simple`], with `target_info`.
pub(crate) const SIMPLE_SAMPLES: u64 = 3;

/// Gauges of one metric, so many.
pub(crate) fn many(name: &str, series: std::ops::Range<usize>) -> Vec<Metric> {
    let points = series.map(|n| point(n as f64, &[("n", &n.to_string())]));
    vec![gauge(name, points.collect())]
}

/// One of each, and of each what is odd.
pub(crate) fn everything() -> Vec<Metric> {
    [values(), counters(), histograms(), native_histograms(), labels(), descriptions(), odd()].concat()
}

/// Under `case`, the number that a decoder has to give back.
pub(crate) const VALUES: [(&str, f64); 11] = [
    ("float", 1.5),
    ("integer", 42.0),
    ("zero", 0.0),
    ("negative", -7.25),
    ("positive_infinity", f64::INFINITY),
    ("negative_infinity", f64::NEG_INFINITY),
    ("nan", f64::NAN),
    ("large", 1.797e308),
    ("small", 5e-324),
    ("scientific", 1.23e-10),
    ("precise", 0.1 + 0.2),
];

fn values() -> Vec<Metric> {
    let at = |seconds| NumberPoint { time_unix_nano: ago(seconds), ..point(seconds as f64, &[]) };
    vec![
        gauge("values", VALUES.iter().map(|(case, value)| point(*value, &[("case", case)])).collect()),
        gauge("twice", vec![at(1), at(2)]), // the later one first: order is the sender's
    ]
}

fn counters() -> Vec<Metric> {
    let since = |start_time_unix_nano| NumberPoint { start_time_unix_nano, ..point(7.0, &[]) };
    let exemplars = vec![exemplar(0.5, true), exemplar(1.5, false)];
    let ordered = NumberPoint { exemplars, ..since(ago(600)) };
    let sum = Sum { points: vec![since(ago(600))], temporality: CUMULATIVE, monotonic: false };
    vec![
        counter("orders", vec![ordered]),
        counter("start.unknown", vec![since(0)]),
        counter("start.epoch", vec![since(1)]),
        metric("depth", "How deep.", "", MetricData::Sum(sum)),
    ]
}

fn histograms() -> Vec<Metric> {
    let duration = HistogramPoint {
        start_time_unix_nano: ago(600),
        time_unix_nano: ago(1),
        count: 8,
        sum: Some(5.5),
        bucket_counts: vec![3, 4, 1],
        explicit_bounds: vec![0.1, 1.0],
        exemplars: vec![exemplar(0.05, false), exemplar(0.5, true)],
        ..HistogramPoint::default()
    };
    let quantiles = [(0.5, 1.5), (0.99, 9.0)].map(|(quantile, value)| Quantile { quantile, value });
    let pause = SummaryPoint {
        start_time_unix_nano: ago(600),
        time_unix_nano: ago(1),
        count: 4,
        sum: 7.5,
        quantiles: quantiles.into(),
        ..SummaryPoint::default()
    };
    let pause = MetricData::Summary(Summary { points: vec![pause] });
    vec![histogram("duration", duration), metric("pause", "About pause.", "s", pause)]
}

/// More than a real number can count one by one.
pub(crate) const LARGE_COUNT: u64 = (1 << 53) + 1;

fn native_histograms() -> Vec<Metric> {
    let size = ExponentialHistogramPoint {
        count: 21,
        sum: Some(99.5),
        scale: 3,
        zero_count: 2,
        positive: Some(Buckets { offset: 4, counts: vec![1, 5, 7] }),
        negative: Some(Buckets { offset: -2, counts: vec![4, 2] }),
        exemplars: vec![exemplar(4.5, true)],
        ..ExponentialHistogramPoint::default()
    };
    let large = ExponentialHistogramPoint {
        count: LARGE_COUNT,
        sum: Some(1.0),
        positive: Some(Buckets { offset: 0, counts: vec![LARGE_COUNT] }),
        ..ExponentialHistogramPoint::default()
    };
    vec![
        exponential("size", size),
        exponential("size.empty", ExponentialHistogramPoint::default()),
        exponential("size.large", large),
    ]
}

/// Under `case`, the label `text` that has to come back unchanged.
pub(crate) fn texts() -> [(&'static str, String); 4] {
    [
        ("unicode", "日本語 Ünïcødé 🚀".to_owned()),
        ("special", "a \"quote\", a \\ and a\nnewline".to_owned()),
        ("long", "v".repeat(2_000)),
        ("huge", "v".repeat(10_240)),
    ]
}

/// A key of 300 characters.
pub(crate) fn long_name() -> String {
    "n".repeat(300)
}

fn labels() -> Vec<Metric> {
    let mut points: Vec<_> =
        texts().iter().map(|(case, text)| point(1.0, &[("case", case), ("text", text)])).collect();
    points.push(point(1.0, &[("case", "empty"), ("absent", "")]));
    points.push(point(1.0, &[("case", "long_name"), (&long_name(), "1")]));
    points.push(point(1.0, &[("case", "order"), ("z", "1"), ("a", "2"), ("M", "3"), ("b.c", "4")]));
    points.push(point(1.0, &[("case", "reserved"), ("__private", "1")]));
    let names: Vec<_> = (0..60).map(|n| format!("label{n:02}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).chain([("case", "many")]).collect();
    points.push(point(1.0, &many));
    vec![gauge("labelled", points)]
}

fn descriptions() -> Vec<Metric> {
    let described = |name: &str, description: &str| {
        metric(name, description, "", MetricData::Gauge(Gauge { points: vec![point(1.0, &[])] }))
    };
    vec![
        described("help.newlines", "first\nsecond"),
        described("help.special", "say \"hi\" \\ é"),
        described("help.none", ""),
    ]
}

fn odd() -> Vec<Metric> {
    let at = |time_unix_nano| NumberPoint { time_unix_nano, ..point(1.0, &[]) };
    vec![
        gauge("ended", vec![NumberPoint { flags: 1, ..point(1.0, &[]) }]),
        gauge("ns:metric:colons", vec![point(1.0, &[])]),
        gauge(&"m".repeat(1_000), vec![point(1.0, &[])]),
        gauge("future", vec![at(ago(-120))]),
        gauge("timeless", vec![at(0)]),
    ]
}
