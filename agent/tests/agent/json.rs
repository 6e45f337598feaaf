//! OTLP over HTTP, as JSON.

use prost::Message;
use serde_json::{Value, json};
use siphon_core::otlp::{MetricsRequest, TraceRequest};

use crate::{
    http::{Reply, send},
    metadata::Metadata,
    packed::gzip,
    process::Agent,
    receiving::{metrics, spans},
};

const JSON: (&str, &str) = ("content-type", "application/json");

fn answered(reply: &Reply) -> (u16, Value) {
    assert_eq!(reply.header("content-type"), Some(JSON.1));
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

#[test]
fn json_is_stored_as_the_protobuf_that_it_means() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let traces =
        json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{ "name": "nnn" }, {}] }] }] }).to_string();
    let reply = send(agent.otlp, "POST", "/v1/traces", &[JSON], traces.as_bytes());
    assert_eq!(answered(&reply), (200, json!({ "partialSuccess": {} })));
    let headers = [("content-type", "application/json; charset=utf-8"), ("content-encoding", "gzip")];
    let points = json!({ "resource_metrics": [{ "scope_metrics": [{ "metrics": [
        { "name": "queue.length", "gauge": { "data_points": [{}, {}, {}] } }
    ] }] }] })
    .to_string();
    let reply = send(agent.otlp, "POST", "/v1/metrics", &headers, &gzip(points.as_bytes()));
    assert_eq!(answered(&reply).0, 200);
    assert_eq!(puller.count("accepted_items", "otlp_traces", ""), 2);
    assert_eq!(puller.count("accepted_items", "otlp_metrics", ""), 3);
    let records = puller.pull().unwrap().records;
    let decoded: Vec<_> = records.iter().filter_map(|r| TraceRequest::decode(&r.payload[..]).ok()).collect();
    assert!(decoded.contains(&TraceRequest::decode(&spans(2, 3)[..]).unwrap()), "{decoded:?}");
    let decoded: Vec<_> =
        records.iter().filter_map(|r| MetricsRequest::decode(&r.payload[..]).ok()).collect();
    assert!(decoded.contains(&MetricsRequest::decode(&metrics(3)[..]).unwrap()), "{decoded:?}");
}

#[test]
fn an_error_is_told_in_json() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "10000")]);
    let post = |path: &str, body: &str| answered(&send(agent.otlp, "POST", path, &[JSON], body.as_bytes()));
    let (status, error) =
        post("/v1/traces", r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"12"}]}]}]}"#);
    assert_eq!((status, &error["code"]), (400, &json!(3)));
    let message = error["message"].as_str().unwrap();
    let expected = r#"resourceSpans[0].scopeSpans[0].spans[0].traceId: invalid value: string "12", expected 32 hex digits"#;
    assert!(message.contains(expected), "{message}");
    assert_eq!(post("/v1/metrics", "{").0, 400);
    let long = send(agent.otlp, "POST", "/v1/traces", &[("content-type", &"x".repeat(9000))], b"{}");
    assert_eq!((long.status, long.text().ends_with("…\n")), (415, true), "{}", long.text());
    let bounds = vec!["0"; 4000].join(",");
    let grows = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"explicitBounds":[{bounds}]}}]}}}}]}}]}}]}}"#
    );
    assert_eq!(post("/v1/metrics", &grows).0, 413, "it is over the limit as protobuf");
    let (status, error) = post("/v1/logs", "{}");
    assert_eq!((status, &error["code"]), (501, &json!(12)));
    assert_eq!(puller.count("refused_requests", "otlp_traces", "malformed"), 1);
    assert_eq!(puller.count("refused_requests", "otlp_metrics", "malformed"), 1);
    assert_eq!(puller.count("refused_requests", "otlp_metrics", "too_large"), 1);
    assert_eq!(puller.count("refused_requests", "otlp_logs", "unimplemented"), 1);
}
