//! A real agent process of a task.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use siphon_core::wire::Count;
use siphon_tests::{
    KEY,
    process::{Process, command},
    programs,
};
use tokio::time::sleep;

use crate::{
    datagrams::UdpPorts,
    exposed,
    metadata::{Metadata, arn},
    process::peak_bytes,
    proxy::Upstream,
    sender::Habit,
    world,
};

/// Of what an agent makes by itself.
const INTERVAL: &str = "500ms";

/// What the agents of a schedule are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// In memory, or on disk.
    pub(crate) spool_bytes: u64,
    pub(crate) grace: Duration,
    /// The spool outlives the agent, for the next of its task.
    pub(crate) is_on_disk: bool,
}

/// The largest OTLP body.
const BODY_BYTES: u64 = 64 << 10;
/// Code, stacks and what an idle agent has resident.
const IDLE_BYTES: u64 = 3 << 20;
/// What the latest text of the target may take, and what was not pulled.
const SCRAPE_BYTES: u64 = 1 << 20;
/// While a block is deflated.
const DEFLATE_BYTES: u64 = 512 << 10;
/// StatsD's two series, and the datagrams that wait while one is read.
const DATAGRAMS_BYTES: u64 = 256 << 10;
/// The largest page.
const PAGE_BYTES: u64 = 2 << 20;
/// What 32 connections may hold; the suite never opens more.
const CONNECTIONS_BYTES: u64 = 32 * (16 << 10);

impl Settings {
    /// What an agent may have resident, by the account in `agent/src/lib.rs`.
    const fn ceiling(self, inputs: Inputs) -> u64 {
        let bodies = BODY_BYTES + (1 << 20) + 3 * BODY_BYTES;
        let spool = if self.is_on_disk { 0 } else { self.spool_bytes };
        let scrapes = if inputs.target.is_some() { SCRAPE_BYTES + DEFLATE_BYTES } else { 0 };
        let datagrams = if inputs.has_datagrams { DATAGRAMS_BYTES } else { 0 };
        IDLE_BYTES + spool + bodies + scrapes + datagrams + PAGE_BYTES + CONNECTIONS_BYTES
    }
}

/// What an agent takes beside OTLP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs {
    /// Of X-Ray SDKs and StatsD clients.
    pub(crate) has_datagrams: bool,
    /// What it scrapes.
    pub(crate) target: Option<SocketAddr>,
}

impl Inputs {
    /// All that an application of this habit has. `id` is its own alone.
    pub(crate) async fn of(habit: Habit, id: &str) -> Self {
        let target = if habit.is_exposed { Some(exposed::start(id.to_owned()).await) } else { None };
        Self { has_datagrams: habit.has_datagrams, target }
    }
}

/// Killed when dropped.
pub(crate) struct Agent {
    process: Process,
    settings: Settings,
    inputs: Inputs,
    /// Where it takes OTLP.
    pub(crate) otlp: SocketAddr,
    /// Where it takes datagrams, if it does.
    pub(crate) udp: Option<UdpPorts>,
    pub(crate) upstream: Arc<Upstream>,
    /// It was told to stop.
    is_stopping: bool,
}

impl Agent {
    /// Starts one of task number `task`, and waits until it knows its task. `name` is that of its log.
    pub(crate) async fn start(
        name: &str,
        task: u32,
        metadata: Metadata,
        settings: Settings,
        inputs: Inputs,
        logs: &Path,
    ) -> Self {
        // Of its own: whoever still sends to an agent that has ended must not reach the next one.
        let ip = world::address();
        let local = format!("{ip}:0");
        // X-Ray's takes one port twice, for UDP and TCP: a random one may be free for the former alone.
        let udp = |port| if inputs.has_datagrams { format!("{ip}:{port}") } else { "off".to_owned() };
        let mut program = command(programs::agent());
        program
            .env("SIPHON_KEY", KEY)
            .env("SIPHON_SAMPLE_INTERVAL", INTERVAL)
            .env("SIPHON_SPOOL_MAX_BYTES", settings.spool_bytes.to_string())
            .env("SIPHON_OTLP_MAX_BODY_BYTES", BODY_BYTES.to_string())
            .env("SIPHON_DELTA_MAX_SERIES", "0")
            .env("SIPHON_OTLP_HTTP_ADDRESS", &local)
            .env("SIPHON_OTLP_GRPC_ADDRESS", "off")
            .env("SIPHON_STATSD_ADDRESS", udp(8125))
            .env("SIPHON_STATSD_INTERVAL", INTERVAL)
            .env("SIPHON_XRAY_ADDRESS", udp(2000))
            .env("SIPHON_SCRAPE_MEMORY_BYTES", SCRAPE_BYTES.to_string())
            .env("SIPHON_SCRAPE_MAX_BODY_BYTES", "16384")
            .env("SIPHON_METRICS_ADDRESS", "off")
            .env("SIPHON_PULL_ADDRESS", &local)
            .env("SIPHON_GRACE", format!("{}ms", settings.grace.as_millis()))
            .env("ECS_CONTAINER_METADATA_URI_V4", metadata.url(task));
        if let Some(target) = inputs.target {
            program.env("SIPHON_SCRAPE_TARGETS", format!("http://{target};job=faults;interval={INTERVAL}"));
        }
        if settings.is_on_disk {
            let spool = logs.join(format!("spool-of-task-{task}"));
            fs::create_dir_all(&spool).unwrap();
            program.env("SIPHON_SPOOL_DIR", spool);
            program.env("SIPHON_SPOOL_DISK_MAX_BYTES", settings.spool_bytes.to_string());
        }
        let mut process = Process::start(name, &mut program, logs);
        let begun = Instant::now();
        let log = loop {
            let log = process.log();
            if log.contains(&arn(task)) {
                break log;
            }
            assert_eq!(process.ended(), None, "{name} ended at its start:\n{log}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} does not know its task:\n{log}");
            sleep(Duration::from_millis(2)).await;
        };
        let pull = address(&log, "answering pulls");
        Self {
            process,
            settings,
            inputs,
            otlp: address(&log, "receiver=otlp_http"),
            udp: inputs.has_datagrams.then(|| UdpPorts {
                xray: address(&log, "receiver=xray "),
                statsd: address(&log, "receiver=statsd "),
            }),
            upstream: Arc::new(Upstream { address: pull, view: Mutex::default() }),
            is_stopping: false,
        }
    }

    /// SIGTERM, as of ECS; once, since a second one would end it at once.
    pub(crate) fn stop(&mut self) {
        if !self.is_stopping && !self.has_ended() {
            self.process.signal("TERM");
        }
        self.is_stopping = true;
    }

    /// SIGKILL. Returns when it has ended.
    pub(crate) fn kill(&mut self) {
        if !self.has_ended() {
            self.process.signal("KILL");
            self.process.wait();
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// The counters in its last words; `None` if it was not given any.
    pub(crate) fn last_ledger(&self) -> Option<Vec<Count>> {
        let log = self.process.log();
        let line = log.lines().rev().find_map(|line| line.split_once("ledger ").map(|(_, json)| json))?;
        serde_json::from_str(line).ok()
    }

    /// That it has ever had more resident than its settings allow. Nothing can be said of an agent that has ended.
    pub(crate) fn excess(&self) -> Option<String> {
        let peak = peak_bytes(self.process.id())?;
        let ceiling = self.settings.ceiling(self.inputs);
        (peak > ceiling).then(|| format!("{peak} bytes were resident; its settings allow {ceiling}"))
    }
}

/// The address in the log line that says `text`.
fn address(log: &str, text: &str) -> SocketAddr {
    let line = log.lines().find(|line| line.contains(text));
    let address = line.and_then(|line| line.split(' ').find_map(|word| word.strip_prefix("address=")));
    address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{text} is nowhere in:\n{log}"))
}
