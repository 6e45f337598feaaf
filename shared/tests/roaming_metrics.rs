//! Whatever metrics say: they become the series that the rules say, also where the translator knows them again.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod metrics_model;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;
use siphon_core::otlp::{
    AnyValue, ArrayValue, Buckets, Exemplar, ExemplarValue, ExponentialHistogram, ExponentialHistogramPoint,
    Gauge, Histogram, HistogramPoint, KeyValue, KeyValueList, Metric, MetricData, MetricsRequest,
    NumberPoint, NumberValue, Quantile, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum, Summary,
    SummaryPoint, Value,
};
use siphon_core::prometheus::{Options, Translator};
use siphon_core::series::{LabelSets, Series};

use crate::metrics_model::{Expected, Native, Values, expected, units};

/// Keys that mean something, and keys that make the same label as another or none.
const KEYS: &[&str] = &[
    "service.name",
    "service.namespace",
    "service.instance.id",
    "job",
    "instance",
    "__name__",
    "le",
    "quantile",
    "name",
    "version",
    "schema_url",
    "otel.scope.name",
    "otel_scope_a",
    "a",
    "a.b",
    "a_b",
    "a..b",
    "a__b",
    "A",
    "_a",
    "__a",
    "__a__",
    "__a..b__",
    "1a",
    "é",
    "...",
    "____",
    "",
];

const NAMES: &[&str] = &[
    "",
    "...",
    "a",
    "a.b",
    "a_b",
    "b..a",
    "1a",
    "a.total",
    "total.a",
    "ratio",
    "a.seconds",
    "per_second",
    "ns:a",
    "é",
];

const NUMBERS: &[f64] =
    &[f64::NAN, f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-7, 0.5, 1.0, 2_500_000.0, 1e22, f64::INFINITY];

const TIMES: &[u64] = &[0, 1, 5_999_999, 6_000_000, 1_795_400_000_123_456_789, u64::MAX];

fn any_number() -> impl Strategy<Value = f64> {
    select(NUMBERS)
}

fn any_attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let item = |value| AnyValue { value };
    let list = vec![item(Some(Value::Int(1))), item(Some(Value::String("x".into()))), item(None)];
    let entry = KeyValue { key: "k".into(), value: Some(item(Some(Value::Bool(true)))) };
    let value = prop_oneof![
        8 => select(&["", "x", "y", "x;y"][..]).prop_map(|text| Value::String(text.to_owned())),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(Value::Int),
        1 => select(&[-0.0, 1.5, 1e20][..]).prop_map(Value::Double),
        1 => Just(Value::Bytes(vec![0, 255])),
        1 => Just(Value::Array(ArrayValue { values: list })),
        1 => Just(Value::Map(KeyValueList { values: vec![entry] })),
    ];
    let value = option::weighted(0.9, value).prop_map(move |value| Some(AnyValue { value }));
    let attribute = (select(KEYS), value).prop_map(|(key, value)| KeyValue { key: key.to_owned(), value });
    vec(attribute, 0..6)
}

fn any_exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let value =
        prop_oneof![any_number().prop_map(ExemplarValue::Double), (-2i64..3).prop_map(ExemplarValue::Int),];
    let id = |length| select(vec![vec![], vec![0; length], vec![7; length]]);
    let long = KeyValue {
        key: "long".to_owned(),
        value: Some(AnyValue { value: Some(Value::String("é".repeat(90))) }),
    };
    let one = (select(TIMES), option::weighted(0.9, value), id(16), id(8), any_attributes(), any::<bool>());
    let one =
        one.prop_map(move |(time_unix_nano, value, trace_id, span_id, mut filtered_attributes, is_long)| {
            filtered_attributes.extend(is_long.then(|| long.clone()));
            Exemplar { time_unix_nano, value, span_id, trace_id, filtered_attributes }
        });
    vec(one, 0..3)
}

fn any_number_points() -> impl Strategy<Value = Vec<NumberPoint>> {
    let value =
        prop_oneof![any_number().prop_map(NumberValue::Double), any::<i64>().prop_map(NumberValue::Int)];
    let point = (select(TIMES), option::weighted(0.9, value), any_exemplars(), any_attributes(), 0u32..4);
    let point = point.prop_map(|(time_unix_nano, value, exemplars, attributes, flags)| NumberPoint {
        time_unix_nano,
        value,
        exemplars,
        attributes,
        flags,
        ..NumberPoint::default()
    });
    vec(point, 0..4)
}

fn any_histogram_points() -> impl Strategy<Value = Vec<HistogramPoint>> {
    let numbers = (select(TIMES), any::<u64>(), option::of(any_number()), 0u32..4);
    let buckets = (vec(any::<u64>(), 0..5), vec(any_number(), 0..5));
    let point = (numbers, buckets, any_exemplars(), any_attributes()).prop_map(
        |((time_unix_nano, count, sum, flags), (bucket_counts, explicit_bounds), exemplars, attributes)| {
            HistogramPoint {
                time_unix_nano,
                count,
                sum,
                bucket_counts,
                explicit_bounds,
                exemplars,
                attributes,
                flags,
                ..HistogramPoint::default()
            }
        },
    );
    vec(point, 0..3)
}

fn any_exponential_points() -> impl Strategy<Value = Vec<ExponentialHistogramPoint>> {
    let counts = vec(prop_oneof![Just(0u64), 1u64..9], 0..12);
    let buckets = option::of((-20i32..20, counts).prop_map(|(offset, counts)| Buckets { offset, counts }));
    let numbers = (select(TIMES), any::<u64>(), option::of(any_number()), any::<u64>(), any_number());
    let rest = (-6i32..14, buckets.clone(), buckets, any_exemplars(), any_attributes(), 0u32..4);
    let point = (numbers, rest).prop_map(
        |(
            (time_unix_nano, count, sum, zero_count, zero_threshold),
            (scale, positive, negative, exemplars, attributes, flags),
        )| {
            ExponentialHistogramPoint {
                attributes,
                time_unix_nano,
                count,
                sum,
                scale,
                zero_count,
                positive,
                negative,
                flags,
                exemplars,
                zero_threshold,
                ..ExponentialHistogramPoint::default()
            }
        },
    );
    vec(point, 0..3)
}

fn any_summary_points() -> impl Strategy<Value = Vec<SummaryPoint>> {
    let quantile = (any_number(), any_number()).prop_map(|(quantile, value)| Quantile { quantile, value });
    let point = (select(TIMES), any::<u64>(), any_number(), vec(quantile, 0..4), any_attributes(), 0u32..4);
    let point = point.prop_map(|(time_unix_nano, count, sum, quantiles, attributes, flags)| SummaryPoint {
        time_unix_nano,
        count,
        sum,
        quantiles,
        attributes,
        flags,
        ..SummaryPoint::default()
    });
    vec(point, 0..3)
}

fn any_metric() -> impl Strategy<Value = Metric> {
    let temporality = || prop_oneof![6 => Just(2), 1 => 0i32..4];
    let data = prop_oneof![
        any_number_points().prop_map(|points| MetricData::Gauge(Gauge { points })),
        (any_number_points(), temporality(), any::<bool>()).prop_map(|(points, temporality, monotonic)| {
            MetricData::Sum(Sum { points, temporality, monotonic })
        }),
        (any_histogram_points(), temporality())
            .prop_map(|(points, temporality)| MetricData::Histogram(Histogram { points, temporality })),
        (any_exponential_points(), temporality()).prop_map(|(points, temporality)| {
            MetricData::ExponentialHistogram(ExponentialHistogram { points, temporality })
        }),
        any_summary_points().prop_map(|points| MetricData::Summary(Summary { points })),
    ];
    (select(NAMES), select(units()), option::weighted(0.95, data)).prop_map(|(name, unit, data)| Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data,
        ..Metric::default()
    })
}

/// A few resources, scopes and metrics, each of them more than once: what is known again must be the same.
fn any_requests() -> impl Strategy<Value = Vec<MetricsRequest>> {
    let text = || select(&["", "x"][..]).prop_map(str::to_owned);
    let scope = (text(), text(), any_attributes()).prop_map(|(name, version, attributes)| Scope {
        name,
        version,
        attributes,
    });
    let resource = option::of(any_attributes().prop_map(|attributes| Resource { attributes }));
    let drawn = (vec(resource, 1..3), vec(option::of(scope), 1..3), vec(any_metric(), 1..4));
    drawn.prop_flat_map(|(resources, scopes, metrics)| {
        let scope_metrics = (select(scopes), vec(select(metrics), 0..4))
            .prop_map(|(scope, metrics)| ScopeMetrics { scope, metrics });
        let resource_metrics = (select(resources), vec(scope_metrics, 0..3))
            .prop_map(|(resource, scope_metrics)| ResourceMetrics { resource, scope_metrics });
        vec(
            vec(resource_metrics, 0..3).prop_map(|resource_metrics| MetricsRequest { resource_metrics }),
            1..3,
        )
    })
}

fn values(series: &Series<'_>) -> Values {
    let buckets = |side: &siphon_core::series::Buckets| -> BTreeMap<_, _> {
        side.counts().filter(|(_, count)| *count > 0).collect()
    };
    let samples = series.samples.iter().map(|(_, s)| (s.at.0, s.value.to_bits()));
    let exemplars = series.exemplars.iter().map(|(_, e)| {
        let labels = e.labels.iter().map(|l| (l.name.clone(), l.value.clone()));
        (e.at.0, e.value.to_bits(), labels.collect())
    });
    let histograms = series.histograms.iter().map(|(_, h)| {
        let native = Native {
            schema: h.schema,
            count: h.count,
            zero_count: h.zero_count,
            zero_threshold: h.zero_threshold.to_bits(),
            sum: h.sum.to_bits(),
            negative: buckets(&h.negative),
            positive: buckets(&h.positive),
        };
        (h.at.0, native)
    });
    Values { samples: samples.collect(), exemplars: exemplars.collect(), histograms: histograms.collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn metrics_become_the_series_that_the_rules_say(requests in any_requests()) {
        let bytes: Vec<_> = requests.iter().map(Message::encode_to_vec).collect();
        let (mut sets, options) = (LabelSets::default(), Options::default());
        let mut translator = Translator::new(&options, None);
        for bytes in &bytes {
            let request = MetricsRequest::decode(bytes.as_slice()).unwrap(); // no -0 is left of what may be absent
            let mut made = translator.translate(bytes, &mut sets).unwrap();
            let dropped = made.dropped.iter().map(|drop| (drop.reason, drop.points)).collect();
            let labels = |series: &Series<'_>| {
                let pairs = sets.get(series.id).unwrap().iter();
                pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
            };
            let series = made.batch.by_series().map(|series| (labels(&series), values(&series))).collect();
            prop_assert_eq!(Expected { series, dropped }, expected(&request));
        }
    }
}
