//! The metrics, and how a reading becomes their series.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    Options, labels,
    stats::StatsByContainer,
    task::{Container, Task},
    usage::{Direction, Rate, Usage},
};
use crate::{
    prometheus::names::{Kind, metric_name},
    series::{Base, Batch, LabelSet, LabelSets, NAME, SeriesId},
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

/// Metrics that only a task has, in MiB: of ephemeral storage utilized and reserved.
const TASK_STORAGE: [&str; 2] =
    ["ecs.task.ephemeral_storage.utilized", "ecs.task.ephemeral_storage.reserved"];

/// The one metric of a stopped container, in seconds.
const DURATION: &str = "container.duration";

fn rate(usage: &Usage) -> Rate {
    usage.network.rate.unwrap_or_default()
}

fn rx(usage: &Usage) -> Direction {
    usage.network.io.unwrap_or_default().rx
}

fn tx(usage: &Usage) -> Direction {
    usage.network.io.unwrap_or_default().tx
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Container,
    StoppedContainer,
    Task,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Container, Self::StoppedContainer, Self::Task];

    /// OTLP names and units of its metrics.
    fn metrics(self) -> Vec<(String, &'static str)> {
        let common = |prefix| METRICS.iter().map(move |m| (format!("{prefix}{}", m.name), m.unit));
        match self {
            Self::Container => common(CONTAINER).collect(),
            Self::StoppedContainer => vec![(DURATION.to_owned(), "Seconds")],
            Self::Task => common(TASK).chain(TASK_STORAGE.map(|name| (name.to_owned(), "MiB"))).collect(),
        }
    }
}

/// Whether an ECS metric has this OTLP name.
pub(super) fn is_known(name: &str) -> bool {
    Subject::ALL.iter().flat_map(|subject| subject.metrics()).any(|(known, _)| known == name)
}

/// Metrics of a subject that pass the filter: places in [`Subject::metrics`] and names in Prometheus.
type Names = Vec<(usize, String)>;

/// What becomes of measurements, worked out ahead, and the series that came of them.
pub(super) struct Metrics {
    names: HashMap<Subject, Names>,
    /// By the labels that the series of one subject have in common.
    series: HashMap<(Subject, LabelSet), Vec<SeriesId>>,
}

/// Where measurements of one time go.
pub(super) struct Sink<'a> {
    pub(super) at: UnixMillis,
    pub(super) sets: &'a mut LabelSets,
    pub(super) batch: Batch,
}

impl Metrics {
    pub(super) fn new(options: &Options) -> Self {
        let name = |(place, (name, unit)): (usize, (String, &'static str))| {
            let kept = options.filter.keeps(&name);
            let name = kept.then(|| metric_name(&name, unit, Kind::Other, options.suffixes));
            Some((place, name??))
        };
        let names = |subject: Subject| subject.metrics().into_iter().enumerate().filter_map(name).collect();
        Self {
            names: Subject::ALL.into_iter().map(|subject| (subject, names(subject))).collect(),
            series: HashMap::new(),
        }
    }

    /// Containers in the order of `/task`, the task last.
    pub(super) fn measure(&mut self, task: &Task, stats: &StatsByContainer, sink: &mut Sink<'_>) {
        let mut usages = Vec::with_capacity(task.containers.len());
        for container in &task.containers {
            let labels = || labels::of_container(task, container);
            if let Some(stats) = stats.of(container.docker_id.as_str()) {
                let usage = Usage::of_container(container.limits, stats);
                self.emit(Subject::Container, &common(&usage), labels, sink);
                usages.push(usage);
            } else if has_stopped(container) {
                self.emit(Subject::StoppedContainer, &[duration_seconds(container)], labels, sink);
            }
        }
        let usage = Usage::of_task(task, &usages);
        let values = [&common(&usage)[..], &ephemeral_storage(task)].concat();
        self.emit(Subject::Task, &values, || labels::of_task(task), sink);
    }

    /// Adds a sample for each of the values, which are those of [`Subject::metrics`], that passes the filter.
    fn emit(
        &mut self,
        subject: Subject,
        values: &[f64],
        labels: impl Fn() -> LabelSet,
        Sink { at, sets, batch }: &mut Sink<'_>,
    ) {
        let names = self.names.get(&subject).map(Vec::as_slice).unwrap_or_default();
        if names.is_empty() {
            return;
        }
        let series = self.series.entry((subject, labels())).or_insert_with_key(|(_, labels)| {
            let base = Base::new(labels.clone());
            names.iter().map(|(_, name)| sets.id(base.with(&[(NAME, name)]))).collect()
        });
        for ((place, _), series) in names.iter().zip(series) {
            if let Some(value) = values.get(*place) {
                batch.push(*series, *at, *value);
            }
        }
    }
}

/// The values of [`METRICS`].
fn common(usage: &Usage) -> [f64; METRICS.len()] {
    METRICS.map(|metric| (metric.value)(usage))
}

/// The values of [`TASK_STORAGE`]: 0 where the task has no such storage, as on EC2.
fn ephemeral_storage(task: &Task) -> [f64; TASK_STORAGE.len()] {
    let storage = task.ephemeral_storage_metrics.unwrap_or_default();
    [storage.utilized, storage.reserved].map(|mib| mib.unwrap_or(0) as f64)
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
