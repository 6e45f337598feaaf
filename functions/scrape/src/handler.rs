//! One invocation: messages in, shards drained, failed messages out. Or a task that is told to stop, drained to its end.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use siphon_core::{
    shard::{Shard, Target},
    units::UnixMillis,
    xray,
};
use tracing::{error, info, warn};

use crate::{
    agents::Agents,
    amp::Amp,
    clients,
    deliver::Receivers,
    drain::drain,
    event::{Event, EventError},
    last_drain::drain_last,
    report::Tally,
    sampling::Sampling,
    settings::{Config, TracesExporter},
    start_error::StartError,
    task_event::TaskStateChange,
    time::{Deadlines, now},
    traces::{self, Otlp, Segments, Traces},
};

/// A shard that waited for longer lists tasks that are gone; the enumerations since then list the rest again.
const STALE_MS: i64 = 5 * 60 * 1000;

/// What lives as long as the execution environment.
pub struct Context {
    config: Config,
    agents: Agents,
    receivers: Receivers,
}

impl Context {
    /// Builds the clients, and fetches the keys if they are in a secret. `aws` is [`crate::clients::aws`], loaded.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn new(config: Config, aws: &SdkConfig) -> Result<Self, StartError> {
        let https = clients::https().map_err(StartError::Certificates)?;
        let agents = Agents::new(&config, &https, aws).await?;
        let amp = Amp::new(
            https.clone(),
            config.prometheus_endpoint.clone(),
            config.remote_write_version,
            config.amp_limits,
            aws,
        );
        let amp = amp.ok_or(StartError::Aws)?;
        let endpoint =
            |path: &str| clients::endpoint(aws, traces::SERVICE, config.xray_address.as_deref(), path);
        let sampling = Sampling::new(&https, endpoint, aws).map_err(StartError::Endpoint)?;
        let sampling = sampling.ok_or(StartError::Aws)?;
        let endpoint = |path| endpoint(path).map_err(StartError::Endpoint);
        let segments = Segments::new(https.clone(), endpoint(xray::PATH)?, aws).ok_or(StartError::Aws)?;
        let otlp = match config.traces_exporter {
            TracesExporter::XRay => None,
            TracesExporter::Otlp => {
                let given = config.xray_otlp_endpoint.clone();
                let endpoint = given.map_or_else(|| endpoint(xray::otlp::PATH), Ok)?;
                Some(Otlp::new(https, endpoint, aws).ok_or(StartError::Aws)?)
            }
        };
        Ok(Self { config, agents, receivers: Receivers { amp, traces: Traces { segments, otlp }, sampling } })
    }
}

/// What Lambda is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To the queue: which messages failed.
    Batch(SqsBatchResponse),
    /// To the rule for stopping tasks: nothing that anybody reads.
    Done,
}

/// Why an invocation failed, so that Lambda counts it, and tries an event again.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// There is nothing that could be done.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A task's data stayed in its agent.
    #[error("a stopping task's data stayed with its agent; the log says why, and what to check")]
    Undrained,
}

/// Drains the agents that `event` is about, within `left`, and prints the report.
///
/// # Errors
/// [`HandleError`]. Shards that failed are told in the [`Response`] instead.
pub async fn handle(event: Value, context: &Context, left: Duration) -> Result<Response, HandleError> {
    match Event::read(event)? {
        Event::Shards(event) => {
            let Scraped { failed, tally } = scrape(event, context, left).await;
            println!("{}", tally.line(now()));
            let mut response = SqsBatchResponse::default();
            response.set_failures(failed);
            Ok(Response::Batch(response))
        }
        Event::Task(change) => {
            let Scraped { failed, tally } = scrape_last(&change, context, left).await;
            println!("{}", tally.line(now()));
            if failed.is_empty() { Ok(Response::Done) } else { Err(HandleError::Undrained) }
        }
    }
}

/// What [`handle`] does by a change of a task's state, without the report: drains the agent of a task that is told to
/// stop, until it has ended.
pub async fn scrape_last(change: &TaskStateChange, context: &Context, left: Duration) -> Scraped {
    let Context { config, agents, receivers } = context;
    let mut scraped = Scraped::default();
    match change.target(&config.agent) {
        Ok(target) => {
            let drained = drain_last(&target, agents, config, receivers, left).await;
            scraped.tally = drained.tally;
            scraped.failed.extend(drained.failed.then_some(target.task_arn));
        }
        Err(skip) => {
            info!(reason = skip.name(), "event asks for no drain");
            scraped.tally.tasks_skipped.add(skip.name(), 1);
        }
    }
    scraped
}

/// How an invocation went.
#[derive(Debug, Default)]
pub struct Scraped {
    /// Ids of the messages that failed: those that can't be read, and those whose data a receiver refuses because this
    /// function is set up wrongly. Of a stopping task, its ARN in the latter case, or if its agent could not be had.
    pub failed: Vec<String>,
    /// What was done.
    pub tally: Tally,
}

/// What [`handle`] does with shards, without the report.
pub async fn scrape(event: SqsEvent, context: &Context, left: Duration) -> Scraped {
    let Context { config, agents, receivers } = context;
    let deadlines = Deadlines::within(left);
    let Plan { mut work, mut scraped } = plan(event.records, now());
    // Without randomness they begin where the list does: not fair, but drained.
    begin_at(&mut work, getrandom::u32().unwrap_or(0));
    let mut drains = stream::iter(work)
        .map(async |(message, target)| (message, drain(&target, agents, config, receivers, deadlines).await))
        .buffer_unordered(config.concurrent_agents);
    while let Some((message, drained)) = drains.next().await {
        scraped.tally.merge(drained.tally);
        if drained.failed && !scraped.failed.contains(&message) {
            scraped.failed.push(message);
        }
    }
    scraped
}

/// What an event asks for.
#[derive(Debug, Default)]
struct Plan {
    /// The message's id and one target of its shard.
    work: Vec<(String, Target)>,
    /// What is said of the other messages.
    scraped: Scraped,
}

fn plan(messages: Vec<SqsMessage>, now: UnixMillis) -> Plan {
    let mut plan = Plan::default();
    for message in messages {
        let id = message.message_id.unwrap_or_default();
        match serde_json::from_str::<Shard>(&message.body.unwrap_or_default()) {
            Ok(shard) if now.since(shard.listed_at) > STALE_MS => {
                warn!(message_id = id, listed_at = shard.listed_at.0, "shard is stale and is passed over");
                plan.scraped.tally.messages_skipped.add("stale", 1);
            }
            Ok(shard) => plan.work.extend(shard.targets.into_iter().map(|target| (id.clone(), target))),
            Err(error) => {
                error!(message_id = id, %error, "message is no shard; does only the enumerating function send here?");
                plan.scraped.tally.messages_skipped.add("unreadable", 1);
                plan.scraped.failed.push(id);
            }
        }
    }
    plan
}

/// Turns the list so that it begins elsewhere, at any place with the same chance. While a receiver is down, those that are
/// drained first use up the time: that must not be the same ones every minute, nor the same ones in two functions that
/// were handed one message.
fn begin_at<T>(work: &mut [T], place: u32) {
    if let Some(first) = (place as usize).checked_rem(work.len()) {
        work.rotate_left(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_is_first_at_times_and_none_is_left_out() {
        let turned = |place| {
            let mut work = [0, 1, 2, 3, 4];
            begin_at(&mut work, place);
            work
        };
        assert_eq!([0, 1, 4, 5].map(turned), [[0, 1, 2, 3, 4], [1, 2, 3, 4, 0], [4, 0, 1, 2, 3], turned(0)]);
        begin_at::<u8>(&mut [], 7);
    }

    fn message(id: &str, body: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.body = Some(body.to_owned());
        message
    }

    fn shard(listed_at: i64) -> String {
        format!(
            r#"{{"listed_at":{listed_at},"targets":[{{"task_arn":"arn","address":"10.0.0.1","port":4319}}]}}"#
        )
    }

    #[test]
    fn only_unreadable_messages_fail_and_stale_ones_are_passed_over() {
        let now = 1_700_000_000_000;
        let messages = [
            message("fresh", &shard(now - STALE_MS)),
            message("stale", &shard(now - STALE_MS - 1)),
            message("from-the-future", &shard(now + 60_000)),
            message("garbage", "{"),
            SqsMessage::default(),
        ];
        let plan = plan(messages.into(), UnixMillis(now));
        let ids: Vec<_> = plan.work.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["fresh", "from-the-future"]);
        assert_eq!(plan.scraped.failed, ["garbage", ""]);
        assert_eq!(
            (
                plan.scraped.tally.messages_skipped.get("stale"),
                plan.scraped.tally.messages_skipped.get("unreadable")
            ),
            (1, 2)
        );
    }
}
