//! A run of `siphon-local`: the stand-in for AWS with real agents and functions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::{
    http::{free_port, get},
    process::{Process, command, session},
    programs,
    scratch::Scratch,
    wait,
};

/// Ends, with everything that it started, when dropped.
pub struct Local {
    process: Process,
    page: String,
    _scratch: Scratch,
    _alone: MutexGuard<'static, ()>,
}

/// Two runs that start at once would choose the same loopback addresses for their tasks.
static ALONE: Mutex<()> = Mutex::new(());

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none if a signal ended it.
    pub exit_code: Option<i32>,
    /// The last line of stdout.
    pub summary: Value,
    /// Processes of the run that are still there.
    pub left: Vec<u32>,
}

impl Local {
    /// Starts it with `flags` besides `--json`. Its page, and so all the rest, is up when this returns.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = Scratch::new();
        let with_tls = flags.contains(&"--tls");
        let agent = if with_tls { programs::agent_with_tls() } else { programs::agent() };
        let (program, binaries) = programs::local(&scratch, agent);
        let address = format!("127.0.0.1:{}", free_port());
        // In a session of its own, by which everything that it starts can be found.
        let mut setsid = command("/usr/bin/setsid");
        setsid.arg(program).arg("--bin-dir").arg(binaries).args(["--json", "--page", &address]).args(flags);
        let mut process = Process::start("siphon-local", &mut setsid, scratch.path());
        let page = format!("http://{address}");
        wait::until("siphon-local's page is up", || {
            let ended = process.ended();
            assert!(ended.is_none(), "siphon-local ended at once: {ended:?}");
            get(&format!("{page}/"), &[])
        });
        Self { process, page, _scratch: scratch, _alone: alone }
    }

    /// What its page shows under `path`, such as `/api/overview`.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<String> {
        get(&format!("{}{path}", self.page), &[])
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.process.signal("INT");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it has not by the deadline, or prints no summary.
    #[must_use]
    pub fn finish(mut self) -> Run {
        let exit_code = self.process.wait().code();
        let output = self.process.output();
        let last = output.lines().last().unwrap_or_default();
        let summary =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("no summary but {last:?}: {error}"));
        Run { exit_code, summary, left: session(self.process.id()) }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for pid in session(self.process.id()) {
            let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status(); // it may be gone
        }
    }
}
