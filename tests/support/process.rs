//! A running program, which never outlives its test.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use crate::wait;

/// Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    log: PathBuf,
}

/// `program` with nothing of the test's own environment, so that no setting leaks in.
#[must_use]
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear();
    command
}

impl Process {
    /// Starts `command`; what it prints goes to `NAME.out` (stdout) and `NAME.log` (stderr) in `logs`.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, logs: &Path) -> Self {
        let (output, log) = (logs.join(format!("{name}.out")), logs.join(format!("{name}.log")));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name}: can't start {}: {error}", command.get_program().display())
            });
        Self { name: name.to_owned(), child, output, log }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed to stdout so far.
    #[must_use]
    pub fn output(&self) -> String {
        read(&self.output)
    }

    /// What it has printed to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// If the operating system won't tell.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends `signal`, such as `TERM`.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status();
        assert!(sent.unwrap().success(), "{}: can't be signalled", self.name);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended by the deadline.
    pub fn wait(&mut self) -> ExitStatus {
        wait::until(&format!("{} ends", self.name), || self.ended())
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The processes of session `id`: a program started through `setsid` and all that it started, even when it has ended.
///
/// # Panics
/// If there is no `/proc`.
#[must_use]
pub fn session(id: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| session_of(*pid) == Some(id)).collect()
}

/// By `/proc/PID/stat`: the sixth field; the second is a name in brackets that may hold anything.
fn session_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(3)?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let printed = self.output() + &self.log();
            let tail: Vec<_> = printed.lines().rev().take(20).collect();
            eprintln!("--- {}, last lines:", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
