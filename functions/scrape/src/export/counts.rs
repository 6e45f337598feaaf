//! The agent's own counters as series, so that a loss in a task shows where its metrics are.

use std::sync::Arc;

use siphon_core::{
    ecs::Identity,
    otlp::Value,
    series::{Batch, LabelSet, LabelSets, Metadata, MetricKind, NAME},
    wire::{Count, PageHead},
};

/// One series for each counter, at the agent's time.
pub(super) fn batch(head: &PageHead, identity: Option<&Identity>, sets: &mut LabelSets) -> Batch {
    let task = identity.map(task_labels).unwrap_or_default();
    let mut batch = Batch::default();
    for count in head.counts.iter() {
        let series = sets.id_of(labels(count, &task), &Arc::new(metadata(count)));
        batch.push(series, head.now, count.value as f64);
    }
    batch
}

fn metadata(count: &Count) -> Metadata {
    let help = format!("What the agent counts as {}.", count.event);
    let kind = if count.is_level() { MetricKind::Gauge } else { MetricKind::Counter };
    Metadata { kind, help, unit: String::new() }
}

fn labels(count: &Count, task: &[(String, String)]) -> LabelSet {
    let name = count.metric();
    let own =
        [(NAME, name.as_str()), ("kind", &count.kind), ("reason", &count.reason), ("metric", &count.metric)];
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
