//! Samples the task: reads `/task` and `/task/stats` of the metadata endpoint at each tick.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use log::{info, warn};
use siphon_core::wire::{Kind, Reading};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::metadata::{Endpoint, Failure};
use crate::agent::{Agent, Identity};

/// Both answers must be there by then.
const READING_TIMEOUT: Duration = Duration::from_secs(5);

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
        }
    };
    tokio::select! {
        () = readings => {}
        // A reading under way is given up: the last one is better.
        _ = stop.wait_for(|stop| *stop) => {}
    }
    sampler.read().await;
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
