//! Samples the task: reads `/task` and `/task/stats` of the metadata endpoint at each tick, and when containers end
//! while the agent is stopping.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use bytes::Bytes;
use log::{debug, info, warn};
use siphon_core::wire::{Kind, Reading};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::metadata::{self, Endpoint, Failure};
use crate::agent::{Agent, Identity};

/// Both answers must be there by then.
const READING_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a stopping agent looks whether containers have ended.
const ENDS_INTERVAL: Duration = Duration::from_secs(1);

/// Takes a reading at once, then at each tick, and a last one when `stop` turns true. Readings never overlap, and a
/// tick that comes late is skipped.
pub async fn sample(agent: Rc<Agent>, endpoint: Endpoint, mut stop: watch::Receiver<bool>) {
    let mut sampler = Sampler { agent: &agent, endpoint: &endpoint, trouble: None };
    let mut ticks = interval(agent.settings.sample_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let readings = async {
        loop {
            ticks.tick().await;
            sampler.read().await;
            sampler.know_itself().await;
        }
    };
    tokio::select! {
        () = readings => {}
        // A reading under way is given up: the last one is better.
        _ = stop.wait_for(|stop| *stop) => {}
    }
    sampler.read().await;
}

/// Takes a further reading each time that another container of the task has ended, until all have: only then the endpoint
/// tells how.
pub async fn see_ends(agent: Rc<Agent>, endpoint: Endpoint) {
    let mut sampler = Sampler { agent: &agent, endpoint: &endpoint, trouble: None };
    let known = agent.identity.borrow().as_ref().map(|identity| identity.task.clone()).unwrap_or_default();
    let mut running = sampler.running(&known);
    while !running.is_empty() {
        sleep(ENDS_INTERVAL.min(agent.settings.sample_interval)).await;
        let Ok((task, _)) = endpoint.task(Instant::now() + READING_TIMEOUT).await else { continue };
        let still = sampler.running(&task);
        if !running.is_subset(&still) {
            sampler.read().await;
        }
        running = still;
    }
}

struct Sampler<'a> {
    agent: &'a Agent,
    endpoint: &'a Endpoint,
    /// The failure that was last logged, if the endpoint has not recovered since: which answer and why.
    trouble: Option<(&'static str, String)>,
}

impl Sampler<'_> {
    async fn read(&mut self) {
        let deadline = Instant::now() + READING_TIMEOUT;
        let (task, arn) = match self.endpoint.task(deadline).await {
            Ok(answer) => answer,
            Err(failure) => return self.failed("task", &failure),
        };
        let task = Bytes::from(task);
        self.agent.identify(Identity { arn, task: task.clone() });
        match self.endpoint.stats(deadline).await {
            Ok(stats) => self.store(&task, &stats),
            Err(failure) => self.failed("stats", &failure),
        }
    }

    /// Asks once which container this is. Pulls don't wait for it.
    async fn know_itself(&self) {
        if self.agent.container.borrow().is_some() || self.agent.identity.borrow().is_none() {
            return;
        }
        match self.endpoint.own_id(Instant::now() + READING_TIMEOUT).await {
            Ok(id) => *self.agent.container.borrow_mut() = Some(id),
            Err(error) => debug!(error:%; "the own container is not known yet"),
        }
    }

    /// Which other containers of the task run.
    fn running(&self, task: &[u8]) -> BTreeSet<String> {
        let own = self.agent.container.borrow();
        metadata::running(task, own.as_deref().unwrap_or_else(|| self.endpoint.container()))
    }

    fn store(&mut self, task: &[u8], stats: &[u8]) {
        self.agent.store(Kind::Ecs, &Reading::encode(task, stats), 1);
        if self.trouble.take().is_some() {
            info!("metadata endpoint is well again");
        }
    }

    fn failed(&mut self, answer: &'static str, failure: &Failure) {
        self.agent.ledger.borrow_mut().failed_reading(answer, failure);
        let trouble = (answer, cause(failure));
        if self.trouble.as_ref() != Some(&trouble) {
            warn!(answer, error:% = failure; "reading lost; the next tick tries again");
            self.trouble = Some(trouble);
        }
    }
}

/// What makes two failures the same to a reader of the log.
fn cause(failure: &Failure) -> String {
    match failure {
        Failure::Status(status) => status.to_string(),
        other => other.reason().to_owned(),
    }
}
