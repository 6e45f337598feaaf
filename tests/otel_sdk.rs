//! An application that its authors instrumented with the OpenTelemetry Python SDK, unchanged: what it sends by OTLP over
//! HTTP to its task's agent comes out in a real Prometheus and in moto's X-Ray, under the names that ADOT gives.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is missing fails the test"
)]

use serde_json::{Value, json};
use siphon_tests::{
    http::free_port,
    local::Local,
    moto::Moto,
    prometheus::Prometheus,
    python::{self, Python},
    wait,
};

/// A query and the value that it must have.
const METRICS: [(&str, f64); 6] = [
    (r#"shop_orders_total{payment="card"}"#, 3.0),
    ("shop_queue_depth", 7.0),
    (r#"http_server_request_duration_seconds_count{http_route="/orders"}"#, 2.0),
    (r#"http_server_request_duration_seconds_sum{http_route="/orders"}"#, 0.82),
    (r#"http_server_request_duration_seconds_bucket{http_route="/orders",le="0.25"}"#, 1.0),
    (r#"http_server_request_duration_seconds_bucket{http_route="/orders",le="+Inf"}"#, 2.0),
];

#[test]
fn what_the_sdk_sends_arrives_in_prometheus_and_x_ray() {
    let (Some(python), Some(prometheus), Some(moto)) = (Python::find(), Prometheus::start(), Moto::start())
    else {
        return;
    };
    let otlp = format!("127.0.0.1:{}", free_port());
    let write_url = prometheus.write_url();
    let receivers = ["--remote-write-url", &write_url, "--xray-endpoint", moto.url()];
    let _local = Local::start(&[&receivers[..], &["--no-workload", "--otlp-http", &otlp]].concat());

    let shop = python::json(python.app("shop.py").arg(format!("http://{otlp}")));
    for (query, expected) in METRICS {
        wait::until(&format!("{query} is {expected}"), || {
            let close = |value: &f64| (value - expected).abs() < 1e-9;
            prometheus.values(query).iter().any(close).then_some(())
        });
    }
    assert_labels(&prometheus.query("shop_orders_total")[0]["metric"]);
    let trace_id = shop["x_ray_trace_id"].as_str().unwrap();
    let segments =
        wait::until("the trace is complete", || Some(moto.segments(trace_id)).filter(|s| s.len() == 3));
    assert_segments(&segments);
}

/// The application's resource, and the task that its agent is in.
fn assert_labels(labels: &Value) {
    let expected = json!({
        "job": "shop/checkout",
        "service_name": "checkout",
        "service_version": "1.2.3",
        "telemetry_sdk_language": "python",
        "cloud_platform": "aws_ecs",
        "aws_ecs_task_family": "frontend",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&labels[name], value, "{name} in {labels}");
    }
}

fn assert_segments(segments: &[Value]) {
    let find = |what: &str, is: &dyn Fn(&Value) -> bool| {
        segments.iter().find(|s| is(s)).unwrap_or_else(|| panic!("no {what} in {segments:#?}"))
    };
    let server = find("segment of the server span", &|s| s["http"]["response"]["status"] == 200);
    assert_eq!(server["name"], "checkout");
    assert_eq!(server["origin"], "AWS::ECS::Fargate");
    assert_eq!(server["http"]["request"]["method"], "POST");
    assert_eq!(server["http"]["request"]["url"], "https://shop.example/orders");
    assert_eq!(server["aws"]["xray"]["sdk"], "opentelemetry for python");

    let client = find("subsegment of the client span", &|s| s["http"]["response"]["status"] == 503);
    assert_eq!((&client["type"], &client["namespace"]), (&json!("subsegment"), &json!("remote")));
    assert_eq!((&client["parent_id"], &client["fault"]), (&server["id"], &json!(true)));
    assert_eq!(client["cause"]["exceptions"][0]["type"], "TimeoutError");
    assert_eq!(client["cause"]["exceptions"][0]["message"], "no answer in 3 s");

    let internal = find("subsegment of the internal span", &|s| s["name"] == "render");
    assert_eq!((&internal["type"], &internal["parent_id"]), (&json!("subsegment"), &server["id"]));
}
