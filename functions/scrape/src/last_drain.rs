//! The last drain: pulls a task that is told to stop, again and again, until its agent has ended. No enumeration lists
//! such a task any more, and its agent ends once everything is acknowledged.

use std::{io::ErrorKind, time::Duration};

use siphon_core::{shard::Target, wire::RefusalCode};
use tokio::time::sleep;
use tracing::{Instrument, info, info_span};

use crate::{
    agent_client::AgentError,
    agents::Agents,
    deliver::Receivers,
    drain::{Drained, LEAST_ROUND, Session, attempt, survive},
    settings::Config,
    time::Deadlines,
};

/// Between two drains, while data comes. Doubles while none does.
const PAUSE: Duration = Duration::from_secs(1);

/// No pause is longer: from SIGTERM on an agent has its grace, 25 s unless told otherwise.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// For one drain: a lease must not outlast by far a function that dies.
const ROUND: Duration = Duration::from_secs(30);

/// After so many failures in a row, some 15 seconds, an agent that has never answered is given up. Lambda repeats the
/// event a minute later, and no function is held in vain until then.
const MAX_FAILURES: u32 = 4;

/// Drains an agent until it has ended, or `left` is over.
pub async fn drain_last(
    target: &Target,
    agents: &Agents,
    config: &Config,
    receivers: &Receivers,
    left: Duration,
) -> Drained {
    let span = info_span!("last_drain", task_arn = target.task_arn, address = %target.address);
    let end = Deadlines::within(left);
    let mut total = Drained::default();
    let mut progress = Progress::default();
    let drains = async {
        let mut session = match Session::of_last_drain(target, agents).await {
            Ok(session) => session,
            Err(error) => return Drained::failed(&error),
        };
        loop {
            let part = end.within_next(ROUND);
            let (drained, pulled) = attempt(&mut session, config, receivers, part).await;
            if drained.tally.writes_failed.total() > 0 {
                session.wait_longer();
            }
            let next = progress.after(&drained, pulled.as_ref().err());
            total.merge(drained);
            match (next, pulled) {
                (Next::Pull(pause), _) if end.writes.left() > pause + LEAST_ROUND => {
                    sleep(pause).await;
                    continue;
                }
                (Next::Gone, _) => progress.report_gone(&mut total),
                // Time is over. Whoever held the lease all along has drained the agent.
                (Next::Pull(_), _) if progress.met && progress.failures == 0 => {
                    info!("the agent still runs; a later event goes on");
                }
                (_, Err(error)) => {
                    total.fail(&error);
                    total.failed = true;
                }
                (_, Ok(())) => {}
            }
            return total;
        }
    };
    survive(drains).instrument(span).await
}

/// How far the drain has come.
#[derive(Debug, Default)]
struct Progress {
    /// The agent has answered.
    met: bool,
    /// The agent has said that it is stopping.
    stopping: bool,
    /// Drains in a row that brought nothing.
    idle: u32,
    /// Failures in a row.
    failures: u32,
}

/// What to do after a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another, after a pause.
    Pull(Duration),
    /// Nothing: the agent has ended.
    Gone,
    /// Nothing: the agent could never be had.
    GiveUp,
}

impl Progress {
    fn after(&mut self, drained: &Drained, error: Option<&AgentError>) -> Next {
        self.met |= drained.tally.agents > 0;
        self.stopping |= drained.stopping;
        self.idle = if drained.tally.records > 0 { 0 } else { self.idle + 1 };
        let Some(error) = error else {
            self.failures = 0;
            return Next::Pull(pause(self.idle));
        };
        let has_ended = has_ended(error);
        match error {
            AgentError::Refused(refusal) if refusal.code == RefusalCode::OtherTask => return Next::Gone,
            AgentError::Refused(refusal) if is_passing(refusal.code) => return Next::Pull(pause(self.idle)),
            _ if has_ended && self.stopping => return Next::Gone,
            _ => self.failures += 1,
        }
        match self.failures {
            ..MAX_FAILURES => Next::Pull(pause(self.failures)),
            _ if has_ended => Next::Gone, // and is not being started again
            // It has answered before and may do so again, before a repeated event would come.
            _ if self.met => Next::Pull(pause(self.failures)),
            _ => Next::GiveUp,
        }
    }

    /// Most events come more than once: it is no failure to find that an earlier drain has done all.
    fn report_gone(&self, total: &mut Drained) {
        info!(met = self.met, stopping = self.stopping, "the agent has ended");
        if !self.met {
            total.tally.tasks_skipped.add("gone", 1);
        }
    }
}

/// Nobody listens where the agent did.
fn has_ended(error: &AgentError) -> bool {
    matches!(error, AgentError::Unreachable(error) if error.kind() == ErrorKind::ConnectionRefused)
}

/// The agent is well, but can't be pulled now: another drain is at work, as a rule.
const fn is_passing(code: RefusalCode) -> bool {
    matches!(code, RefusalCode::Leased | RefusalCode::Busy | RefusalCode::IdentityUnknown)
}

/// After `in_vain` drains in a row that brought nothing.
fn pause(in_vain: u32) -> Duration {
    PAUSE.saturating_mul(2u32.saturating_pow(in_vain.saturating_sub(1))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use siphon_core::wire::Refusal;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn refused(code: RefusalCode) -> AgentError {
        AgentError::Refused(Refusal { code, message: String::new() })
    }

    fn closed() -> AgentError {
        AgentError::Unreachable(ErrorKind::ConnectionRefused.into())
    }

    fn page(records: u64, stopping: bool) -> Drained {
        let mut drained = Drained { stopping, ..Drained::default() };
        (drained.tally.agents, drained.tally.records) = (1, records);
        drained
    }

    #[test]
    fn pulls_are_a_second_apart_and_fewer_while_nothing_comes() {
        let mut progress = Progress::default();
        let mut pause = |records| progress.after(&page(records, false), None);
        let pauses = [3, 0, 0, 0, 0, 0, 1, 0].map(&mut pause);
        assert_eq!(pauses, [1, 1, 2, 4, 5, 5, 1, 1].map(|n| Next::Pull(n * SECOND)));
    }

    #[test]
    fn an_agent_that_was_stopping_and_refuses_connections_has_ended() {
        let mut progress = Progress::default();
        progress.after(&page(3, true), None);
        assert_eq!(progress.after(&Drained::default(), Some(&closed())), Next::Gone);
    }

    #[test]
    fn one_that_was_not_may_be_started_again_for_a_while() {
        let mut progress = Progress::default();
        progress.after(&page(3, false), None);
        let after: Vec<_> = (0..4).map(|_| progress.after(&Drained::default(), Some(&closed()))).collect();
        let pulls = [1, 2, 4].map(|n| Next::Pull(n * SECOND));
        assert_eq!(after, [&pulls[..], &[Next::Gone]].concat());
    }

    #[test]
    fn a_lease_of_another_drain_is_waited_for_as_long_as_there_is_time() {
        let mut progress = Progress::default();
        for _ in 0..100 {
            let next = progress.after(&Drained::default(), Some(&refused(RefusalCode::Leased)));
            assert!(matches!(next, Next::Pull(pause) if pause <= LONGEST_PAUSE), "{next:?}");
        }
    }

    #[test]
    fn another_task_at_the_address_ends_it() {
        let mut progress = Progress::default();
        assert_eq!(progress.after(&Drained::default(), Some(&refused(RefusalCode::OtherTask))), Next::Gone);
    }

    #[test]
    fn an_agent_that_never_answered_is_given_up_and_one_that_did_is_asked_on() {
        for error in [
            AgentError::Timeout,
            refused(RefusalCode::BadSignature),
            AgentError::Unreachable(ErrorKind::HostUnreachable.into()),
        ] {
            let pulls = [1, 2, 4].map(|n| Next::Pull(n * SECOND));
            let mut progress = Progress::default();
            let mut fail = || progress.after(&Drained::default(), Some(&error));
            let never_met: Vec<_> = (0..4).map(|_| fail()).collect();
            assert_eq!(never_met, [&pulls[..], &[Next::GiveUp]].concat(), "{error}");

            let mut progress = Progress::default();
            progress.after(&page(1, true), None);
            let mut fail = || progress.after(&Drained::default(), Some(&error));
            let met: Vec<_> = (0..60).map(|_| fail()).collect();
            assert_eq!(met[..3], pulls, "{error}");
            assert!(met[3..].iter().all(|next| *next == Next::Pull(5 * SECOND)), "{error}: {met:?}");
        }
    }
}
