//! OTLP metrics against what ADOT sent for them: every case equal, alone and with the identity of an ECS task.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use siphon_core::{
    ecs::Identity,
    prometheus::{Drop, Options, Translator},
    series::{BucketSpan, Buckets, Exemplar, LabelSet, LabelSets, NativeHistogram, Series},
};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden").join(path)
}

/// Case by case. Python wrote the file: its infinities are not JSON.
fn recorded(file: &str) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(golden(file)).unwrap();
    let text = text.replace(": Infinity", ": \"Infinity\"").replace(": -Infinity", ": \"-Infinity\"");
    serde_json::from_str(&text).unwrap()
}

/// The series of a case in the recording's form, and what was left out.
fn translate(case: &str, identity: Option<&Identity>) -> (Vec<Value>, Vec<Drop>) {
    let request = fs::read(golden(&format!("metrics/{case}.pb"))).unwrap();
    let (mut sets, options) = (LabelSets::default(), Options::default());
    let mut made = Translator::new(&options, identity).translate(&request, &mut sets).unwrap();
    let series = made.batch.by_series().map(|series| as_recorded(series, sets.get(series.id).unwrap()));
    (series.collect(), made.dropped)
}

/// Bits, so that a stale marker differs from a NaN.
fn bits(value: &Value) -> u64 {
    match value.as_str() {
        None => value.as_f64().unwrap_or(0.0).to_bits(),
        Some("Infinity") => f64::INFINITY.to_bits(),
        Some("-Infinity") => f64::NEG_INFINITY.to_bits(),
        Some(nan) => u64::from_str_radix(nan.strip_prefix("NaN:").unwrap(), 16).unwrap(),
    }
}

/// A series of the recording in a form that compares: lists sorted where their order doesn't count, absent fields zero.
fn canonical(series: &Value) -> String {
    let list = |of: &Value, field: &str| of[field].as_array().cloned().unwrap_or_default();
    let sorted = |labels: Vec<Value>| labels.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let sample = |s: &Value| json!([s["ts"].as_i64(), bits(&s["value"])]);
    let exemplar = |e: &Value| json!([sorted(list(e, "labels")), e["ts"].as_i64(), bits(&e["value"])]);
    let spans = |h: &Value, field: &str| -> Vec<Value> {
        list(h, field)
            .iter()
            .map(|s| json!([s["offset"].as_i64().unwrap_or(0), s["length"].as_u64().unwrap_or(0)]))
            .collect()
    };
    let histogram = |h: &Value| {
        json!([
            [h["ts"].as_i64(), h["schema"].as_i64().unwrap_or(0)],
            [h["count"].as_u64().unwrap_or(0), h["zero_count"].as_u64().unwrap_or(0)],
            [bits(&h["sum"]), bits(&h["zero_threshold"])],
            [spans(h, "negative_spans"), list(h, "negative_deltas")],
            [spans(h, "positive_spans"), list(h, "positive_deltas")],
        ])
    };
    json!({
        "labels": sorted(list(series, "labels")),
        "samples": list(series, "samples").iter().map(sample).collect::<Vec<_>>(),
        "exemplars": list(series, "exemplars").iter().map(exemplar).collect::<Vec<_>>(),
        "histograms": list(series, "histograms").iter().map(histogram).collect::<Vec<_>>(),
    })
    .to_string()
}

/// One of ours as the recording would have it.
fn as_recorded(series: Series<'_>, labels: &LabelSet) -> Value {
    let value = |v: f64| match v {
        v if v.is_nan() => json!(format!("NaN:{:016x}", v.to_bits())),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        v => json!(v),
    };
    let exemplar = |e: &Exemplar| {
        let labels: Vec<_> = e.labels.iter().map(|l| json!([l.name, l.value])).collect();
        json!({"labels": labels, "ts": e.at, "value": value(e.value)})
    };
    let span = |s: &BucketSpan| json!({"offset": s.offset, "length": s.length});
    let spans = |side: &Buckets| side.spans.iter().map(span).collect::<Vec<_>>();
    let histogram = |h: &NativeHistogram| {
        json!({"ts": h.at, "schema": h.schema, "count": h.count, "zero_count": h.zero_count, "sum": value(h.sum),
            "zero_threshold": value(h.zero_threshold), "negative_spans": spans(&h.negative),
            "negative_deltas": h.negative.deltas, "positive_spans": spans(&h.positive),
            "positive_deltas": h.positive.deltas})
    };
    json!({
        "labels": labels.iter().map(|pair| json!(pair)).collect::<Vec<_>>(),
        "samples": series.samples.iter().map(|(_, s)| json!({"ts": s.at, "value": value(s.value)})).collect::<Vec<_>>(),
        "exemplars": series.exemplars.iter().map(|(_, e)| exemplar(e)).collect::<Vec<_>>(),
        "histograms": series.histograms.iter().map(|(_, h)| histogram(h)).collect::<Vec<_>>(),
    })
}

fn assert_equal(case: &str, identity: Option<&Identity>, recorded: &Value) {
    let (made, _) = translate(case, identity);
    let ours: BTreeSet<_> = made.iter().map(canonical).collect();
    let theirs: BTreeSet<_> = recorded["series"].as_array().unwrap().iter().map(canonical).collect();
    assert_eq!(made.len(), ours.len(), "{case}: each label set once");
    assert_eq!(ours, theirs, "{case}");
}

#[test]
fn every_case_is_equal() {
    let recorded = recorded("metrics/expected.json");
    assert_eq!(recorded.len(), 61, "cases");
    for (case, recorded) in &recorded {
        assert_equal(case, None, recorded);
    }
}

#[test]
fn every_case_is_equal_with_the_identity_of_a_task() {
    let task = fs::read(golden("ecs/fargate/task.json")).unwrap();
    let identity = Identity::from_task(&task, "").unwrap();
    for (case, recorded) in &recorded("metrics/expected-ecs.json") {
        assert_equal(case, Some(&identity), recorded);
    }
}

#[test]
fn what_is_left_out_is_counted() {
    for (case, want) in [
        ("counter", vec![]),
        ("counter-delta", vec![Drop { reason: "delta_temporality", points: 1 }]),
        ("histogram-delta", vec![Drop { reason: "delta_temporality", points: 1 }]),
        (
            "odd-names",
            vec![Drop { reason: "label_name", points: 1 }, Drop { reason: "metric_name", points: 1 }],
        ),
    ] {
        assert_eq!(translate(case, None).1, want, "{case}");
    }
}
