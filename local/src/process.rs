//! Child processes: started with nothing of our environment, logged to a file, killed when we end in whatever way.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use crate::{guard::Guard, terminal::Terminal};

/// For the lines that a process wrote last.
const LAST_LINES: Duration = Duration::from_millis(500);

/// One program to run, as often as it takes.
pub(crate) struct Program {
    /// Shown before its lines.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) env: Vec<(&'static str, String)>,
    /// Where its output goes, appended.
    pub(crate) log: PathBuf,
    pub(crate) guard: Arc<Guard>,
}

/// Sees each line that a program writes.
pub(crate) type Watch = Arc<dyn Fn(&str) + Send + Sync>;

/// A running program.
pub(crate) struct Process {
    child: Child,
    pid: Option<u32>,
    guard: Arc<Guard>,
    /// What it says on stdout and stderr; ends with it.
    output: Option<tokio::task::JoinHandle<()>>,
}

impl Program {
    /// Starts it in a process group of its own, so that Ctrl-C in the terminal reaches us alone and we stop it in order.
    pub(crate) fn start(&self, terminal: &Arc<Terminal>, watch: Watch) -> anyhow::Result<Process> {
        let mut child = Command::new(&self.path)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{}: can't start {}", self.name, self.path.display()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let log =
            Log { name: self.name.clone(), path: self.log.clone(), terminal: Arc::clone(terminal), watch };
        let output = tokio::spawn(async move {
            tokio::join!(log.follow(stdout), log.follow(stderr));
        });
        let (pid, guard) = (child.id(), Arc::clone(&self.guard));
        if let Some(pid) = pid {
            guard.add(pid);
        }
        Ok(Process { child, pid, guard, output: Some(output) })
    }
}

impl Process {
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end and for its last line; says how it ended.
    pub(crate) async fn wait(&mut self) -> String {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(pid) = self.pid.take() {
            self.guard.remove(pid);
        }
        if let Some(output) = &mut self.output {
            // A grandchild that holds the pipe must not hold us.
            let _ = tokio::time::timeout(LAST_LINES, &mut *output).await;
            self.output = None;
        }
        how
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let pid =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // gone already is fine
        }
    }

    /// Ends it now.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.start_kill(); // gone already is fine
    }
}

struct Log {
    name: String,
    path: PathBuf,
    terminal: Arc<Terminal>,
    watch: Watch,
}

impl Log {
    async fn follow(&self, output: Option<impl AsyncRead + Unpin>) {
        let Some(output) = output else { return };
        let mut file = open(&self.path).await;
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(file) = &mut file {
                let _ = file.write_all(format!("{line}\n").as_bytes()).await; // a full disk must not stop the run
            }
            (self.watch)(&line);
            if is_error(&line) {
                self.terminal.warn(&format!("{}: {line}", self.name));
            } else {
                self.terminal.detail(&format!("{}: {line}", self.name));
            }
        }
    }
}

async fn open(path: &Path) -> Option<tokio::fs::File> {
    tokio::fs::OpenOptions::new().create(true).append(true).open(path).await.ok()
}

/// Whether a line of an agent (text) or a function (JSON) is of level ERROR, or a panic.
fn is_error(line: &str) -> bool {
    line.contains("\"level\":\"ERROR\"") || line.starts_with("ERROR ") || line.contains("panicked at")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_log_formats_are_seen() {
        assert!(is_error(r#"{"timestamp":"t","level":"ERROR","fields":{"message":"no"}}"#));
        assert!(is_error("ERROR record lost; raise SIPHON_SPOOL_MAX_BYTES"));
        assert!(is_error("thread 'main' panicked at src/main.rs:1:1:"));
        assert!(!is_error(r#"{"level":"INFO","fields":{"message":"no ERRORS"}}"#));
    }
}
