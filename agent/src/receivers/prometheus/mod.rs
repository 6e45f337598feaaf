//! Scrapes Prometheus targets of the task, and keeps what they answer as it is, but for what repeats itself
//! ([`siphon_core::scrapes`]).
//!
//! ```text
//!   settings ───────────► targets ─► one task a target: fetch ─► Recorder ─► block ─► spool
//!   containers' labels ─┘                                          (at a pull, when full, at the end)
//! ```

mod fetch;
mod labels;
mod memory;
mod recorders;
mod target;
mod task;

use std::{
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

pub use fetch::Failure;
use log::{info, warn};
pub use recorders::Recorders;
pub use target::{Target, endpoint, list};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_local},
    time::sleep,
};

use self::{recorders::Slot, task::Scraper};
use crate::{
    agent::{Agent, now},
    logging::Throttle,
};

/// How often it is looked which containers ask to be scraped.
const LABELS_INTERVAL: Duration = Duration::from_secs(2);

/// Labels that ask for what can't be stay as they are, and the task's metadata change with each reading.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Scrapes all targets until `stop` turns true, and each once more then. The last scrapes are held
/// ([`Recorders`]): they belong into the pages that say that the agent is stopping, which end the series that they have.
pub async fn scrape(agent: Rc<Agent>, mut stop: watch::Receiver<bool>) {
    let mut targets = Targets {
        stop: stop.clone(),
        agent: Rc::clone(&agent),
        running: BTreeMap::new(),
        refusal_log: Throttle::new(REFUSAL_LOG_INTERVAL),
    };
    for target in &agent.settings.scrape_targets {
        targets.start(target.clone(), false);
    }
    let follow = async {
        if agent.settings.scrape_docker_labels {
            targets.follow_labels().await;
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = follow => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    agent.scrapes.hold(true);
    for running in targets.running.into_values() {
        let _ = running.task.await;
    }
}

/// The targets that are scraped, by `job` and `instance`.
struct Targets {
    agent: Rc<Agent>,
    stop: watch::Receiver<bool>,
    running: BTreeMap<(String, String), Running>,
    refusal_log: Throttle,
}

struct Running {
    slot: Slot,
    /// Its container's labels ask for it.
    is_labelled: bool,
    task: JoinHandle<()>,
}

impl Targets {
    fn start(&mut self, target: Target, is_labelled: bool) {
        let slot = self.agent.scrapes.open(target.described.clone());
        let key = target.key();
        let path = target.path_without_query();
        info!(job = key.0, instance = key.1, path, interval:? = target.interval; "scraping");
        let scraper = Scraper::new(Rc::clone(&self.agent), target, slot);
        let task = spawn_local(scraper.run(self.stop.clone()));
        self.running.insert(key, Running { slot, is_labelled, task });
    }

    /// Starts and ends targets as containers that ask for it come and go.
    async fn follow_labels(&mut self) {
        let mut last = bytes::Bytes::new();
        loop {
            let task = self.agent.identity.borrow().as_ref().map(|identity| identity.task.clone());
            if let Some(task) = task.filter(|task| *task != last) {
                self.follow(labels::read(&task));
                last = task;
            }
            sleep(LABELS_INTERVAL.min(self.agent.settings.sample_interval)).await;
        }
    }

    fn follow(&mut self, labelled: labels::Labelled) {
        let wanted: BTreeMap<_, _> =
            labelled.targets.into_iter().map(|target| (target.key(), target)).collect();
        let agent = &self.agent;
        self.running.retain(|key, running| {
            let stays = !running.is_labelled || wanted.contains_key(key);
            if !stays {
                info!(job = key.0, instance = key.1; "its container is gone: scraping no more");
                running.task.abort();
                agent.store_scrapes(agent.scrapes.close(running.slot, now()));
            }
            stays
        });
        let new: Vec<_> = wanted.into_iter().filter(|(key, _)| !self.running.contains_key(key)).collect();
        let room = agent.settings.scrape_max_targets.saturating_sub(self.running.len());
        let too_many = new.len().saturating_sub(room);
        for (reason, count) in [("label", labelled.refused), ("too_many", too_many)] {
            if count > 0 {
                if let Some(suppressed) = self.refusal_log.pass(Instant::now()) {
                    warn!(reason, count, suppressed; "containers ask for scrapes that can't be; see ECS_PROMETHEUS_… labels and SIPHON_SCRAPE_MAX_TARGETS");
                }
                agent.ledger.borrow_mut().refused_targets(reason, count as u64);
            }
        }
        for (_, target) in new.into_iter().take(room) {
            self.start(target, true);
        }
    }
}
