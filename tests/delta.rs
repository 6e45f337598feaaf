//! An application whose OpenTelemetry SDK prefers deltas, over several exports, each of which is sent twice: in a real
//! Prometheus the totals are right.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use siphon_tests::{
    http::free_port,
    local::Local,
    prometheus::Prometheus,
    python::{self, Python},
    wait,
};

/// A query and the value that it must have.
const TOTALS: [(&str, f64); 10] = [
    (r#"delta_orders_total{payment="card",shop="a"}"#, 9.0),
    (r#"delta_orders_total{payment="cash",shop="a"}"#, 2.0),
    ("delta_revenue_total", 0.75),
    ("delta_duration_seconds_count", 6.0),
    ("delta_duration_seconds_sum", 2.625),
    (r#"delta_duration_seconds_bucket{le="0.25"}"#, 3.0),
    (r#"delta_duration_seconds_bucket{le="1"}"#, 6.0),
    (r#"delta_duration_seconds_bucket{le="+Inf"}"#, 6.0),
    ("histogram_count(delta_size_bytes)", 3.0),
    ("histogram_sum(delta_size_bytes)", 10_101.0),
];

#[test]
fn deltas_arrive_as_totals_and_what_is_sent_twice_counts_once() {
    let (Some(python), Some(prometheus)) = (Python::find(), Prometheus::start()) else { return };
    let otlp = format!("127.0.0.1:{}", free_port());
    let write_url = prometheus.write_url();
    let _local = Local::start(&["--remote-write-url", &write_url, "--no-workload", "--otlp-http", &otlp]);

    let mut app = python.app("delta.py");
    app.arg(format!("http://{otlp}")).env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    let sent = python::json(&mut app);
    for name in ["delta.orders", "delta.revenue", "delta.duration", "delta.size"] {
        assert_eq!(sent[name], "DELTA", "{name}: {sent}");
    }
    for (query, expected) in TOTALS {
        wait::until(&format!("{query} is {expected}"), || {
            prometheus.values(query).iter().any(|value| (value - expected).abs() < 1e-9).then_some(())
        });
    }
    wait::until("what was sent twice is counted", || {
        let dropped = prometheus.values(r#"siphon_agent_dropped_points_total{reason="out_of_order"}"#);
        dropped.iter().any(|points| *points > 0.0).then_some(())
    });
}
