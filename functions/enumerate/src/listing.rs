//! The ECS calls: clusters, their tasks, what the new ones are.
//!
//! ListTasks and DescribeTasks share one token bucket per account and region (burst 100, 20 a second) with every
//! deploy tool and autoscaler, so few calls run at once.

use std::collections::BTreeMap;

use aws_sdk_ecs::{Client, error::DisplayErrorContext, types::Task};
use futures_util::{StreamExt, stream};
use siphon_core::shard::Agent;
use tracing::{error, warn};

use crate::{
    cache::Cache,
    tasks::{self, Skip},
};

/// Clusters listed at once.
const CONCURRENT_CLUSTERS: usize = 4;

/// DescribeTasks calls at once within a cluster.
const CONCURRENT_DESCRIBES: usize = 4;

/// Most task ARNs that one call lists or describes.
const PAGE: usize = 100;

/// How one enumeration went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Clusters whose tasks were listed.
    pub clusters: usize,
    /// Clusters that could not be listed. Their tasks of the last time stand in.
    pub clusters_failed: usize,
    /// Tasks listed.
    pub tasks: usize,
    /// Tasks described: the ones that the cache didn't know.
    pub described: usize,
    /// Tasks that are no target, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
}

impl Listed {
    /// Whether there were clusters, but not one could be listed.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.clusters == 0 && self.clusters_failed > 0
    }

    fn skip(&mut self, reason: &'static str, tasks: usize) {
        if tasks > 0 {
            *self.skipped.entry(reason).or_default() += tasks;
        }
    }
}

/// Brings `cache` up to date with `clusters` (all clusters of the account if empty). What can't be listed or described
/// is logged and counted, and costs nothing else.
pub async fn refresh(ecs: &Client, clusters: &[String], agent: &Agent, cache: &mut Cache) -> Listed {
    let mut listed = Listed::default();
    let clusters = match clusters {
        [] => match list_clusters(ecs).await {
            Ok(clusters) => clusters,
            Err(error) => {
                error!(%error, "clusters can't be listed; the tasks known from before are scraped on");
                listed.clusters_failed = cache.clusters().len().max(1);
                return listed;
            }
        },
        some => some.to_vec(),
    };
    cache.keep_clusters(&clusters);
    let mut answers = stream::iter(clusters)
        .map(async |cluster| (list_tasks(ecs, &cluster).await, cluster))
        .buffer_unordered(CONCURRENT_CLUSTERS);
    while let Some((answer, cluster)) = answers.next().await {
        match answer {
            Ok(arns) => {
                listed.clusters += 1;
                listed.tasks += arns.len();
                let unknown = cache.keep_tasks(&cluster, arns);
                describe(ecs, &cluster, &unknown, agent, cache, &mut listed).await;
            }
            Err(error) => {
                listed.clusters_failed += 1;
                error!(%cluster, %error, "tasks can't be listed; the ones known from before are scraped on");
            }
        }
    }
    listed.skip(Skip::NoAgent.name(), cache.without_agent());
    listed
}

/// Describes the tasks `arns` and lets `cache` learn what will not change.
async fn describe(
    ecs: &Client,
    cluster: &str,
    arns: &[String],
    agent: &Agent,
    cache: &mut Cache,
    listed: &mut Listed,
) {
    let mut answers = stream::iter(arns.chunks(PAGE))
        .map(async |arns| (describe_tasks(ecs, cluster, arns).await, arns.len()))
        .buffer_unordered(CONCURRENT_DESCRIBES);
    while let Some((answer, asked)) = answers.next().await {
        let (tasks, missing) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                error!(cluster, tasks = asked, %error, "tasks can't be described; the next enumeration asks again");
                listed.skip("not_described", asked);
                continue;
            }
        };
        listed.described += tasks.len();
        listed.skip("missing", missing);
        for task in tasks {
            match (tasks::target(&task, agent), task.task_arn) {
                (Ok(target), _) => cache.learn(cluster, target.task_arn.clone(), Some(target)),
                (Err(Skip::NoAgent), Some(arn)) => cache.learn(cluster, arn, None),
                (Err(skip), _) => listed.skip(skip.name(), 1),
            }
        }
    }
}

async fn list_clusters(ecs: &Client) -> Result<Vec<String>, String> {
    let mut pages = ecs.list_clusters().into_paginator().items().send();
    let mut clusters = Vec::new();
    while let Some(cluster) = pages.next().await {
        clusters.push(cluster.map_err(|error| DisplayErrorContext(error).to_string())?);
    }
    Ok(clusters)
}

/// The ARNs of the tasks that should run. PENDING tasks are among them; a task that is told to stop is not.
async fn list_tasks(ecs: &Client, cluster: &str) -> Result<Vec<String>, String> {
    let list = ecs.list_tasks().cluster(cluster).desired_status(aws_sdk_ecs::types::DesiredStatus::Running);
    let mut pages = list.into_paginator().page_size(100).items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.map_err(|error| DisplayErrorContext(error).to_string())?);
    }
    Ok(arns)
}

/// The descriptions, and how many tasks have none: they ended between the two calls.
async fn describe_tasks(ecs: &Client, cluster: &str, arns: &[String]) -> Result<(Vec<Task>, usize), String> {
    let call = ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send();
    let answer = call.await.map_err(|error| DisplayErrorContext(error).to_string())?;
    let failures = answer.failures();
    for failure in failures.iter().filter(|failure| failure.reason() != Some("MISSING")) {
        let (arn, reason, detail) = (failure.arn(), failure.reason(), failure.detail());
        warn!(cluster, arn, reason, detail, "task can't be described");
    }
    let missing = failures.len();
    Ok((answer.tasks.unwrap_or_default(), missing))
}
