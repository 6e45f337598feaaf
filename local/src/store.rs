//! What the page shows, kept in bounded memory: the latest ECS samples and the latest traces.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
};

use serde_json::Value;
use siphon_core::series::Sample;

use crate::{amp::Labels, aws::xray::Segment, lock, memory::Memory};

/// The ECS metrics that are charted: the name in series begins so, the rest is a unit.
pub(crate) const CHARTED: [&str; 6] = [
    "ecs_task_cpu_utilized",
    "ecs_task_cpu_reserved",
    "ecs_task_memory_utilized",
    "ecs_task_memory_reserved",
    "ecs_task_network_rate_rx",
    "ecs_task_network_rate_tx",
];

/// Points of one task's metrics, by the metric's name without unit.
pub(crate) type TaskSeries = BTreeMap<&'static str, VecDeque<Sample>>;

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) memory: Memory,
    /// By task ARN.
    series: Mutex<HashMap<String, TaskSeries>>,
    traces: Mutex<Traces>,
}

#[derive(Default)]
struct Traces {
    by_id: HashMap<String, Trace>,
    /// Oldest first.
    order: VecDeque<String>,
}

/// The documents of one trace by their id: a complete copy replaces the one in progress.
pub(crate) type Trace = BTreeMap<String, Value>;

impl Store {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    pub(crate) fn samples(&self, labels: &Labels<'_>, samples: &[Sample]) {
        let Some(metric) = CHARTED.into_iter().find(|name| labels.metric().starts_with(name)) else { return };
        let Some(task) = labels.get("aws_ecs_task_arn") else { return };
        let mut series = lock(&self.series);
        let points = series.entry(task.to_owned()).or_default().entry(metric).or_default();
        for sample in samples {
            let at = points.partition_point(|point| point.at < sample.at);
            points.insert(at, *sample);
        }
        let surplus = points.len().saturating_sub(self.memory.points);
        points.drain(..surplus);
    }

    pub(crate) fn segment(&self, segment: Segment) {
        let mut traces = lock(&self.traces);
        let Traces { by_id, order } = &mut *traces;
        if !by_id.contains_key(&segment.trace_id) {
            order.push_back(segment.trace_id.clone());
            if order.len() > self.memory.traces
                && let Some(oldest) = order.pop_front()
            {
                by_id.remove(&oldest);
            }
        }
        let trace = by_id.entry(segment.trace_id).or_default();
        if trace.len() < self.memory.segments_of_a_trace || trace.contains_key(&segment.id) {
            trace.insert(segment.id, segment.document);
        }
    }

    /// The points of `task`.
    pub(crate) fn task(&self, task: &str) -> TaskSeries {
        lock(&self.series).get(task).cloned().unwrap_or_default()
    }

    /// The documents of the trace `id`.
    pub(crate) fn trace(&self, id: &str) -> Option<Trace> {
        lock(&self.traces).by_id.get(id).cloned()
    }

    /// The latest traces, newest first, at most `limit`.
    pub(crate) fn traces(&self, limit: usize) -> Vec<(String, Trace)> {
        let traces = lock(&self.traces);
        let newest = traces.order.iter().rev().take(limit);
        newest.filter_map(|id| Some((id.clone(), traces.by_id.get(id)?.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::{remote_write::v1::Label, units::UnixMillis};

    use super::*;

    #[test]
    fn charted_points_are_ordered_and_bounded() {
        let store = Store::default();
        let labels = [("__name__", "ecs_task_cpu_utilized_None"), ("aws_ecs_task_arn", "t")]
            .map(|(name, value)| Label { name: name.into(), value: value.into() });
        for at in (0..700).rev() {
            store.samples(&Labels::unchecked(&labels), &[Sample::new(UnixMillis(at), 1.0)]);
        }
        let points = &store.task("t")["ecs_task_cpu_utilized"];
        assert_eq!((points.len(), points[0].at, points[599].at), (600, UnixMillis(100), UnixMillis(699)));
    }

    #[test]
    fn the_oldest_traces_go() {
        let (store, traces) = (Store::default(), Memory::RUN.traces);
        for n in 0..=traces {
            store.segment(Segment {
                id: "a".into(),
                trace_id: n.to_string(),
                in_progress: false,
                document: Value::Null,
            });
        }
        assert!(store.trace("0").is_none());
        assert_eq!(store.traces(1)[0].0, traces.to_string());
        assert_eq!(store.traces(usize::MAX).len(), traces);
    }
}
