//! The page's headline numbers and its task list.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::{clock, run::World, store::TaskSeries, tasks::Task};

pub(super) fn overview(world: &World) -> Value {
    let World { flags, accounts, rss, queue, .. } = world;
    let counts = accounts.counts();
    let depth = queue.depth(clock::now());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": world.started.elapsed().as_secs(),
        "every_ms": u64::try_from(flags.every.as_millis()).unwrap_or(u64::MAX),
        "remote_write": flags.remote_write_url,
        "xray": flags.xray_endpoint,
        "samples": counts.samples_stored,
        "segments": counts.segments_stored,
        "repeated": counts.samples_repeated + counts.segments_repeated,
        "rejected": counts.samples_rejected,
        "unprocessed": counts.segments_unprocessed,
        "sampling_requests": counts.sampling_requests,
        "dropped": accounts.dropped(),
        "freshness_p50_ms": accounts.freshness(0.5),
        "freshness_p99_ms": accounts.freshness(0.99),
        "agent_rss_max_bytes": rss.peak(),
        "queue": { "visible": depth.visible, "in_flight": depth.in_flight, "dead": depth.dead, "expired": depth.expired },
        "tasks": world.tasks.iter().map(|task| task_row(world, task)).collect::<Vec<_>>(),
    })
}

fn task_row(world: &World, task: &Task) -> Value {
    let identity = task.identity();
    let arn = identity.as_ref().map(|identity| identity.arn.as_str());
    let series = arn.map(|arn| world.store.task(arn)).unwrap_or_default();
    json!({
        "name": task.name(),
        "family": identity.as_ref().map(|identity| identity.family.as_str()),
        "id": identity.as_ref().map(|identity| identity.id()),
        "arn": arn,
        "address": task.address,
        "otlp": task.otlp,
        "status": task.status().name(),
        "requests": task.requests.load(Ordering::Relaxed),
        "readings": arn.map_or(0, |arn| world.accounts.readings(arn)),
        "agent_rss_bytes": world.rss.of(task.index),
        "cpu": latest(&series, "ecs_task_cpu_utilized"),
        "cpu_reserved": latest(&series, "ecs_task_cpu_reserved"),
        "memory": latest(&series, "ecs_task_memory_utilized"),
        "memory_reserved": latest(&series, "ecs_task_memory_reserved"),
        "last_ms": series.values().filter_map(|points| points.back()).map(|p| p.at.0).max(),
    })
}

fn latest(series: &TaskSeries, metric: &str) -> Option<f64> {
    series.get(metric)?.back().map(|sample| sample.value).filter(|value| value.is_finite())
}
