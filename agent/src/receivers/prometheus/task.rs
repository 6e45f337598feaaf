//! One target: scraped at each tick, and once more at the end.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    time::Duration,
};

use log::{info, warn};
use siphon_core::scrapes::{Outcome, Scrape};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    fetch::{Failure, fetch},
    recorders::Slot,
    target::Target,
};
use crate::agent::{Agent, now};

/// The last scrape of a target takes no longer: the agent has to be drained yet.
const LAST_SCRAPE_TIMEOUT: Duration = Duration::from_secs(3);

/// Scrapes one target. Scrapes never overlap, and a tick that comes late is skipped.
pub(super) struct Scraper {
    agent: Rc<Agent>,
    target: Target,
    slot: Slot,
    /// The failure that was last logged, if the target has not recovered since.
    trouble: Option<String>,
}

impl Scraper {
    pub(super) const fn new(agent: Rc<Agent>, target: Target, slot: Slot) -> Self {
        Self { agent, target, slot, trouble: None }
    }

    /// Scrapes until `stop` turns true, and once more then.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval_at(Instant::now() + self.offset(), self.target.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let timeout = self.target.timeout;
        let scrapes = async {
            loop {
                ticks.tick().await;
                self.scrape(timeout).await;
            }
        };
        tokio::select! {
            () = scrapes => {}
            // A scrape under way is given up: the last one is better.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.scrape(timeout.min(LAST_SCRAPE_TIMEOUT)).await;
    }

    /// When in the interval it is scraped: targets of one task, and tasks, take different turns.
    fn offset(&self) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.agent.boot.0, self.target.key()).hash(&mut hasher);
        let interval = u64::try_from(self.target.interval.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(hasher.finish() % interval)
    }

    async fn scrape(&mut self, timeout: Duration) {
        let (at, begun) = (now(), Instant::now());
        let mut share = self.agent.scrapes.share();
        let limit = self.agent.settings.scrape_max_body_bytes;
        let fetched = fetch(&self.target, timeout, limit, &mut share).await;
        self.report(fetched.as_ref().err());
        let outcome = fetched.map_or(Outcome::Failed, |(format, text)| Outcome::Text(format, text));
        let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let complete = self.agent.scrapes.add(self.slot, Scrape { at, duration_us, outcome }, share);
        self.agent.store_scrapes(complete);
    }

    fn report(&mut self, failure: Option<&Failure>) {
        let (job, instance) = (self.target.described.job.as_str(), self.target.described.instance.as_str());
        let trouble = failure.map(ToString::to_string);
        if let Some(failure) = failure {
            self.agent.ledger.borrow_mut().failed_scrape(failure);
        }
        match (&trouble, &self.trouble) {
            (Some(error), last) if last.as_ref() != Some(error) => {
                warn!(job, instance, error:%; "scrape failed; the next one tries again");
            }
            (None, Some(_)) => info!(job, instance; "target is up again"),
            _ => {}
        }
        self.trouble = trouble;
    }
}
