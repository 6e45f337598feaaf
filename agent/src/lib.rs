//! Siphon's agent: the sidecar of a task. It samples the task, receives OTLP and X-Ray segments, buffers all as received,
//! adds StatsD up, and hands all out to whoever proves the shared key. It needs no AWS credentials, makes no connection but
//! to the task metadata endpoint and the targets that it is told to scrape, and translates nothing; of metrics it decodes
//! delta points alone, to store what they add up to.
//!
//! ```text
//!   application ── OTLP/gRPC ──► receivers::otlp_grpc ─┐
//!               ── OTLP/HTTP ──► receivers::otlp_http ─┤
//!               ── StatsD ─────► receivers::statsd ────┤
//!               ── segments ───► receivers::xray ──────┤
//!                                                      ├─► spool ──► handout ──► pull ──► scrape (Lambda)
//!   metadata endpoint ◄── GET ── receivers::ecs ───────┤      ▲                   │
//!   Prometheus targets ◄─ GET ── receivers::prometheus ┘      └────── ack ────────┘
//! ```
//!
//! The spool lies in memory, or in files that the next agent finds (`SIPHON_SPOOL_DIR`).
//!
//! Everything runs on one thread. The memory ceiling follows from the settings: the spool unless it is on disk, OTLP
//! bodies in flight (one of the largest size and 1 MiB), for a moment what one of them is unpacked to, what protobuf its
//! JSON becomes, and what its delta points add up to (each of the largest size at most), delta series (512 bytes each on
//! average), StatsD's series (0.3 KB each as a rule, see `docs/statsd.md`), one page (2 MiB, or one record), and at most
//! 624 connections of 16 KiB and a little, for a moment more where heads of gRPC calls come together (see `net/http2.rs`);
//! and, where there are targets, what scraping may take, with half a MiB while a block is deflated; and, where sampling is
//! in use, its rules and targets (320 KiB) and a hand-over of them (384 KiB).

pub mod agent;
pub mod auth;
pub mod deltas;
pub mod handout;
pub mod health;
pub mod lease;
pub mod ledger;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod pull;
pub mod receivers;
pub mod replay;
pub mod sampling;
pub mod settings;
pub mod shutdown;
pub mod spool;

use std::{io, net::SocketAddr, rc::Rc};

use log::{info, warn};
use siphon_core::wire::BootId;
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::watch,
    task::spawn_local,
};

use crate::{
    agent::Agent,
    receivers::{Sockets, ecs, prometheus},
    settings::{PULL_ADDRESS, Settings},
    shutdown::{Servers, Signals},
};

/// The agent can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket can't be had.
    #[error("can't listen on {address}: {source}; is another process there? {setting} sets the address")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Which setting says so.
        setting: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The operating system refuses something else.
    #[error("can't start: {0}")]
    System(#[from] io::Error),
    /// The spool's directory is of no use.
    #[error(transparent)]
    Spool(#[from] spool::OpenError),
    /// No random bytes.
    #[error("can't draw a boot id: {0}")]
    Random(#[from] getrandom::Error),
}

/// Runs the agent until it is told to stop and is drained or out of grace.
///
/// # Errors
/// [`StartError`]. Once started, it runs to its end.
pub fn run(settings: Settings) -> Result<(), StartError> {
    let sockets = Sockets::bind(&settings)?;
    let pull = net::listen(settings.pull_address, PULL_ADDRESS)?;
    let [mut boot, mut seed] = [[0; 16]; 2];
    getrandom::fill(&mut boot)?;
    getrandom::fill(&mut seed)?;
    let agent = Rc::new(Agent::open(settings, BootId(boot), &seed)?);
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(serve(agent, sockets, pull))
}

async fn serve(agent: Rc<Agent>, sockets: Sockets, pull: std::net::TcpListener) -> Result<(), StartError> {
    let mut signals = Signals::listen()?;
    let (close, closing) = watch::channel(false);
    let mut receivers = Servers::new(close, sockets.serve(&agent, &closing)?);
    let (close, closing) = watch::channel(false);
    let mut servers: Vec<_> = metrics::serve(&agent, closing.clone()).into_iter().collect();
    servers.push(pull::serve(&agent, TcpListener::from_std(pull)?, closing));
    let mut others = Servers::new(close, servers);
    log_ready(&agent);
    let (stop_sampling, sampling) = watch::channel(false);
    let scrapes = prometheus::scrape(Rc::clone(&agent), sampling.clone());
    let samples = sample(Rc::clone(&agent), sampling);
    let sampler = spawn_local(async { _ = tokio::join!(samples, scrapes) });

    let signal = signals.next().await;
    info!(signal, grace:? = agent.settings.grace; "stopping: taking the last reading, then serving until drained");
    shutdown::drain(&agent, &mut signals, &stop_sampling, sampler, &mut receivers).await;
    tokio::join!(receivers.close(), others.close());
    log_ledger(&agent);
    Ok(())
}

/// The last words: what the counters stood at. Nobody pulls them any more, and they tell what a task's end has cost.
fn log_ledger(agent: &Agent) {
    if let Ok(counts) = serde_json::to_string(&agent.counts()) {
        info!("ledger {counts}");
    }
}

async fn sample(agent: Rc<Agent>, stop: watch::Receiver<bool>) {
    match agent.settings.metadata.clone() {
        Some(endpoint) => ecs::sample(agent, endpoint, stop).await,
        None => warn!(
            setting = settings::METADATA_URI;
            "no metadata endpoint is set, so the task stays unknown and no pull is answered; is this an ECS task?"
        ),
    }
}

fn log_ready(agent: &Agent) {
    let settings = &agent.settings;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        boot:% = agent.boot,
        sample_interval:? = settings.sample_interval,
        spool_max_bytes = settings.spool_max_bytes,
        otlp_max_body_bytes = settings.otlp_max_body_bytes;
        "ready"
    );
}
