//! The answers of the task metadata endpoint: `/task` and `/task/stats`.

use siphon_core::{
    ecs::{self, Identity, MetricFilter},
    series::LabelSets,
    units::UnixMillis,
    wire::Reading,
};

use crate::{
    seeds::{golden, one},
    sendable,
};

pub(crate) fn task_seeds() -> Vec<(String, Vec<u8>)> {
    golden("ecs", "task.json")
}

pub(crate) fn stats_seeds() -> Vec<(String, Vec<u8>)> {
    [0, 1, 2].into_iter().flat_map(|poll| golden("ecs", &format!("stats-{poll}.json"))).collect()
}

/// Any `/task` beside good stats.
pub(crate) fn task(bytes: &[u8]) -> bool {
    thread_local!(static STATS: Vec<u8> = one("ecs/fargate/stats-1.json"));
    let identity = Identity::from_task(bytes, "own");
    let is_read = STATS.with(|stats| read(bytes, stats));
    identity.is_ok() && is_read
}

/// Any `/task/stats` beside a good task.
pub(crate) fn stats(bytes: &[u8]) -> bool {
    thread_local!(static TASK: Vec<u8> = one("ecs/fargate/task.json"));
    TASK.with(|task| read(task, bytes))
}

fn read(task: &[u8], stats: &[u8]) -> bool {
    let reading = Reading::decode(Reading::encode(task, stats).into()).expect("it was just encoded");
    let options = ecs::Options { filter: MetricFilter::All, ..ecs::Options::default() };
    let mut sets = LabelSets::default();
    match ecs::Translator::new(&options).translate(&reading, UnixMillis(1_795_400_000_000), &mut sets) {
        Ok(made) => {
            sendable::check(made.batch, &sets);
            true
        }
        Err(error) => {
            assert!(error.to_string().contains("/task"), "it must say where: {error}");
            false
        }
    }
}
