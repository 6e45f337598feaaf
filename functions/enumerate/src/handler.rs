//! One enumeration.

use std::time::{SystemTime, UNIX_EPOCH};

use siphon_core::{shard, units::UnixMillis};
use tokio::sync::Mutex;

use crate::{
    cache::Cache,
    listing,
    queue::{self, SendError},
    report::Report,
    settings::Config,
};

/// What lives as long as the execution environment.
pub struct Context {
    ecs: aws_sdk_ecs::Client,
    sqs: aws_sdk_sqs::Client,
    config: Config,
    cache: Mutex<Cache>,
}

impl Context {
    /// Clients of `aws`, and a cache that knows nothing.
    #[must_use]
    pub fn new(config: Config, aws: &aws_config::SdkConfig) -> Self {
        Self {
            ecs: aws_sdk_ecs::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            config,
            cache: Mutex::default(),
        }
    }
}

/// Why an enumeration failed. Nothing is lost by it: the agents keep their data, and the next enumeration comes.
#[derive(Debug, thiserror::Error)]
pub enum EnumerateError {
    /// Not one cluster could be listed. Tasks known from before have been sent all the same.
    #[error("none of {0} clusters could be listed; the log says why (does the role allow ecs:ListTasks?)")]
    NothingListed(usize),
    /// Shards are missing in the queue.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Lists tasks, sends shards. The event that set it off tells nothing that matters.
///
/// # Errors
/// [`EnumerateError`], so that Lambda counts the failure. The next tick tries again.
pub async fn handle(context: &Context) -> Result<Report, EnumerateError> {
    let Context { ecs, sqs, config, cache } = context;
    let mut cache = cache.lock().await;
    let listed = listing::refresh(ecs, &config.clusters, &config.agent, &mut cache).await;
    let (at, targets) = (now(), cache.targets());
    let mut report = Report { at, listed, targets: targets.len(), shards: 0 };
    let shards = shard::split(targets, config.shard_tasks, at);
    report.shards = shards.len();
    println!("{}", report.line());
    queue::send(sqs, &config.queue_url, &shards).await?;
    if report.listed.failed() {
        return Err(EnumerateError::NothingListed(report.listed.clusters_failed));
    }
    Ok(report)
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
