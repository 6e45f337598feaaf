//! A run from start to summary.

mod drain;
mod foreign;
mod life;
mod ready;
mod report;
mod start;

use std::{sync::Arc, time::Duration};

use crate::{
    accounts::Accounts,
    agents::Rss,
    aws::queue::{Policy, Queue},
    binaries, clock,
    flags::Flags,
    store::Store,
    tasks::{self, Task},
    terminal::Terminal,
};

/// As the template deploys it.
const QUEUE: Policy =
    Policy { visibility: Duration::from_secs(240), retention: Duration::from_secs(300), max_receives: 1 };

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Complete,
    /// Cut short by a second Ctrl-C.
    Incomplete,
}

/// What runs, and what can be seen of it.
pub(crate) struct World {
    pub(crate) flags: Flags,
    pub(crate) tasks: Arc<Vec<Task>>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<Store>,
    pub(crate) rss: Arc<Rss>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) terminal: Arc<Terminal>,
    pub(crate) started: std::time::Instant,
}

/// Runs until told to stop, and prints the summary.
///
/// # Errors
/// Something that should run could not be started.
pub(crate) async fn run(flags: Flags) -> anyhow::Result<Outcome> {
    let terminal = Terminal::new(flags.json, flags.verbose);
    let binaries = binaries::find(flags.bin_dir.as_deref(), flags.tls)?;
    let mut signals = drain::Signals::new()?;
    let tasks = tasks::lay_out(flags.tasks, flags.metadata_url.is_some(), flags.otlp_http, clock::now())?;
    let world = Arc::new(World {
        flags,
        tasks: Arc::new(tasks),
        accounts: Arc::default(),
        store: Arc::default(),
        rss: Arc::default(),
        queue: Arc::new(Queue::new(QUEUE)),
        terminal,
        started: std::time::Instant::now(),
    });
    let running = start::start(&world, &binaries).await?;
    let status = tokio::spawn(report::show_status(Arc::clone(&world)));
    signals.wait(world.flags.seconds).await;
    let outcome = drain::drain(running, &world.terminal, &mut signals).await;
    status.abort();
    world.terminal.settle();
    report::summary(&world);
    Ok(outcome)
}
