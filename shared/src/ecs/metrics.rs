//! The metrics, and how a reading becomes their series.

use std::{collections::HashMap, sync::Arc};

use super::{
    Options,
    field::Field,
    labels, life, reason, state,
    stats::StatsByContainer,
    task::{Container, EphemeralStorage, Task},
    usage::{Direction, Rate, Usage},
};
use crate::{
    prometheus::{
        Translation,
        names::{Kind, metric_name, unit_name},
    },
    series::{Base, LabelSet, LabelSets, Metadata, MetricKind, NAME, STALE, SeriesId},
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

/// A metric, by `N`, its OTLP name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition<N> {
    pub(super) name: N,
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
    /// Beside those of its subject.
    pub(super) label: Option<(&'static str, &'static str)>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Container,
    StoppedContainer,
    ContainerState,
    Task,
    TaskState,
}

impl Subject {
    const ALL: [Self; 5] =
        [Self::Container, Self::StoppedContainer, Self::ContainerState, Self::Task, Self::TaskState];

    fn metrics(self) -> Vec<Definition<String>> {
        let adots = |name, unit| Definition { name, unit, kind: Kind::Other, label: None };
        let common = |prefix| METRICS.iter().map(move |m| adots(format!("{prefix}{}", m.name), m.unit));
        let owned = |d: Definition<&str>| Definition {
            name: d.name.to_owned(),
            unit: d.unit,
            kind: d.kind,
            label: d.label,
        };
        match self {
            Self::Container => common(CONTAINER).collect(),
            Self::StoppedContainer => vec![adots(DURATION.to_owned(), "Seconds")],
            Self::ContainerState => state::definitions(&state::CONTAINER).map(owned).collect(),
            Self::Task => {
                common(TASK).chain(TASK_STORAGE.map(|name| adots(name.to_owned(), "MiB"))).collect()
            }
            Self::TaskState => state::definitions(&state::TASK).map(owned).collect(),
        }
    }
}

/// Whether an ECS metric has this OTLP name.
pub(super) fn is_known(name: &str) -> bool {
    Subject::ALL.iter().flat_map(|subject| subject.metrics()).any(|known| known.name == name)
}

/// A metric of a subject that passes the filter.
struct Kept {
    /// In [`Subject::metrics`].
    place: usize,
    /// In Prometheus.
    name: String,
    label: Option<(&'static str, &'static str)>,
    metadata: Arc<Metadata>,
}

/// What becomes of measurements, worked out ahead, and the series that came of them.
pub(super) struct Metrics {
    kept: HashMap<Subject, Vec<Kept>>,
    /// By the labels that the series of one subject have in common.
    series: HashMap<(Subject, LabelSet), Vec<SeriesId>>,
}

/// Where measurements of one time go.
pub(super) struct Sink<'a> {
    pub(super) at: UnixMillis,
    pub(super) sets: &'a mut LabelSets,
    pub(super) translation: Translation,
}

impl Metrics {
    pub(super) fn new(options: &Options) -> Self {
        let kept = |(place, metric): (usize, Definition<String>)| {
            let Definition { name, unit, kind, label } = metric;
            let kept = options.filter.keeps(&name);
            let name = kept.then(|| metric_name(&name, unit, kind, options.suffixes))??;
            Some(Kept { place, name, label, metadata: Arc::new(metadata(unit, kind)) })
        };
        let of = |subject: Subject| subject.metrics().into_iter().enumerate().filter_map(kept).collect();
        Self {
            kept: Subject::ALL.into_iter().map(|subject| (subject, of(subject))).collect(),
            series: HashMap::new(),
        }
    }

    /// Containers in the order of `/task`, the task last.
    pub(super) fn measure(&mut self, task: &Task, stats: &StatsByContainer, sink: &mut Sink<'_>) {
        let mut usages = Vec::with_capacity(task.containers.readable.len());
        for container in &task.containers.readable {
            usages.extend(self.measure_container(task, container, stats, sink));
        }
        let usage = Usage::of_task(task, &usages);
        let common = usage.map_or([None; METRICS.len()], |usage| common(&usage));
        let values = [&common[..], &ephemeral_storage(task)].concat();
        self.emit(Subject::Task, &values, || labels::of_task(task), sink);
        let values = state::values(&state::TASK, task);
        self.emit(Subject::TaskState, &values, || labels::naming_task(task), sink);
        for (reason, count) in [
            (reason::CONTAINER, task.containers.unreadable),
            (reason::STATS, stats.unreadable),
            (reason::FIELD, task.malformed_fields()),
        ] {
            sink.translation.count_drop(reason, count);
        }
    }

    fn measure_container(
        &mut self,
        task: &Task,
        container: &Container,
        stats: &StatsByContainer,
        sink: &mut Sink<'_>,
    ) -> Option<Usage> {
        let labels = || labels::of_container(task, container);
        let stats = stats.of(container.docker_id.as_str());
        let usage = stats.map(|stats| Usage::of_container(container.limits, stats));
        if let Some(usage) = &usage {
            self.emit(Subject::Container, &common(usage), labels, sink);
        } else if life::has_stopped(container) {
            if life::ended_lately(container, sink.at) {
                let labels = || labels::while_running(task, container);
                self.emit(Subject::Container, &[Some(STALE); METRICS.len()], labels, sink);
            }
            let duration = life::duration_seconds(container, sink.at);
            sink.translation.count_drop(reason::TIME, u64::from(duration.is_none()));
            self.emit(Subject::StoppedContainer, &[duration], labels, sink);
        }
        let state = state::values(&state::CONTAINER, container);
        if state.iter().any(Option::is_some) {
            let labels = || labels::naming_container(task, container);
            self.emit(Subject::ContainerState, &state, labels, sink);
        }
        usage
    }

    /// Adds a sample for each of the values, which are those of [`Subject::metrics`], that passes the filter.
    fn emit(
        &mut self,
        subject: Subject,
        values: &[Option<f64>],
        labels: impl Fn() -> LabelSet,
        Sink { at, sets, translation }: &mut Sink<'_>,
    ) {
        let kept = self.kept.get(&subject).map(Vec::as_slice).unwrap_or_default();
        if kept.is_empty() {
            return;
        }
        let series = self.series.entry((subject, labels())).or_insert_with_key(|(_, labels)| {
            let base = Base::new(labels.clone());
            let id = |kept: &Kept| {
                let own: Vec<_> = [(NAME, kept.name.as_str())].into_iter().chain(kept.label).collect();
                sets.id_of(base.with(&own), &kept.metadata)
            };
            kept.iter().map(id).collect()
        });
        for (kept, series) in kept.iter().zip(series) {
            match values.get(kept.place).copied().flatten() {
                Some(value) if value.is_finite() || is_marker(value) => {
                    translation.batch.push(*series, *at, value)
                }
                Some(_) => translation.count_drop(reason::VALUE, 1),
                None => {}
            }
        }
    }
}

fn is_marker(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// No metric is described: ADOT's receiver doesn't either. What is no counter is a gauge to Prometheus.
fn metadata(unit: &str, kind: Kind) -> Metadata {
    let kind = if kind == Kind::Counter { MetricKind::Counter } else { MetricKind::Gauge };
    Metadata { kind, help: String::new(), unit: unit_name(unit) }
}

/// The values of [`METRICS`].
fn common(usage: &Usage) -> [Option<f64>; METRICS.len()] {
    METRICS.map(|metric| Some((metric.value)(usage)))
}

/// The values of [`TASK_STORAGE`]: 0 where the task has no such storage, as on EC2.
fn ephemeral_storage(task: &Task) -> [Option<f64>; TASK_STORAGE.len()] {
    let storage = match task.ephemeral_storage_metrics {
        Field::Absent => EphemeralStorage::default(),
        Field::Read(storage) => storage,
        Field::Malformed => return [None; TASK_STORAGE.len()],
    };
    [storage.utilized, storage.reserved].map(|mib| Some(mib.unwrap_or(0) as f64))
}
