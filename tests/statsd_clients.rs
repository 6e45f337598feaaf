//! An application that its authors let report by StatsD, with two clients that nobody here wrote: what it sends to its
//! task's agent comes out in a real Prometheus, counted up.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use serde_json::Value;
use siphon_tests::{
    local::Local,
    prometheus::Prometheus,
    python::{self, Python},
    wait,
};

/// A query and the value that it must have.
const METRICS: [(&str, f64); 14] = [
    ("shop_orders_total", 4.0),
    ("shop_queue_depth", 5.0),
    ("max_over_time(shop_users[5m])", 2.0),
    ("shop_render_milliseconds_count", 2.0),
    ("shop_render_milliseconds_sum", 332.5),
    (r#"shop_render_milliseconds_bucket{le="25"}"#, 1.0),
    (r#"shop_render_milliseconds_bucket{le="500"}"#, 2.0),
    (r#"payments_total{method="card",env="test",canary="true"}"#, 2.0),
    (r#"stock{item="tea"}"#, 41.5),
    (r#"basket_count{item="tea"}"#, 2.0),
    (r#"basket_sum{item="tea"}"#, 630.0),
    (r#"basket_bucket{item="tea",le="50"}"#, 1.0),
    ("charge_milliseconds_sum", 90.0),
    (r#"siphon_agent_refused_lines_total{kind="statsd",reason="event"}"#, 1.0),
];

#[test]
fn what_two_clients_send_arrives_in_prometheus() {
    let (Some(python), Some(prometheus)) = (Python::find(), Prometheus::start()) else { return };
    let url = prometheus.write_url();
    let local = Local::start(&["--remote-write-url", &url, "--no-workload"]);
    let overview: Value = serde_json::from_str(&local.page("/api/overview").unwrap()).unwrap();
    let agent = overview["tasks"][0]["address"].as_str().unwrap();

    python::json(python.app("statsd_clients.py").args([agent, "8125"]));
    for (query, expected) in METRICS {
        wait::until(&format!("{query} is {expected}"), || {
            (prometheus.values(query) == [expected]).then_some(())
        });
    }
    let labels = &prometheus.query("shop_orders_total")[0]["metric"];
    assert_eq!(labels["aws_ecs_task_family"], "frontend", "{labels}");
    assert_eq!(labels["otel_scope_name"], "siphon/statsd", "{labels}");

    // A stopping agent hands over what its interval has not, and its series end.
    python::json(python.app("statsd_clients.py").args([agent, "8125"]));
    local.interrupt();
    assert_eq!(local.finish().exit_code, Some(0));
    assert_eq!(prometheus.values("last_over_time(shop_orders_total[5m])"), [8.0]);
    assert!(prometheus.query("shop_orders_total").is_empty(), "ended");
}
