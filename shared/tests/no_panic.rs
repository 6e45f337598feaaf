//! Whatever comes in: no panic, nothing uncounted, and series that a receiver takes.

use std::{fs, path::Path};

use proptest::{collection::vec, num, option, prelude::*, sample::select};
use prost::Message as _;
use serde_json::{Value as Json, json};
use siphon_core::{
    ecs::{self, Identity, MetricFilter},
    otlp::*,
    prometheus,
    remote_write::{Limits, Packer, Version},
    series::{Batch, LabelSets},
    units::UnixMillis,
    wire::Reading,
};

fn any_text() -> impl Strategy<Value = String> {
    let reserved = ["service.name", "service.instance.id", "job", "__name__", "le", "quantile", "____"];
    let reserved = select(reserved.map(str::to_owned).to_vec());
    prop_oneof![2 => "[a-c._]{0,4}", 2 => "\\PC{0,6}", 1 => reserved]
}

fn any_attribute_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any_text().prop_map(Value::String),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        num::f64::ANY.prop_map(Value::Double),
        vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        let any_value = option::of(inner).prop_map(|value| AnyValue { value });
        let entry =
            (any_text(), option::of(any_value.clone())).prop_map(|(key, value)| KeyValue { key, value });
        prop_oneof![
            vec(any_value, 0..3).prop_map(|values| Value::Array(ArrayValue { values })),
            vec(entry, 0..3).prop_map(|values| Value::Map(KeyValueList { values })),
        ]
    });
    option::of(value).prop_map(|value| AnyValue { value })
}

fn any_attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(
        (any_text(), option::of(any_attribute_value())).prop_map(|(key, value)| KeyValue { key, value }),
        0..4,
    )
}

fn any_exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let ids = (vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..10));
    let value =
        prop_oneof![num::f64::ANY.prop_map(ExemplarValue::Double), any::<i64>().prop_map(ExemplarValue::Int)];
    let one = (any::<u64>(), option::of(value), ids, any_attributes());
    let exemplar = one.prop_map(|(time_unix_nano, value, (trace_id, span_id), filtered_attributes)| {
        Exemplar { time_unix_nano, value, span_id, trace_id, filtered_attributes }
    });
    vec(exemplar, 0..3)
}

fn any_number_points() -> impl Strategy<Value = Vec<NumberPoint>> {
    let value =
        prop_oneof![num::f64::ANY.prop_map(NumberValue::Double), any::<i64>().prop_map(NumberValue::Int)];
    let point = (any::<u64>(), option::of(value), any_exemplars(), any_attributes(), 0u32..4);
    let point = point.prop_map(|(time_unix_nano, value, exemplars, attributes, flags)| NumberPoint {
        start_time_unix_nano: 0,
        time_unix_nano,
        value,
        exemplars,
        attributes,
        flags,
    });
    vec(point, 0..3)
}

fn any_histogram_points() -> impl Strategy<Value = Vec<HistogramPoint>> {
    let numbers = (any::<u64>(), any::<u64>(), option::of(num::f64::ANY), 0u32..4);
    let buckets = (vec(any::<u64>(), 0..5), vec(num::f64::ANY, 0..5));
    let point = (numbers, buckets, any_exemplars(), any_attributes());
    let point = point.prop_map(
        |((time_unix_nano, count, sum, flags), (bucket_counts, explicit_bounds), exemplars, attributes)| {
            HistogramPoint {
                start_time_unix_nano: 0,
                time_unix_nano,
                count,
                sum,
                bucket_counts,
                explicit_bounds,
                exemplars,
                attributes,
                flags,
            }
        },
    );
    vec(point, 0..3)
}

fn any_buckets() -> impl Strategy<Value = Option<Buckets>> {
    let counts = vec(prop_oneof![Just(0), any::<u64>()], 0..8);
    option::of((any::<i32>(), counts).prop_map(|(offset, counts)| Buckets { offset, counts }))
}

fn any_exponential_points() -> impl Strategy<Value = Vec<ExponentialHistogramPoint>> {
    let numbers =
        (any::<u64>(), any::<u64>(), option::of(num::f64::ANY), any::<u64>(), num::f64::ANY, 0u32..4);
    let scale = prop_oneof![-6i32..12, any::<i32>()];
    let point = (numbers, scale, any_buckets(), any_buckets(), any_exemplars(), any_attributes());
    let point = point.prop_map(|(numbers, scale, positive, negative, exemplars, attributes)| {
        let (time_unix_nano, count, sum, zero_count, zero_threshold, flags) = numbers;
        ExponentialHistogramPoint {
            attributes,
            start_time_unix_nano: 0,
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
        }
    });
    vec(point, 0..3)
}

fn any_summary_points() -> impl Strategy<Value = Vec<SummaryPoint>> {
    let quantile = (num::f64::ANY, num::f64::ANY).prop_map(|(quantile, value)| Quantile { quantile, value });
    let point = (any::<u64>(), any::<u64>(), num::f64::ANY, vec(quantile, 0..3), any_attributes(), 0u32..4);
    let point = point.prop_map(|(time_unix_nano, count, sum, quantiles, attributes, flags)| SummaryPoint {
        start_time_unix_nano: 0,
        time_unix_nano,
        count,
        sum,
        quantiles,
        attributes,
        flags,
    });
    vec(point, 0..3)
}

fn any_metric() -> impl Strategy<Value = Metric> {
    let temporality = prop_oneof![3 => Just(2), 1 => any::<i32>()];
    let data = prop_oneof![
        any_number_points().prop_map(|points| MetricData::Gauge(Gauge { points })),
        (any_number_points(), temporality.clone(), any::<bool>()).prop_map(
            |(points, temporality, monotonic)| MetricData::Sum(Sum { points, temporality, monotonic })
        ),
        (any_histogram_points(), temporality.clone())
            .prop_map(|(points, temporality)| MetricData::Histogram(Histogram { points, temporality })),
        (any_exponential_points(), temporality).prop_map(|(points, temporality)| {
            MetricData::ExponentialHistogram(ExponentialHistogram { points, temporality })
        }),
        any_summary_points().prop_map(|points| MetricData::Summary(Summary { points })),
    ];
    (any_text(), any_text(), any_text(), option::of(data))
        .prop_map(|(name, description, unit, data)| Metric { name, description, unit, data })
}

fn any_request() -> impl Strategy<Value = MetricsRequest> {
    let scope = (any_text(), any_text(), any_attributes());
    let scope = scope.prop_map(|(name, version, attributes)| Scope { name, version, attributes });
    let scope_metrics = (option::of(scope), vec(any_metric(), 0..4));
    let scope_metrics = scope_metrics.prop_map(|(scope, metrics)| ScopeMetrics { scope, metrics });
    let resource = any_attributes().prop_map(|attributes| Resource { attributes });
    let resource_metrics = (option::of(resource), vec(scope_metrics, 0..3));
    let resource_metrics =
        resource_metrics.prop_map(|(resource, scope_metrics)| ResourceMetrics { resource, scope_metrics });
    vec(resource_metrics, 0..3).prop_map(|resource_metrics| MetricsRequest { resource_metrics })
}

/// Labels as every receiver demands them, and samples that a request carries.
fn assert_sendable(mut batch: Batch, sets: &LabelSets) -> Result<(), TestCaseError> {
    let made = batch.samples();
    for one in batch.by_series() {
        let set = sets.get(one.id).ok_or_else(|| TestCaseError::fail("a series without labels"))?;
        let labels: Vec<_> = set.iter().collect();
        prop_assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "sorted and unique: {labels:?}");
        for (name, value) in labels {
            let first_is_good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let all_are_good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            prop_assert!(first_is_good && all_are_good && !value.is_empty(), "{name:?} {value:?}");
        }
        let name = set.get("__name__").unwrap_or_default();
        let first_is_good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
        prop_assert!(
            first_is_good && name.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)),
            "{name}"
        );
        prop_assert!(one.samples.is_sorted_by_key(|(_, s)| s.at));
    }
    let (sent, dropped) = Packer::new(&Limits::default(), Version::V1).requests(&mut batch, sets);
    prop_assert_eq!((sent.iter().map(|r| r.samples).sum::<usize>(), dropped), (made, vec![]));
    Ok(())
}

fn points(request: &MetricsRequest) -> u64 {
    let scopes = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
    let points = scopes.flat_map(|s| &s.metrics).map(|metric| match &metric.data {
        Some(MetricData::Gauge(data)) => data.points.len(),
        Some(MetricData::Sum(data)) => data.points.len(),
        Some(MetricData::Histogram(data)) => data.points.len(),
        Some(MetricData::ExponentialHistogram(data)) => data.points.len(),
        Some(MetricData::Summary(data)) => data.points.len(),
        None => 0,
    });
    points.sum::<usize>() as u64
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        num::f64::ANY.prop_map(Json::from),
        any_text().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Json::from),
            vec((any_text(), inner), 0..3).prop_map(|entries| Json::Object(entries.into_iter().collect()))
        ]
    })
}

/// Replaces a few of the values of `document`, wherever they are, by anything.
fn spoil(document: &mut Json, places: &[(usize, Json)]) {
    for (place, value) in places {
        let mut left = *place;
        if let Some(found) = find(document, &mut left) {
            *found = value.clone();
        }
    }
}

fn find<'a>(value: &'a mut Json, left: &mut usize) -> Option<&'a mut Json> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Json::Array(items) => items.iter_mut().find_map(|item| find(item, left)),
        Json::Object(entries) => entries.values_mut().find_map(|item| find(item, left)),
        _ => None,
    }
}

fn golden(file: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/ecs/stopped-container").join(file);
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(json!(null))
}

fn read(task: &[u8], stats: &[u8]) -> Result<(), TestCaseError> {
    let reading = Reading { task: task.to_vec().into(), stats: stats.to_vec().into() };
    let _ = Identity::from_task(task, "own");
    for suffixes in [true, false] {
        let options = ecs::Options { filter: MetricFilter::All, suffixes };
        let mut sets = LabelSets::default();
        match ecs::Translator::new(&options).translate(&reading, UnixMillis(1), &mut sets) {
            Ok(translation) => assert_sendable(translation.batch, &sets)?,
            Err(error) => prop_assert!(error.to_string().contains("/task"), "{error}"),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_request_becomes_sendable_series(request in any_request(), suffixes: bool) {
        let (mut sets, options) = (LabelSets::default(), prometheus::Options { suffixes, ..Default::default() });
        let bytes = request.encode_to_vec();
        let made = prometheus::Translator::new(&options, None).translate(&bytes, &mut sets).unwrap();
        let dropped: u64 = made.dropped.iter().map(|d| d.points).sum();
        prop_assert!(dropped <= points(&request));
        prop_assert!(points(&request) == dropped || made.batch.samples() > 0, "what is gone is counted");
        assert_sendable(made.batch, &sets)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        task in vec(any::<u8>(), 0..100), stats in vec(any::<u8>(), 0..100), json in any_json(),
    ) {
        read(&task, &stats)?;
        read(json.to_string().as_bytes(), &stats)?;
        read(br#"{"TaskARN":"arn:task"}"#, json.to_string().as_bytes())?;
    }

    #[test]
    fn a_reading_with_anything_in_any_place_is_read_or_refused(
        task_places in vec((0usize..120, any_json()), 0..4), stats_places in vec((0usize..120, any_json()), 0..4),
    ) {
        let (mut task, mut stats) = (golden("task.json"), golden("stats-1.json"));
        spoil(&mut task, &task_places);
        spoil(&mut stats, &stats_places);
        read(task.to_string().as_bytes(), stats.to_string().as_bytes())?;
    }
}
