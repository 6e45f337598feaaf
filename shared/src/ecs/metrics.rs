//! The metrics, and how a reading becomes their series.

use jiff::Timestamp;

use super::{
    Options, labels,
    stats::StatsByContainer,
    task::{Container, Task},
    usage::{Direction, Rate, Usage},
};
use crate::{
    prometheus::names::{Kind, metric_name},
    series::{LabelSet, NAME, Series},
    units::UnixMillis,
};

const CONTAINER: &str = "container.";
const TASK: &str = "ecs.task.";

/// A metric that containers and tasks have in common.
#[derive(Clone, Copy)]
pub(super) struct Metric {
    /// What follows `container.` or `ecs.task.`.
    pub(super) name: &'static str,
    unit: &'static str,
    value: fn(&Usage) -> f64,
}

const fn metric(name: &'static str, unit: &'static str, value: fn(&Usage) -> f64) -> Metric {
    Metric { name, unit, value }
}

/// In the order in which they are emitted. No unit here is one that UCUM knows, so they end names as they stand; no sum
/// here is monotonic, so none ends in `_total`.
pub(super) const METRICS: [Metric; 26] = [
    metric("memory.usage", "Bytes", |u| u.memory.usage_bytes as f64),
    metric("memory.usage.max", "Bytes", |u| u.memory.max_bytes as f64),
    metric("memory.usage.limit", "Bytes", |u| u.memory.limit_bytes as f64),
    metric("memory.utilized", "MiB", |u| u.memory.utilized_mib as f64),
    metric("memory.reserved", "MiB", |u| u.memory.reserved_mib as f64),
    metric("cpu.usage.total", "Nanoseconds", |u| u.cpu.total_ns as f64),
    metric("cpu.usage.kernelmode", "Nanoseconds", |u| u.cpu.kernel_ns as f64),
    metric("cpu.usage.usermode", "Nanoseconds", |u| u.cpu.user_ns as f64),
    metric("cpu.cores", "Count", |u| u.cpu.cores as f64),
    metric("cpu.onlines", "Count", |u| u.cpu.onlines as f64),
    metric("cpu.usage.system", "Nanoseconds", |u| u.cpu.system_ns as f64),
    metric("cpu.utilized", "None", |u| u.cpu.utilized),
    metric("cpu.reserved", "None", |u| u.cpu.reserved),
    metric("cpu.usage.vcpu", "vCPU", |u| u.cpu.vcpu),
    metric("network.rate.rx", "Bytes/Second", |u| rate(u).rx),
    metric("network.rate.tx", "Bytes/Second", |u| rate(u).tx),
    metric("network.io.usage.rx_bytes", "Bytes", |u| rx(u).bytes as f64),
    metric("network.io.usage.rx_packets", "Count", |u| rx(u).packets as f64),
    metric("network.io.usage.rx_errors", "Count", |u| rx(u).errors as f64),
    metric("network.io.usage.rx_dropped", "Count", |u| rx(u).dropped as f64),
    metric("network.io.usage.tx_bytes", "Bytes", |u| tx(u).bytes as f64),
    metric("network.io.usage.tx_packets", "Count", |u| tx(u).packets as f64),
    metric("network.io.usage.tx_errors", "Count", |u| tx(u).errors as f64),
    metric("network.io.usage.tx_dropped", "Count", |u| tx(u).dropped as f64),
    metric("storage.read_bytes", "Bytes", |u| u.storage_read_bytes as f64),
    metric("storage.write_bytes", "Bytes", |u| u.storage_write_bytes as f64),
];

/// Metrics that only a task has, in MiB.
const STORAGE_UTILIZED: &str = "ecs.task.ephemeral_storage.utilized";
const STORAGE_RESERVED: &str = "ecs.task.ephemeral_storage.reserved";

/// The one metric of a stopped container, in seconds.
const DURATION: &str = "container.duration";

/// A metric's OTLP name, unit and value.
type Measured = (String, &'static str, f64);

fn rate(usage: &Usage) -> Rate {
    usage.network.rate.unwrap_or_default()
}

fn rx(usage: &Usage) -> Direction {
    usage.network.io.unwrap_or_default().rx
}

fn tx(usage: &Usage) -> Direction {
    usage.network.io.unwrap_or_default().tx
}

/// Whether an ECS metric has this OTLP name.
pub(super) fn is_known(name: &str) -> bool {
    let common = name.strip_prefix(CONTAINER).or_else(|| name.strip_prefix(TASK));
    common.is_some_and(|common| METRICS.iter().any(|metric| metric.name == common))
        || [STORAGE_UTILIZED, STORAGE_RESERVED, DURATION].contains(&name)
}

/// One reading on its way to series.
pub(super) struct Measurement<'a> {
    pub(super) task: &'a Task,
    pub(super) stats: &'a StatsByContainer<'a>,
    pub(super) at: UnixMillis,
    pub(super) options: &'a Options,
}

impl Measurement<'_> {
    pub(super) fn series(&self) -> Vec<Series> {
        let mut series = Vec::new();
        let mut usages = Vec::with_capacity(self.task.containers.len());
        for container in &self.task.containers {
            if let Some(stats) = self.stats.of(container.docker_id.as_str()) {
                let usage = Usage::of_container(container.limits, &stats);
                let labels = || labels::of_container(self.task, container);
                self.emit(common(CONTAINER, &usage), labels, &mut series);
                usages.push(usage);
            } else if has_stopped(container) {
                let duration = (DURATION.to_owned(), "Seconds", duration_seconds(container));
                self.emit([duration], || labels::of_container(self.task, container), &mut series);
            }
        }
        let usage = Usage::of_task(self.task, &usages);
        let metrics = common(TASK, &usage).chain(ephemeral_storage(self.task));
        self.emit(metrics, || labels::of_task(self.task), &mut series);
        series
    }

    /// Adds the series of those metrics that pass the filter.
    fn emit(
        &self,
        metrics: impl IntoIterator<Item = Measured>,
        labels: impl Fn() -> LabelSet,
        series: &mut Vec<Series>,
    ) {
        let mut made = None;
        for (name, unit, value) in metrics {
            if !self.options.filter.keeps(&name) {
                continue;
            }
            if let Some(name) = metric_name(&name, unit, Kind::Other, self.options.suffixes) {
                let labels = made.get_or_insert_with(&labels);
                series.push(Series::sample(labels.with(NAME, name), self.at, value));
            }
        }
    }
}

fn common(prefix: &'static str, usage: &Usage) -> impl Iterator<Item = Measured> {
    METRICS.iter().map(move |m| (format!("{prefix}{}", m.name), m.unit, (m.value)(usage)))
}

/// 0 where the task has no such storage, as on EC2.
fn ephemeral_storage(task: &Task) -> [Measured; 2] {
    let storage = task.ephemeral_storage_metrics.unwrap_or_default();
    [(STORAGE_UTILIZED, storage.utilized), (STORAGE_RESERVED, storage.reserved)]
        .map(|(name, mib)| (name.to_owned(), "MiB", mib.unwrap_or(0) as f64))
}

fn has_stopped(container: &Container) -> bool {
    !container.started_at.is_empty() && !container.finished_at.is_empty()
}

/// From start to finish; 0 where either is no time. Negative where the clock was odd.
fn duration_seconds(container: &Container) -> f64 {
    let parse = |text: &str| text.parse::<Timestamp>().ok();
    let started = parse(container.started_at.as_str());
    let finished = parse(container.finished_at.as_str());
    started.zip(finished).map_or(0.0, |(started, finished)| finished.duration_since(started).as_secs_f64())
}
