//! The agent's own counters as series, so that a loss in a task shows where its metrics are.

use std::sync::Arc;

use siphon_core::{
    ecs::Identity,
    otlp::Value,
    series::{Batch, LabelSet, LabelSets, Metadata, MetricKind, NAME},
    wire::{Count, PageHead},
};

/// The events that mean a loss or a refusal. The others are read off what arrives.
const EXPORTED: [&str; 6] = [
    "dropped_records",
    "refused_requests",
    "failed_readings",
    "failed_scrapes",
    "refused_targets",
    "refused_pulls",
];

/// One series for each counter that is not zero, `siphon_agent_<event>_total`, at the agent's time.
pub(super) fn batch(head: &PageHead, identity: Option<&Identity>, sets: &mut LabelSets) -> Batch {
    let task = identity.map(task_labels).unwrap_or_default();
    let exported = |count: &&Count| count.value > 0 && EXPORTED.contains(&count.event.as_ref());
    let mut batch = Batch::default();
    for count in head.counts.iter().filter(exported) {
        let series = sets.id_of(labels(count, &task), &Arc::new(metadata(&count.event)));
        batch.push(series, head.now, count.value as f64);
    }
    batch
}

fn metadata(event: &str) -> Metadata {
    let help = format!("What the agent counts as {event}.");
    Metadata { kind: MetricKind::Counter, help, unit: String::new() }
}

fn labels(count: &Count, task: &[(String, String)]) -> LabelSet {
    let name = format!("siphon_agent_{}_total", count.event);
    let own = [(NAME, name.as_str()), ("kind", &count.kind), ("reason", &count.reason)];
    let task = task.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    own.into_iter().chain(task).collect()
}

/// What tells the task, under the names that its ECS metrics have.
fn task_labels(identity: &Identity) -> Vec<(String, String)> {
    let texts = identity.attributes().iter().filter_map(|attribute| match attribute.value()? {
        Value::String(text) => Some((attribute.key.as_str(), text.as_str())),
        _ => None,
    });
    texts.filter_map(|(key, text)| task_label(key, text)).collect()
}

fn task_label(key: &str, text: &str) -> Option<(String, String)> {
    match key {
        "aws.ecs.cluster.arn" => {
            let name = text.rsplit('/').next().unwrap_or(text);
            Some(("aws_ecs_cluster_name".to_owned(), name.to_owned()))
        }
        "aws.ecs.task.arn" | "aws.ecs.task.id" | "aws.ecs.task.family" | "aws.ecs.task.revision" => {
            Some((key.replace('.', "_"), text.to_owned()))
        }
        _ => None,
    }
}
