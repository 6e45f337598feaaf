//! The agents' processes: one a task, started again when they die, stopped by SIGTERM and drained.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use siphon_core::wire::Count;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    accounts::Accounts,
    guard::Guard,
    lock,
    process::{Process, Program, Watch},
    tasks::Task,
    terminal::Terminal,
    tls,
};

/// How long an agent serves on after SIGTERM, at most.
const GRACE: Duration = Duration::from_secs(25);
/// After its grace an agent ends by itself.
const KILL_AFTER: Duration = Duration::from_secs(27);
/// Where an agent tells its own metrics.
const METRICS_PORT: u16 = 8888;
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Starts and stops the agents.
pub(crate) struct Agents {
    pub(crate) binary: PathBuf,
    /// Of this run: every agent's `SIPHON_KEY`.
    pub(crate) key: String,
    /// Whether they show a certificate.
    pub(crate) tls: bool,
    pub(crate) sample_interval: Duration,
    pub(crate) logs: PathBuf,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) terminal: Arc<Terminal>,
    pub(crate) rss: Arc<Rss>,
    pub(crate) guard: Arc<Guard>,
}

/// The largest resident set that any agent had, and the latest of all.
#[derive(Default)]
pub(crate) struct Rss {
    peak: AtomicU64,
    latest: Mutex<Vec<u64>>,
    started: AtomicUsize,
}

impl Rss {
    pub(crate) fn peak(&self) -> Option<u64> {
        Some(self.peak.load(Ordering::Relaxed)).filter(|peak| *peak > 0)
    }

    /// Agents that were seen running.
    pub(crate) fn agents(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    /// The resident set of task `index`'s agent.
    pub(crate) fn of(&self, index: usize) -> u64 {
        lock(&self.latest).get(index).copied().unwrap_or_default()
    }

    fn observe(&self, index: usize, resident: Resident) {
        self.peak.fetch_max(resident.peak, Ordering::Relaxed);
        let mut latest = lock(&self.latest);
        if latest.len() <= index {
            latest.resize(index + 1, 0);
        }
        if let Some(bytes) = latest.get_mut(index) {
            if *bytes == 0 {
                self.started.fetch_add(1, Ordering::Relaxed);
            }
            *bytes = resident.now;
        }
    }
}

/// A process' resident set in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resident {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

/// By `/proc/PID/status`: `VmRSS` and `VmHWM`. None if the process is gone or the system is not Linux.
pub(crate) fn resident(pid: u32) -> Option<Resident> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    Some(Resident { now: field("VmRSS:")?, peak: field("VmHWM:")? })
}

impl Agents {
    /// Starts the agent of `task`, which lasts until `stop` says so and it is drained.
    ///
    /// # Errors
    /// It can't be started at all.
    pub(crate) fn start(
        self: &Arc<Self>,
        tasks: &Arc<Vec<Task>>,
        index: usize,
        metadata_uri: &str,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let Some(task) = tasks.get(index) else { anyhow::bail!("no task {index}") };
        let program = Program {
            name: format!("agent {}", task.name()),
            path: self.binary.clone(),
            env: self.env(task, metadata_uri),
            log: self.logs.join(format!("agent-{}.log", task.name())),
            guard: Arc::clone(&self.guard),
        };
        let (agents, tasks) = (Arc::clone(self), Arc::clone(tasks));
        let accounted = Arc::new(AtomicBool::new(false));
        let watch = agents.watch_ledger(&tasks, index, &accounted);
        let mut process = program.start(&agents.terminal, Arc::clone(&watch))?;
        Ok(tokio::spawn(async move {
            let Some(task) = tasks.get(index) else { return };
            loop {
                let told = agents.attend(task, &mut process, &mut stop).await;
                if !accounted.swap(false, Ordering::Relaxed) {
                    agents.accounts.no_ledger();
                }
                if told {
                    break;
                }
                match agents.restart(&program, &watch, &mut stop).await {
                    Some(started) => process = started,
                    None => break,
                }
            }
            task.agent_pid.store(0, Ordering::Relaxed);
        }))
    }

    fn env(&self, task: &Task, metadata_uri: &str) -> Vec<(&'static str, String)> {
        let mut env = vec![
            ("SIPHON_KEY", self.key.clone()),
            ("SIPHON_SAMPLE_INTERVAL", format!("{}ms", self.sample_interval.as_millis())),
            ("SIPHON_STATSD_INTERVAL", format!("{}ms", self.sample_interval.as_millis())),
            ("SIPHON_RECEIVER_HOST", task.address.to_string()),
            ("SIPHON_OTLP_HTTP_ADDRESS", task.otlp.to_string()),
            ("SIPHON_METRICS_ADDRESS", format!("{}:{METRICS_PORT}", task.address)),
            ("SIPHON_PULL_ADDRESS", task.pull().to_string()),
            ("SIPHON_GRACE", format!("{}s", GRACE.as_secs())),
            ("ECS_CONTAINER_METADATA_URI_V4", metadata_uri.to_owned()),
        ];
        if self.tls {
            env.extend(tls::of_agents());
        }
        env
    }

    /// Sees the ledger that the agent logs when it ends.
    fn watch_ledger(&self, tasks: &Arc<Vec<Task>>, index: usize, accounted: &Arc<AtomicBool>) -> Watch {
        let (accounts, tasks) = (Arc::clone(&self.accounts), Arc::clone(tasks));
        let accounted = Arc::clone(accounted);
        Arc::new(move |line| {
            let Some(counts) = ledger(line) else { return };
            accounted.store(true, Ordering::Relaxed);
            let identity = tasks.get(index).and_then(Task::identity);
            // A task that nobody knows is never pulled: all that its agent took is missing.
            let arn = identity.map_or_else(|| format!("unknown task {index}"), |identity| identity.arn);
            accounts.final_ledger(&arn, &counts);
        })
    }

    /// Starts an agent anew, as often as it takes; `None` if it is told to stop before that.
    async fn restart(
        &self,
        program: &Program,
        watch: &Watch,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Process> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RESTART_AFTER) => {}
                _ = stop.changed() => return None,
            }
            match program.start(&self.terminal, Arc::clone(watch)) {
                Ok(process) => return Some(process),
                Err(error) => self.terminal.warn(&format!("{error:#}")),
            }
        }
    }

    /// Watches an agent until it has ended. True: because it was told to.
    async fn attend(&self, task: &Task, process: &mut Process, stop: &mut watch::Receiver<bool>) -> bool {
        let mut look = tokio::time::interval(Duration::from_millis(250));
        let pid = process.id().unwrap_or_default();
        task.agent_pid.store(pid, Ordering::Relaxed);
        let mut told = false;
        let kill = tokio::time::sleep(Duration::from_secs(u64::from(u32::MAX)));
        tokio::pin!(kill);
        loop {
            tokio::select! {
                how = process.wait() => {
                    if !told {
                        self.terminal.warn(&format!("the agent of {} ended ({how}) and is started again", task.name()));
                    } else if how != "exit status: 0" {
                        self.terminal.warn(&format!("the agent of {} ended with {how}", task.name()));
                    }
                    return told;
                }
                _ = look.tick() => {
                    if let Some(resident) = resident(pid) {
                        self.rss.observe(task.index, resident);
                    }
                }
                _ = stop.changed(), if !told => {
                    told = true;
                    process.terminate();
                    kill.as_mut().reset(tokio::time::Instant::now() + KILL_AFTER);
                }
                () = &mut kill => {
                    self.terminal.warn(&format!("the agent of {} did not end in time and is killed", task.name()));
                    process.kill();
                    kill.as_mut().reset(tokio::time::Instant::now() + KILL_AFTER);
                }
            }
        }
    }
}

/// The counts in an agent's last words: `… ledger [{"event":…},…]`.
fn ledger(line: &str) -> Option<Vec<Count>> {
    let (_, json) = line.split_once("ledger ")?;
    serde_json::from_str(json.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_line_is_read_and_no_other() {
        let line = r#"2026-11-20T10:00:00Z INFO ledger [{"event":"accepted_items","kind":"ecs","value":3}]"#;
        let counts = ledger(line).unwrap();
        assert_eq!((counts[0].kind.as_ref(), counts[0].value), ("ecs", 3));
        assert_eq!(ledger("INFO the ledger is full"), None);
    }

    #[test]
    fn resident_memory_has_a_peak() {
        let resident = resident(std::process::id()).unwrap();
        assert!(resident.now > 0 && resident.peak >= resident.now);
        assert_eq!(super::resident(0), None);
    }
}
