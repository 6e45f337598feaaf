//! Drains one agent: pull, write, acknowledge, until nothing is left, time is over, or something fails.

use std::time::Duration;

use futures_util::future::join;
use siphon_core::{
    series::Ends,
    shard::Target,
    wire::{Ack, BootId, LeaseId, Page, PullRequest, SamplingHead, Share},
};
use tokio::sync::oneshot;
use tracing::{Instrument, info_span, warn};

use crate::{
    agent_client::{AgentClient, AgentError, random},
    deliver::{Receivers, Stuck, deliver},
    describe,
    keys::{KeyChoice, Keyring},
    report::{Reasons, Tally},
    settings::Config,
    time::Deadlines,
};

/// With less time than this no further page is pulled.
pub(crate) const LEAST_ROUND: Duration = Duration::from_millis(250);

/// How draining one agent went.
#[derive(Debug, Default)]
pub struct Drained {
    /// What was done.
    pub tally: Tally,
    /// A receiver refuses this function: the message must count as failed, so that someone looks.
    pub misconfigured: bool,
    /// The agent has said that it is told to stop.
    pub stopping: bool,
}

impl Drained {
    /// Adds a later drain of the same agent.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.misconfigured |= other.misconfigured;
        self.stopping |= other.stopping;
    }

    /// Counts and logs that the agent can't be drained.
    pub(crate) fn fail(&mut self, error: &AgentError) {
        let (reason, error) = (error.reason(), describe(error));
        warn!(reason, error, "agent can't be drained");
        self.tally.agents_failed.add(reason, 1);
    }
}

/// Drains one agent. Whatever is wrong with it is counted and logged, and costs no other agent.
pub async fn drain(
    target: &Target,
    keyring: &Keyring,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
) -> Drained {
    let span = info_span!("drain", task_arn = target.task_arn, address = %target.address);
    async {
        let mut keys = keyring.choice().await;
        let (mut drained, pulled) = attempt(target, &mut keys, keyring, config, receivers, deadlines).await;
        if let Err(error) = pulled {
            drained.fail(&error);
        }
        drained
    }
    .instrument(span)
    .await
}

/// Drains one agent, as far as it goes, and says what ended it. If the agent knows none of `keys`, they are replaced by
/// newer ones, where there are any.
pub(crate) async fn attempt(
    target: &Target,
    keys: &mut KeyChoice,
    keyring: &Keyring,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
) -> (Drained, Result<(), AgentError>) {
    let (mut drained, pulled) = attempt_with(target, keys, config, receivers, deadlines).await;
    if !pulled.as_ref().is_err_and(AgentError::is_of_key) {
        return (drained, pulled);
    }
    let Some(renewed) = keyring.renewed(keys, deadlines.writes).await else { return (drained, pulled) };
    *keys = renewed;
    let (more, pulled) = attempt_with(target, keys, config, receivers, deadlines).await;
    drained.merge(more);
    (drained, pulled)
}

async fn attempt_with(
    target: &Target,
    keys: &KeyChoice,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
) -> (Drained, Result<(), AgentError>) {
    let mut drained = Drained::default();
    let (tell, told) = oneshot::channel();
    let sampling = async {
        let Ok((boot, head)) = told.await else { return Reasons::default() };
        receivers.sampling.exchange(target, keys, boot, &head, deadlines.writes).await
    };
    let pulling = rounds(target, keys, config, receivers, deadlines, &mut drained, tell);
    let (pulled, failed) = join(pulling, sampling).await;
    drained.tally.sampling_failed.merge(failed);
    (drained, pulled)
}

/// Pulls until the agent is empty. What was done before an error is in `drained`. `tell` is told what the first page says
/// of sampling, if anything.
async fn rounds(
    target: &Target,
    keys: &KeyChoice,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
    drained: &mut Drained,
    tell: oneshot::Sender<(BootId, SamplingHead)>,
) -> Result<(), AgentError> {
    let lease = LeaseId(random()?);
    let mut agent = AgentClient::new(target, keys);
    let mut stuck = Stuck::default();
    let mut ends = Ends::default();
    let mut tell = Some(tell);
    while deadlines.writes.left() > LEAST_ROUND {
        let task_arn = target.task_arn.clone();
        let lease_ms = u64::try_from(deadlines.writes.left().as_millis()).unwrap_or(u64::MAX);
        let pull = PullRequest { task_arn, lease, lease_ms, max_bytes: config.page_max_bytes };
        let page = agent.pull(&pull, deadlines.writes).await?;
        let is_first = drained.tally.pages == 0;
        drained.tally.pages += 1;
        drained.tally.agents = 1;
        drained.stopping |= page.head.stopping;
        // Whoever waits for it goes on, also where there is nothing to tell.
        if let (Some(tell), Some(sampling)) = (tell.take(), &page.head.sampling) {
            let _ = tell.send((page.head.boot, sampling.clone()));
        }
        if page.records.is_empty() {
            return Ok(()); // nothing to acknowledge; the agent keeps no lease for nothing
        }

        let round = deliver(&page, config, receivers, deadlines.writes, is_first, stuck, &mut ends).await;
        stuck = round.stuck;
        drained.tally.merge(round.tally);
        drained.misconfigured |= round.misconfigured;

        let ack = Ack { task_arn: pull.task_arn, lease, boot: page.head.boot, delivered: round.delivered };
        if let Err(error) = agent.ack(&ack, deadlines.acks).await {
            let (reason, error) = (error.reason(), describe(&error));
            warn!(reason, error, "the ack did not arrive: this data will be written again");
            drained.tally.acks_failed.add(reason, 1);
            return Ok(());
        }
        if !goes_on(&page, stuck) {
            return Ok(());
        }
    }
    if drained.tally.pages == 0 { Err(AgentError::Timeout) } else { Ok(()) }
}

/// Whether another page is worth a pull: something is left in a share whose receiver works, and this page brought that
/// share forward.
fn goes_on(page: &Page, stuck: Stuck) -> bool {
    let open = || Share::ALL.into_iter().filter(|share| !stuck.is(*share));
    open().any(|share| page.head.share(share).remaining_records > 0)
        && open().any(|share| page.share(share).next().is_some())
}
