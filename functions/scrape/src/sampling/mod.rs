//! Centralised sampling: what X-Ray says, handed over to the agents that applications ask.
//!
//! Runs beside a drain and costs it nothing but its own time: a failure is counted, and the agent goes on with what it
//! has. After a failure no call is made for a while, so that a slow X-Ray is not waited for by every agent of a shard.

mod calls;
mod rules;

use std::time::Duration;

use aws_config::SdkConfig;
use calls::{CallError, Calls};
use http::{Uri, uri::InvalidUri};
use rules::{CachedRules, Rules};
use siphon_core::{
    units::UnixMillis,
    wire::{BootId, ClientTargets, Reported, SamplingHandover, SamplingHead, SamplingStatistics},
    xray::sampling::{TargetsAnswer, reports},
};
use tokio::sync::Mutex;
use tracing::warn;

use crate::{
    agent_client::AgentClient,
    clients::HttpsClient,
    describe,
    report::Reasons,
    time::{Deadline, now},
};

/// For all calls that one agent costs.
const TIME: Duration = Duration::from_secs(3);

/// No call is made for so long after one that failed.
const PAUSE_MS: i64 = 10_000;

/// What lives as long as the execution environment.
pub struct Sampling {
    calls: Calls,
    rules: Mutex<CachedRules>,
    failed_at: Mutex<Option<UnixMillis>>,
}

/// What X-Ray has answered, for one agent.
#[derive(Default)]
struct Answers<'a> {
    /// Statistics that it has, or will never take, from the first on.
    reported: usize,
    targets: Vec<(&'a str, TargetsAnswer)>,
    rules: Option<Rules>,
    failed: Reasons,
}

impl Sampling {
    /// Calls X-Ray where `endpoint` says that a path is, with the region and credentials of `aws`; `None` if `aws` lacks
    /// either.
    ///
    /// # Errors
    /// If that is no address.
    pub fn new(
        client: &HttpsClient,
        endpoint: impl Fn(&str) -> Result<Uri, InvalidUri>,
        aws: &SdkConfig,
    ) -> Result<Option<Self>, InvalidUri> {
        let calls = Calls::new(client, endpoint, aws)?;
        Ok(calls.map(|calls| Self { calls, rules: Mutex::default(), failed_at: Mutex::default() }))
    }

    /// Reports the agent's statistics to X-Ray and hands over targets, and rules if they are other than the agent's.
    /// Gives what failed, by reason.
    pub async fn exchange(
        &self,
        mut agent: AgentClient<'_>,
        task_arn: &str,
        boot: BootId,
        head: &SamplingHead,
        deadline: Deadline,
    ) -> Reasons {
        let deadline = deadline.min(Deadline::after(TIME));
        let mut answers = self.ask(&head.statistics, deadline).await;
        let rules = answers.rules.as_ref().filter(|rules| head.rules != Some(rules.digest));
        if rules.is_none() && answers.reported == 0 {
            return answers.failed;
        }
        let targets = answers.targets.iter().map(|(client, answer)| ClientTargets {
            client_id: (*client).into(),
            documents: answer.targets.iter().map(AsRef::as_ref).collect(),
        });
        let handover = SamplingHandover {
            task_arn: task_arn.into(),
            boot,
            reported: Some(Reported { batch: head.batch, statistics: answers.reported }),
            rules: rules.map(|rules| rules.json.as_ref()),
            targets: targets.collect(),
        };
        if let Err(error) = agent.hand_over(&handover, deadline).await {
            let (reason, error) = (error.reason(), describe(&error));
            warn!(reason, error, "the agent did not take what X-Ray says of sampling");
            answers.failed.add(format!("handover_{reason}"), 1);
        }
        answers.failed
    }

    async fn ask<'a>(&self, statistics: &'a [SamplingStatistics], deadline: Deadline) -> Answers<'a> {
        let mut answers = Answers::default();
        if self.is_paused().await {
            answers.failed.add("paused", 1);
            return answers;
        }
        if let Err(error) = self.ask_all(statistics, &mut answers, deadline).await {
            let reason = error.reason();
            warn!(reason, error = describe(&error), "X-Ray says nothing of sampling");
            answers.failed.add(reason, 1);
            *self.failed_at.lock().await = Some(now());
        }
        answers
    }

    /// What was answered before an error is in `answers`.
    async fn ask_all<'a>(
        &self,
        statistics: &'a [SamplingStatistics],
        answers: &mut Answers<'a>,
        deadline: Deadline,
    ) -> Result<(), CallError> {
        let mut modified = 0.0_f64;
        for report in reports(statistics) {
            let Some(first) = report.first() else { continue };
            let answer = match self.calls.targets(report, deadline).await {
                // One of the statistics is bad. X-Ray will never take it: the next ones, and the rules, don't wait for that.
                Err(CallError::Invalid(answer)) => {
                    warn!(statistics = report.len(), answer, "X-Ray refused statistics");
                    answers.failed.add("invalid_statistics", report.len() as u64);
                    answers.reported += report.len();
                    continue;
                }
                answer => answer?,
            };
            modified = modified.max(answer.last_rule_modification);
            for refused in answer.unprocessed_statistics.iter().flatten() {
                let code = refused.error_code.as_deref().unwrap_or("unknown");
                warn!(code, rule = refused.rule_name, detail = refused.message, "X-Ray refused statistics");
                answers.failed.add(format!("unprocessed_{code}"), 1);
            }
            answers.reported += report.len();
            answers.add(&first.client_id, answer);
        }
        let mut cached = self.rules.lock().await;
        let asked = cached.refresh(&self.calls, modified, deadline).await;
        answers.rules = cached.latest(); // old ones are better than none
        asked
    }

    async fn is_paused(&self) -> bool {
        let failed_at = *self.failed_at.lock().await;
        failed_at.is_some_and(|at| (0..PAUSE_MS).contains(&now().since(at)))
    }
}

impl<'a> Answers<'a> {
    fn add(&mut self, client: &'a str, answer: TargetsAnswer) {
        match self.targets.last_mut() {
            Some((last, more)) if *last == client => more.targets.extend(answer.targets),
            _ => self.targets.push((client, answer)),
        }
    }
}
