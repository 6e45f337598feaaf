//! The public dashboard for ECS on Amazon Managed Prometheus works unchanged once unit suffixes are dropped: every query of
//! aws-samples/ecsdemo-amp `grafana/AMP_ECS_Task_Monitoring.json` has an answer in a real Prometheus.

use std::collections::BTreeSet;

use siphon_tests::{local::Local, prometheus::Prometheus, wait};

const TASKS: u8 = 6;

const STATS: [(&str, &str); 3] = [
    (
        "Running ECS Tasks",
        r#"count(count(ecs_task_cpu_reserved{aws_ecs_task_id=~".*"}) by (aws_ecs_task_id))"#,
    ),
    ("Total Memory Usage", "sum(ecs_task_memory_usage)/1024/1024"),
    ("Total vCPU Usage", "sum(ecs_task_cpu_usage_vcpu)"),
];

/// Each has one line for each task family.
const GRAPHS: [(&str, &str); 4] = [
    ("CPU Usage", "sum(avg_over_time(ecs_task_cpu_utilized[1m])) by (aws_ecs_task_family)"),
    (
        "Memory Usage",
        "(sum(avg_over_time(ecs_task_memory_utilized[1m])) by (aws_ecs_task_family))*100/\
         (sum(avg_over_time(ecs_task_memory_reserved[1m])) by (aws_ecs_task_family))",
    ),
    ("Network Rx", "sum(avg_over_time(ecs_task_network_rate_rx[1m])) by (aws_ecs_task_family)"),
    ("Network Tx", "sum(avg_over_time(ecs_task_network_rate_tx[1m])) by (aws_ecs_task_family)"),
];

/// The answer, once it has `count` values above zero.
fn wait_for(prometheus: &Prometheus, panel: &str, query: &str, count: usize) -> Vec<f64> {
    wait::until(&format!("panel {panel} has {count} values above 0: {query}"), || {
        let values = prometheus.values(query);
        (values.len() == count && values.iter().all(|value| *value > 0.0 && value.is_finite()))
            .then_some(values)
    })
}

#[test]
fn every_panel_of_the_public_dashboard_has_data() {
    let Some(prometheus) = Prometheus::start() else { return };
    let url = prometheus.write_url();
    let flags = [
        "--remote-write-url",
        &url,
        "--all-ecs-metrics",
        "--no-metric-suffixes",
        "--tasks",
        &TASKS.to_string(),
    ];
    let _local = Local::start(&flags);

    let families = wait::until("three families are stored", || {
        let series = prometheus.query("group(ecs_task_cpu_reserved) by (aws_ecs_task_family)");
        let families: BTreeSet<_> = series
            .iter()
            .filter_map(|series| series.pointer("/metric/aws_ecs_task_family")?.as_str().map(str::to_owned))
            .collect();
        (families.len() == 3).then_some(families)
    });
    assert_eq!(families, ["checkout", "frontend", "inventory"].map(str::to_owned).into());
    for (panel, query) in STATS {
        wait_for(&prometheus, panel, query, 1);
    }
    for (panel, query) in GRAPHS {
        let values = wait_for(&prometheus, panel, query, families.len());
        if panel == "Memory Usage" {
            assert!(values.iter().all(|percent| *percent < 100.0), "{values:?}");
        }
    }
    wait::until("every task is counted", || {
        (prometheus.values(STATS.first()?.1) == [f64::from(TASKS)]).then_some(())
    });
}
