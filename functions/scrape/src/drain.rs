//! Drains one agent: pull, write, acknowledge, until nothing is left, time is over, or something fails.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::join};
use siphon_core::{
    series::Ends,
    shard::Target,
    wire::{Ack, BootId, LeaseId, Page, PullRequest, SamplingHead, Share, imbalances},
};
use tokio::sync::oneshot;
use tracing::{Instrument, error, info_span, warn};

use crate::{
    agent_client::{AgentClient, AgentError, random},
    agents::Agents,
    deliver::{Patience, Receivers, Stuck, deliver},
    describe,
    keys::KeyChoice,
    report::{Reasons, Tally},
    settings::Config,
    time::Deadlines,
};

/// With less time than this no further page is pulled.
pub(crate) const LEAST_ROUND: Duration = Duration::from_millis(250);

/// In a last drain no receiver is tried for longer before what the other one has is acknowledged: the agent's grace is
/// 25 s unless told otherwise, and takes in a pause and a page that came before its last records. Doubles each time that
/// it was not enough.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// How draining one agent went.
#[derive(Debug, Default)]
pub struct Drained {
    /// What was done.
    pub tally: Tally,
    /// A receiver refuses this function, or a stopping task's agent can't be had: the invocation must count as failed, so
    /// that someone looks, or that it comes again.
    pub failed: bool,
    /// The agent has said that it is told to stop.
    pub stopping: bool,
}

impl Drained {
    /// Adds a later drain of the same agent.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.failed |= other.failed;
        self.stopping |= other.stopping;
    }

    /// A drain that did nothing.
    pub(crate) fn failed(error: &AgentError) -> Self {
        let mut drained = Self::default();
        drained.fail(error);
        drained
    }

    /// Counts and logs that the agent can't be drained.
    pub(crate) fn fail(&mut self, error: &AgentError) {
        let (reason, error) = (error.reason(), describe(error));
        warn!(reason, error, "agent can't be drained");
        self.tally.agents_failed.add(reason, 1);
    }
}

/// Drains one agent. Whatever is wrong with it is counted and logged, and costs no other agent: not even a panic does.
pub async fn drain(
    target: &Target,
    agents: &Agents,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
) -> Drained {
    let span = info_span!("drain", task_arn = target.task_arn, address = %target.address);
    let once = async {
        let mut session = match Session::new(target, agents).await {
            Ok(session) => session,
            Err(error) => return Drained::failed(&error),
        };
        let (mut drained, pulled) = attempt(&mut session, config, receivers, deadlines).await;
        if let Err(error) = pulled {
            drained.fail(&error);
        }
        drained
    };
    survive(once).instrument(span).await
}

/// What `drain` gives. Its data stays with the agent if it panics, and is tried again by the next one.
pub(crate) async fn survive(drain: impl Future<Output = Drained>) -> Drained {
    AssertUnwindSafe(drain).catch_unwind().await.unwrap_or_else(|_| {
        error!("a drain panicked; the line before says where; please report this");
        let mut drained = Drained::default();
        drained.tally.agents_failed.add("panic", 1);
        drained
    })
}

/// What one attempt after another at the same agent has in common.
pub(crate) struct Session<'a> {
    puller: Puller<'a>,
    ends: Ends,
}

/// Who pulls, and whom.
struct Puller<'a> {
    target: &'a Target,
    agents: &'a Agents,
    keys: KeyChoice,
    lease: LeaseId,
    /// Between two attempts, too, nobody else is to pull.
    keep_lease: bool,
    /// How long a page waits for one receiver.
    patience: Duration,
}

impl<'a> Session<'a> {
    /// For one attempt.
    pub(crate) async fn new(target: &'a Target, agents: &'a Agents) -> Result<Self, AgentError> {
        let (keys, lease) = (agents.keyring.choice().await, LeaseId(random()?));
        let puller = Puller { target, agents, keys, lease, keep_lease: false, patience: Duration::MAX };
        Ok(Self { puller, ends: Ends::default() })
    }

    /// For as many as it takes until a task has ended that is told to stop. What its application exports when it stops
    /// comes before its agent knows of the end: so all series are remembered from now on, here and nowhere else.
    pub(crate) async fn of_last_drain(target: &'a Target, agents: &'a Agents) -> Result<Self, AgentError> {
        let Self { puller, .. } = Self::new(target, agents).await?;
        let puller = Puller { keep_lease: true, patience: LAST_PATIENCE, ..puller };
        Ok(Self { puller, ends: Ends::foreseen() })
    }

    /// A receiver was given up. It may not have been hanging: telling many bad samples from good ones takes a while, and
    /// is begun anew each time.
    pub(crate) fn wait_longer(&mut self) {
        self.puller.patience = self.puller.patience.saturating_mul(2);
    }
}

/// Drains one agent, as far as it goes, and says what ended it. If the agent knows none of the keys, they are replaced by
/// newer ones, where there are any.
pub(crate) async fn attempt(
    session: &mut Session<'_>,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
) -> (Drained, Result<(), AgentError>) {
    let (mut drained, pulled) = attempt_with(session, config, receivers, deadlines).await;
    if !pulled.as_ref().is_err_and(AgentError::is_of_key) {
        return (drained, pulled);
    }
    let Puller { agents, ref keys, .. } = session.puller;
    let Some(renewed) = agents.keyring.renewed(keys, deadlines.writes).await else {
        return (drained, pulled);
    };
    session.puller.keys = renewed;
    let (more, pulled) = attempt_with(session, config, receivers, deadlines).await;
    drained.merge(more);
    (drained, pulled)
}

async fn attempt_with(
    session: &mut Session<'_>,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
) -> (Drained, Result<(), AgentError>) {
    let Session { puller, ends } = session;
    let mut drained = Drained::default();
    let (tell, told) = oneshot::channel();
    let sampling = async {
        let Ok((boot, head)) = told.await else { return Reasons::default() };
        let agent = AgentClient::new(puller.target, puller.agents, &puller.keys);
        receivers.sampling.exchange(agent, &puller.target.task_arn, boot, &head, deadlines.writes).await
    };
    let pulling = rounds(puller, ends, config, receivers, deadlines, &mut drained, tell);
    let (pulled, failed) = join(pulling, sampling).await;
    drained.tally.sampling_failed.merge(failed);
    (drained, pulled)
}

/// Pulls until the agent is empty. What was done before an error is in `drained`. `tell` is told what the first page says
/// of sampling, if anything.
async fn rounds(
    puller: &Puller<'_>,
    ends: &mut Ends,
    config: &Config,
    receivers: &Receivers,
    deadlines: Deadlines,
    drained: &mut Drained,
    tell: oneshot::Sender<(BootId, SamplingHead)>,
) -> Result<(), AgentError> {
    let Puller { target, agents, ref keys, lease, keep_lease, patience } = *puller;
    let mut agent = AgentClient::new(target, agents, keys);
    let mut stuck = Stuck::default();
    let mut was_in_vain = false;
    let mut tell = Some(tell);
    while deadlines.writes.left() > LEAST_ROUND {
        let task_arn = target.task_arn.clone();
        let lease_ms = u64::try_from(deadlines.writes.left().as_millis()).unwrap_or(u64::MAX);
        let max_bytes = config.page_max_bytes;
        let pull = PullRequest { task_arn, lease, lease_ms, keep_lease, max_bytes };
        let pulled = agent.pull(&pull, deadlines.writes).await?;
        let page = &pulled.page;
        let is_first = drained.tally.pages == 0;
        drained.tally.pages += 1;
        drained.tally.agents = 1;
        drained.stopping |= page.head.stopping;
        // Whoever waits for it goes on, also where there is nothing to tell.
        if let (Some(tell), Some(sampling)) = (tell.take(), &page.head.sampling) {
            let _ = tell.send((page.head.boot, sampling.clone()));
        }
        check_ledger(page, &mut drained.tally);
        if page.records.is_empty() {
            return Ok(()); // nothing to acknowledge
        }

        let patience = Patience { deadline: deadlines.writes, each: patience };
        let round = deliver(page, config, receivers, patience, is_first, stuck, ends).await;
        stuck = round.stuck;
        drained.tally.merge(round.tally);
        drained.failed |= round.misconfigured;

        let boot = page.head.boot;
        let (delivered, exported) = (round.delivered, round.exported.counts());
        let ack = Ack { task_arn: pull.task_arn, lease, keep_lease, boot, delivered, exported };
        if let Err(error) = agent.ack(&ack, deadlines.acks).await {
            let (reason, error) = (error.reason(), describe(&error));
            warn!(reason, error, "the ack did not arrive: this data will be written again");
            drained.tally.acks_failed.add(reason, 1);
            return Ok(());
        }
        let is_in_vain = !brings_forward(page, stuck);
        if !has_more(page, stuck) || is_in_vain && was_in_vain {
            return Ok(());
        }
        was_in_vain = is_in_vain;
    }
    if drained.tally.pages == 0 { Err(AgentError::Timeout) } else { Ok(()) }
}

/// What an agent has accepted is acknowledged, dropped or buffered. If not, Siphon is at fault, and someone should know.
fn check_ledger(page: &Page, tally: &mut Tally) {
    for (kind, accepted, accounted) in imbalances(&page.head.counts) {
        error!(kind, accepted, accounted, "the agent's ledger does not add up; please report this");
        tally.ledger_unbalanced.add("agent", 1);
    }
}

/// Whether something is left in a share whose receiver works.
fn has_more(page: &Page, stuck: Stuck) -> bool {
    open(stuck).any(|share| page.head.share(share).remaining_records > 0)
}

/// Whether the page had records of a share whose receiver works. One page may have none: shares take turns, and what the
/// other one repeats may leave no room. Two in a row are an agent that has nothing to give.
fn brings_forward(page: &Page, stuck: Stuck) -> bool {
    open(stuck).any(|share| page.share(share).next().is_some())
}

fn open(stuck: Stuck) -> impl Iterator<Item = Share> {
    Share::ALL.into_iter().filter(move |share| !stuck.is(*share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_agent_its_drain() {
        let drained = survive(async { unreachable!("told to") }).await;
        assert_eq!(drained.tally.agents_failed.get("panic"), 1);
        assert!(!drained.failed);
    }
}
