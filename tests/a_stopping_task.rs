//! When a task is stopped its series end where it did, and how its containers ended is known: in a real Prometheus.

use siphon_tests::{local::Local, prometheus::Prometheus, wait};

const TASKS: f64 = 6.0;

#[test]
fn the_series_of_stopped_tasks_end_and_their_exit_codes_are_known() {
    let Some(prometheus) = Prometheus::start() else { return };
    let url = prometheus.write_url();
    let local = Local::start(&["--remote-write-url", &url, "--all-ecs-metrics"]);
    let running = "count(container_memory_usage_Bytes)";
    wait::until("both containers of each task are measured", || {
        (prometheus.values(running) == [2.0 * TASKS]).then_some(())
    });
    local.interrupt();
    assert_eq!(local.finish().exit_code, Some(0));

    for (query, want) in [
        ("count(last_over_time(ecs_task_cpu_utilized_None[5m]))", TASKS),
        ("count(last_over_time(container_memory_usage_Bytes[5m]))", 2.0 * TASKS),
        ("count(last_over_time(container_exit_code[5m]) == 0)", TASKS),
        ("count(last_over_time(container_duration_Seconds[5m]) > 0)", TASKS),
    ] {
        assert_eq!(prometheus.values(query), [want], "{query}");
    }
    // Without markers these would be carried on for five minutes.
    let alive = prometheus.query(r#"{__name__=~"ecs_task_.+|container_.+"}"#);
    assert!(alive.is_empty(), "{alive:?}");
}
