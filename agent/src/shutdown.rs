//! The end: a signal, the last reading, serving on until drained or out of grace, and meanwhile a reading each time that
//! another container ends. Receivers close before the pull port does: what they took last is drained too.

use std::{io, rc::Rc, time::Duration};

use log::{info, warn};
use siphon_core::statsd::Flush;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::{JoinHandle, spawn_local},
    time::timeout,
};

use crate::{agent::Agent, receivers::ecs};

/// ECS tells all containers to stop at once. For so long even a drained agent stays while others run, for their last
/// words and exit codes.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the answers in hand get when a server closes.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Servers that close together.
pub struct Servers {
    close: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

impl Servers {
    /// Servers that run, each of which ends when what `close` sends turns true.
    #[must_use]
    pub const fn new(close: watch::Sender<bool>, running: Vec<JoinHandle<()>>) -> Self {
        Self { close, running }
    }

    /// Closes them. Returns when the answers in hand are given, or have had their time.
    pub async fn close(&mut self) {
        let _ = self.close.send(true);
        let ended = async {
            while let Some(server) = self.running.pop() {
                let _ = server.await;
            }
        };
        let _ = timeout(LAST_ANSWERS, ended).await;
    }
}

/// SIGTERM, as ECS sends it, and SIGINT, as a terminal does.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the operating system refuses that.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// After the first signal: returns when a reading is taken, the other containers have ended or had time for last words, and
/// everything is acknowledged; when the grace is over; or at a second signal. What arrives meanwhile is still taken, until
/// all is acknowledged: then `receivers` close, and what they have taken in that moment is waited for too.
pub async fn drain(
    agent: &Rc<Agent>,
    signals: &mut Signals,
    stop_sampling: &watch::Sender<bool>,
    sampler: JoinHandle<()>,
    receivers: &mut Servers,
) {
    let _ = stop_sampling.send(true);
    let drained = async {
        let _ = sampler.await;
        // At once, so that the pages of a stopping agent have all series, which its end is marked on.
        agent.flush(Flush::All);
        agent.stopping.set(true);
        agent.scrapes.hold(false);
        agent.seal_scrapes();
        if let Some(endpoint) = agent.settings.metadata.clone() {
            let ends = spawn_local(ecs::see_ends(Rc::clone(agent), endpoint));
            let _ = timeout(LAST_WORDS, ends).await; // it goes on while records are to be handed out
        }
        agent.drained().await;
        receivers.close().await;
        agent.drained().await;
    };
    tokio::select! {
        done = timeout(agent.settings.grace, drained) => match done {
            Ok(()) => info!("drained; goodbye"),
            Err(_) => report_rest(agent, "grace is over"),
        },
        signal = signals.next() => report_rest(agent, signal),
    }
}

fn report_rest(agent: &Agent, why: &'static str) {
    agent.flush(Flush::Changed);
    let records = agent.spool.borrow().records();
    if records == 0 {
        info!(why; "stopping; nothing is left");
    } else if let Some(dir) = &agent.settings.spool_dir {
        warn!(why, records, dir:% = dir.display(); "stopping with records that nobody has acknowledged; the next start finds them");
    } else {
        warn!(why, records; "stopping with records that nobody has acknowledged; they are lost");
    }
}
