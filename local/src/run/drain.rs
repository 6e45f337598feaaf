//! The end of a run: signals, and stopping everything in an order that loses nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Outcome, start::Running};
use crate::terminal::Terminal;

/// For the last customers.
const SHOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than applications have for their last exports, and agents as their grace.
const TASKS_TIMEOUT: Duration = Duration::from_secs(45);
/// For scrapes that are under way when the last agent has ended.
const SCRAPES_TIMEOUT: Duration = Duration::from_secs(5);
const FUNCTIONS_TIMEOUT: Duration = Duration::from_secs(5);

/// Ctrl-C, and what a shell or supervisor sends.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("can't listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Until a signal comes or `limit` is over.
    pub(super) async fn wait(&mut self, limit: Option<Duration>) {
        match limit {
            None => self.any().await,
            Some(limit) => {
                let _ = tokio::time::timeout(limit, self.any()).await; // either is an end
            }
        }
    }
}

/// Closes the shop, stops the tasks, which drains them, and then the functions. At a second signal, what still runs is killed.
pub(super) async fn drain(running: Running, terminal: &Arc<Terminal>, signals: &mut Signals) -> Outcome {
    terminal.say("Stopping: the shop closes, the tasks are stopped and drained. Ctrl-C again kills.");
    let guard = Arc::clone(&running.guard);
    let outcome = tokio::select! {
        () = stop(running, terminal) => Outcome::Complete,
        () = signals.any() => Outcome::Incomplete,
    };
    guard.finish();
    outcome
}

async fn stop(running: Running, terminal: &Terminal) {
    let Running {
        close_shop,
        stop_tasks,
        stop_functions,
        every,
        shop,
        tasks,
        events,
        functions,
        clock,
        source,
        ..
    } = running;
    let _ = close_shop.send(true); // whoever does not listen has ended
    all(shop, SHOP_TIMEOUT, terminal, "the shop").await;
    let _ = stop_tasks.send(true);
    all(tasks, TASKS_TIMEOUT, terminal, "a task").await;

    events.end();
    let _ = every.send(None);
    let idle = async {
        let _ = clock.await;
        while source.in_flight.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(SCRAPES_TIMEOUT, idle).await; // what they do now concerns no agent any more
    let _ = stop_functions.send(true);
    all(functions, FUNCTIONS_TIMEOUT, terminal, "a function").await;
}

async fn all(
    handles: impl IntoIterator<Item = tokio::task::JoinHandle<()>>,
    limit: Duration,
    terminal: &Terminal,
    what: &str,
) {
    if tokio::time::timeout(limit, futures_util::future::join_all(handles)).await.is_err() {
        terminal.warn(&format!("{what} did not end within {limit:?}"));
    }
}
