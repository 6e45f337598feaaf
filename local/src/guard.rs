//! Leaves no orphans: a second process of this program that ends our children when we are gone, however we went.
//!
//! Children are killed when their handles are dropped, but SIGKILL drops nothing. The guard reads from a pipe that only
//! we hold, `+PID` for each child and `-PID` when it has ended; when the pipe closes, it kills who is left.

use std::{
    collections::HashMap,
    io::{BufRead, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
};

use anyhow::Context as _;

use crate::lock;

/// The only argument of a guard.
pub(crate) const ARGUMENT: &str = "--guard-the-children-of-another-run";

/// Our end of the pipe, and who reads it.
pub(crate) struct Guard(Mutex<Option<(ChildStdin, Child)>>);

impl Guard {
    /// Starts the guard, in a process group of its own, so that no signal for us ends it too.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("can't tell where this program is")?;
        let mut child = Command::new(program)
            .arg(ARGUMENT)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("can't start the process that ends our children if we are killed")?;
        let pipe = child.stdin.take().context("the guard has no pipe")?;
        Ok(Self(Mutex::new(Some((pipe, child)))))
    }

    /// Guards nothing.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn add(&self, pid: u32) {
        self.tell('+', pid);
    }

    pub(crate) fn remove(&self, pid: u32) {
        self.tell('-', pid);
    }

    /// Lets the guard do its work, and waits until it has.
    pub(crate) fn finish(&self) {
        if let Some((pipe, mut guard)) = lock(&self.0).take() {
            drop(pipe);
            let _ = guard.wait(); // milliseconds
        }
    }

    fn tell(&self, what: char, pid: u32) {
        if let Some((pipe, _)) = &mut *lock(&self.0) {
            let _ = writeln!(pipe, "{what}{pid}"); // without a guard we are no worse off than before
        }
    }
}

/// The guard's whole life.
pub(crate) fn guard(pipe: impl BufRead) {
    for pid in left(pipe) {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL); // gone already is fine
        }
    }
}

/// Reads to the end: the children that have not ended, each still the process that it was when it was named.
fn left(pipe: impl BufRead) -> Vec<u32> {
    let mut children = HashMap::new();
    for line in pipe.lines().map_while(Result::ok) {
        let added = line.strip_prefix('+').and_then(|pid| pid.parse().ok());
        let ended = line.strip_prefix('-').and_then(|pid| pid.parse::<u32>().ok());
        if let Some(pid) = added {
            children.insert(pid, started(pid));
        } else if let Some(pid) = ended {
            children.remove(&pid);
        }
    }
    children.into_iter().filter(|(pid, then)| started(*pid) == *then).map(|(pid, _)| pid).collect()
}

/// When a process began, in clock ticks: the 22nd field of `/proc/PID/stat`. A process that reuses the id began later.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn who_has_ended_is_left_alone() {
        let own = std::process::id();
        assert_eq!(left(Cursor::new(format!("+{own}\n"))), [own]);
        assert!(left(Cursor::new(format!("+{own}\n-{own}\n"))).is_empty());
        assert!(left(Cursor::new("nonsense\n+x\n")).is_empty());
    }

    #[test]
    fn who_is_left_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        guard(Cursor::new(format!("+{}\n", child.id())));
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
