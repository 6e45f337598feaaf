//! Applications that their authors instrumented with OpenTelemetry's SDKs, unchanged: what they send by OTLP to their
//! task's agent, in each way that the SDKs know, comes out in a real Prometheus and in moto's X-Ray, under the names that
//! ADOT gives.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is missing fails the test"
)]

use std::process::Command;

use serde_json::{Value, json};
use siphon_tests::{
    local::Local,
    moto::Moto,
    node::Node,
    prometheus::Prometheus,
    python::{self, Python},
    wait,
};

/// A metric, its labels beside those of the service, and the value that it must have.
const METRICS: [(&str, &str, f64); 6] = [
    ("shop_orders_total", r#"payment="card""#, 3.0),
    ("shop_queue_depth", "", 7.0),
    ("http_server_request_duration_seconds_count", r#"http_route="/orders""#, 2.0),
    ("http_server_request_duration_seconds_sum", r#"http_route="/orders""#, 0.82),
    ("http_server_request_duration_seconds_bucket", r#"http_route="/orders",le="0.25""#, 1.0),
    ("http_server_request_duration_seconds_bucket", r#"http_route="/orders",le="+Inf""#, 2.0),
];

/// One way to send: protocol, compression, and the service that does it.
type Way = (&'static str, &'static str, &'static str);

#[test]
fn what_the_python_sdk_sends_arrives_in_prometheus_and_x_ray() {
    let Some(python) = Python::find() else { return };
    let ways = [
        ("grpc", "none", "checkout-grpc"),
        ("grpc", "gzip", "checkout-grpc-gzip"),
        ("http/protobuf", "none", "checkout-http"),
        ("http/protobuf", "gzip", "checkout-http-gzip"),
    ];
    arrives("python", &ways, || python.app("shop.py"));
}

#[test]
fn what_the_javascript_sdk_sends_arrives_in_prometheus_and_x_ray() {
    let Some(node) = Node::find() else { return };
    let ways = [
        ("http/json", "none", "checkout-json"),
        ("http/json", "gzip", "checkout-json-gzip"),
        ("grpc", "gzip", "checkout-grpc"),
    ];
    arrives("nodejs", &ways, || node.app("shop.js"));
}

fn arrives(language: &str, ways: &[Way], app: impl Fn() -> Command) {
    let (Some(prometheus), Some(moto)) = (Prometheus::start(), Moto::start()) else { return };
    let write_url = prometheus.write_url();
    let local =
        Local::start(&["--remote-write-url", &write_url, "--xray-endpoint", moto.url(), "--no-workload"]);
    let host = first_task(&local);
    for (protocol, compression, service) in ways {
        let port = if *protocol == "grpc" { 4317 } else { 4318 };
        let endpoint = format!("http://{host}:{port}");
        let shop = python::json(app().args([&endpoint, *protocol, *compression, *service]));
        for (name, labels, expected) in METRICS {
            let query = format!(r#"{name}{{job="shop/{service}",{labels}}}"#);
            wait::until(&format!("{query} is {expected}"), || {
                let close = |value: &f64| (value - expected).abs() < 1e-9;
                prometheus.values(&query).iter().any(close).then_some(())
            });
        }
        let orders = prometheus.query(&format!(r#"shop_orders_total{{job="shop/{service}"}}"#));
        assert_labels(&orders[0]["metric"], service, language);
        let trace_id = shop["x_ray_trace_id"].as_str().unwrap();
        let segments = wait::until(&format!("the trace of {service} is complete"), || {
            Some(moto.segments(trace_id)).filter(|segments| segments.len() == 3)
        });
        assert_segments(&segments, service, language);
    }
}

/// The address of the first task's network interface, where all its receivers listen.
fn first_task(local: &Local) -> String {
    let overview: Value = serde_json::from_str(&local.page("/api/overview").unwrap()).unwrap();
    overview["tasks"][0]["address"].as_str().unwrap().to_owned()
}

/// The application's resource, and the task that its agent is in.
fn assert_labels(labels: &Value, service: &str, language: &str) {
    let expected = json!({
        "service_name": service,
        "service_version": "1.2.3",
        "telemetry_sdk_language": language,
        "cloud_platform": "aws_ecs",
        "aws_ecs_task_family": "frontend",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&labels[name], value, "{name} in {labels}");
    }
}

fn assert_segments(segments: &[Value], service: &str, language: &str) {
    let find = |what: &str, is: &dyn Fn(&Value) -> bool| {
        segments.iter().find(|s| is(s)).unwrap_or_else(|| panic!("no {what} in {segments:#?}"))
    };
    let server = find("segment of the server span", &|s| s["http"]["response"]["status"] == 200);
    assert_eq!(server["name"], service);
    assert_eq!(server["origin"], "AWS::ECS::Fargate");
    assert_eq!(server["http"]["request"]["method"], "POST");
    assert_eq!(server["http"]["request"]["url"], "https://shop.example/orders");
    assert_eq!(server["aws"]["xray"]["sdk"], format!("opentelemetry for {language}"));

    let client = find("subsegment of the client span", &|s| s["http"]["response"]["status"] == 503);
    assert_eq!((&client["type"], &client["namespace"]), (&json!("subsegment"), &json!("remote")));
    assert_eq!((&client["parent_id"], &client["fault"]), (&server["id"], &json!(true)));
    assert_eq!(client["cause"]["exceptions"][0]["type"], "TimeoutError");
    assert_eq!(client["cause"]["exceptions"][0]["message"], "no answer in 3 s");

    let internal = find("subsegment of the internal span", &|s| s["name"] == "render");
    assert_eq!((&internal["type"], &internal["parent_id"]), (&json!("subsegment"), &server["id"]));
}
