//! Metrics of delta temporality.

use prost::Message;
use siphon_core::{
    otlp::{
        Metric, MetricData, MetricsAnswer, MetricsRequest, NumberPoint, NumberValue, PartialSuccess,
        ResourceMetrics, ScopeMetrics, Sum,
    },
    wire::Kind,
};

use crate::{
    eventually,
    grpc::{Client, METRICS, framed},
    http::send,
    metadata::Metadata,
    process::Agent,
    puller::{Puller, count},
    receiving::metrics,
};

/// One counter's point of 5, at that time.
fn counter(name: &str, time: u64) -> Metric {
    let value = Some(NumberValue::Int(5));
    let point = NumberPoint { time_unix_nano: time, value, ..NumberPoint::default() };
    let data = Some(MetricData::Sum(Sum { points: vec![point], temporality: 1, monotonic: true }));
    Metric { name: name.to_owned(), data, ..Metric::default() }
}

fn request(metrics: Vec<Metric>) -> Vec<u8> {
    let scope_metrics = vec![ScopeMetrics { scope: None, metrics }];
    MetricsRequest { resource_metrics: vec![ResourceMetrics { resource: None, scope_metrics }] }
        .encode_to_vec()
}

/// The value of every counter's point in the spool, in order.
fn values(puller: &Puller) -> Vec<i64> {
    let page = puller.all().unwrap();
    let requests = page.records.iter().filter(|record| record.kind == Kind::OtlpMetrics);
    let requests = requests.map(|record| MetricsRequest::decode(record.payload.clone()).unwrap());
    let metrics = requests.flat_map(|request| request.resource_metrics).flat_map(|r| r.scope_metrics);
    let data = metrics.flat_map(|scope| scope.metrics).filter_map(|metric| metric.data);
    let points = data.flat_map(|data| match data {
        MetricData::Sum(sum) => sum.points,
        _ => vec![],
    });
    let value = |point: NumberPoint| match point.value {
        Some(NumberValue::Int(int)) => int,
        other => unreachable!("{other:?}"),
    };
    points.map(value).collect()
}

#[test]
fn delta_points_are_stored_as_totals_and_all_else_as_received() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    for time in [10, 20, 20, 30] {
        assert_eq!(agent.post("/v1/metrics", &request(vec![counter("c", time)])).status, 200);
    }
    assert_eq!(values(&puller), [5, 10, 15], "the one that came again counts once");
    assert_eq!(puller.count("dropped_points", "otlp_metrics", "out_of_order"), 1);
    assert_eq!(puller.count("accepted_items", "otlp_metrics", ""), 3);
    assert_eq!(puller.count("accepted_records", "otlp_metrics", ""), 3, "of the other nothing was left");
    assert_eq!(agent.post("/v1/metrics", &metrics(2)).status, 200);
    let page = puller.all().unwrap();
    assert!(page.records.iter().any(|record| record.payload == metrics(2)));
    assert_eq!(count(&page, "accepted_items", "otlp_metrics", ""), 5);
}

#[test]
fn points_without_a_total_are_answered_as_a_partial_success() {
    let (agent, _puller) = Agent::known(&Metadata::start(), &[("SIPHON_DELTA_MAX_SERIES", "1")]);
    let three = |time| request(vec![counter("a", time), counter("b", time), counter("c", time)]);
    let expected = MetricsAnswer {
        partial_success: Some(PartialSuccess {
            rejected_data_points: 2,
            error_message: "delta points without a total: 2 of series over SIPHON_DELTA_MAX_SERIES"
                .to_owned(),
        }),
    };
    let reply = agent.post("/v1/metrics", &three(10));
    assert_eq!((reply.status, MetricsAnswer::decode(&reply.body[..]).unwrap()), (200, expected.clone()));

    let answer = Client::connect(agent.otlp_grpc).export(METRICS, &three(20));
    assert_eq!(answer.status(), (0, ""));
    assert_eq!(MetricsAnswer::decode(&answer.message[5..]).unwrap(), expected);
    assert_eq!(answer.message[..5], framed(0, &answer.message[5..])[..5]);

    let point = |name, time| {
        format!(
            r#"{{"name":"{name}","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{{"timeUnixNano":"{time}","asInt":"5"}}]}}}}"#
        )
    };
    let metrics = [point("a", 30), point("b", 30), point("a", 30)].join(",");
    let json = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#);
    let reply =
        send(agent.otlp, "POST", "/v1/metrics", &[("content-type", "application/json")], json.as_bytes());
    assert_eq!(
        reply.text(),
        r#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"delta points without a total: 1 not after the latest of their series, 1 of series over SIPHON_DELTA_MAX_SERIES"}}"#
    );
}

#[test]
fn series_are_limited_and_forgotten_as_the_settings_say() {
    let settings = [("SIPHON_DELTA_MAX_SERIES", "1"), ("SIPHON_DELTA_EXPIRY", "1s")];
    let (agent, puller) = Agent::known(&Metadata::start(), &settings);
    assert_eq!(agent.post("/v1/metrics", &request(vec![counter("a", 10), counter("b", 10)])).status, 200);
    assert_eq!(values(&puller), [5]);
    assert_eq!(puller.count("dropped_points", "otlp_metrics", "series_limit"), 1);
    assert_eq!(agent.logged("raise SIPHON_DELTA_MAX_SERIES").len(), 1);
    eventually("a is forgotten, which leaves room for b", || {
        agent.post("/v1/metrics", &request(vec![counter("b", 20)]));
        Some(()).filter(|()| values(&puller) == [5, 5])
    });
}

#[test]
fn without_series_delta_points_stay_as_they_come() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_DELTA_MAX_SERIES", "0")]);
    let given = request(vec![counter("c", 10)]);
    for _ in 0..2 {
        assert_eq!(agent.post("/v1/metrics", &given).status, 200);
    }
    let page = puller.all().unwrap();
    assert_eq!(page.records.iter().filter(|record| record.payload == given).count(), 2);
}
