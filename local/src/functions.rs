//! The functions' processes: each environment has one, and one that dies is started again, as Lambda does.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    aws::{
        ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SESSION_TOKEN,
        lambda::{self, Environment, Function},
    },
    clock,
    guard::Guard,
    process::{Process, Program},
    terminal::Terminal,
};

/// How long a process has to end by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// A process that lived longer starts with a fresh backoff.
const STEADY: Duration = Duration::from_secs(10);

/// What the environments of a function have in common.
pub(crate) struct Deployment {
    pub(crate) function: Arc<Function>,
    pub(crate) binary: PathBuf,
    /// The function's own settings.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// The stand-in's address.
    pub(crate) endpoint: String,
    pub(crate) logs: PathBuf,
    pub(crate) guard: Arc<Guard>,
}

impl Deployment {
    /// Starts one environment, which lasts until `stop` says so.
    ///
    /// # Errors
    /// Its process can't be started at all.
    pub(crate) async fn start(
        &self,
        number: usize,
        terminal: &Arc<Terminal>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<(Arc<Environment>, JoinHandle<()>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the Runtime API can't listen")?;
        let api = listener.local_addr()?;
        let environment = Environment::new(Arc::clone(&self.function));
        let router = lambda::router(Arc::clone(&environment));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let program = Program {
            name: format!("{} {number}", self.function.name),
            path: self.binary.clone(),
            env: self.env(&api.to_string()),
            log: log_file(&self.logs, self.function.name),
            guard: Arc::clone(&self.guard),
        };
        let keeper =
            Keeper { program, environment: Arc::clone(&environment), terminal: Arc::clone(terminal), stop };
        let process = keeper.spawn()?;
        let handle = tokio::spawn(async move {
            keeper.keep(process).await;
            server.abort();
        });
        Ok((environment, handle))
    }

    /// The environment as Lambda gives it to a custom runtime, and nothing else.
    fn env(&self, api: &str) -> Vec<(&'static str, String)> {
        let function = &self.function;
        let mut env = vec![
            ("AWS_LAMBDA_RUNTIME_API", api.to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN.to_owned()),
            ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
            ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000".to_owned()),
            ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129".to_owned()),
            ("_AWS_XRAY_DAEMON_PORT", "2000".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
        ];
        env.extend(self.settings.iter().cloned());
        env
    }
}

fn log_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

struct Keeper {
    program: Program,
    environment: Arc<Environment>,
    terminal: Arc<Terminal>,
    stop: watch::Receiver<bool>,
}

impl Keeper {
    fn spawn(&self) -> anyhow::Result<Process> {
        self.program.start(&self.terminal, Arc::new(|_| ()))
    }

    async fn keep(mut self, first: Process) {
        let mut process = Some(first);
        let mut backoff = FIRST_BACKOFF;
        loop {
            let started = Instant::now();
            if let Some(process) = &mut process
                && self.attend(process).await
            {
                return;
            }
            if started.elapsed() > STEADY {
                backoff = FIRST_BACKOFF;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                _ = self.stop.changed() => return,
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
            process = self.spawn().map_err(|error| self.terminal.warn(&format!("{error:#}"))).ok();
        }
    }

    /// Watches a process until it has ended. True: because it was told to.
    async fn attend(&mut self, process: &mut Process) -> bool {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        let how = loop {
            tokio::select! {
                how = process.wait() => break how,
                _ = self.stop.changed() => {
                    self.end(process).await;
                    return true;
                }
                _ = look.tick() => if self.environment.overdue(clock::now()) {
                    let timeout = self.environment.function.timeout;
                    self.environment.fail("Sandbox.Timedout", format!("Task timed out after {timeout:?}"));
                    process.kill();
                }
            }
        };
        self.environment.fail("Runtime.ExitError", format!("Runtime exited: {how}"));
        self.terminal.warn(&format!("{} ended ({how}) and is started again", self.program.name));
        false
    }

    async fn end(&self, process: &mut Process) {
        process.terminate();
        if tokio::time::timeout(STOP_TIMEOUT, process.wait()).await.is_err() {
            process.kill();
            process.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell script as a function's binary.
    fn script(text: &str) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("siphon-local-{}", crate::tasks::random_hex()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("bootstrap");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path)
    }

    #[tokio::test]
    async fn a_process_that_dies_is_started_again_with_lambdas_environment_alone() {
        let (folder, binary) = script("#!/bin/sh\nenv\nexit 3\n");
        let deployment = Deployment {
            function: Function::new("f", 256, Duration::from_secs(1)),
            binary,
            settings: vec![("SIPHON_X", "1".into())],
            endpoint: "http://127.0.0.1:1".into(),
            logs: folder.clone(),
            guard: Arc::new(Guard::none()),
        };
        let (stop, stopped) = watch::channel(false);
        let terminal = Terminal::silent();
        let (_, keeper) = deployment.start(1, &terminal, stopped).await.unwrap();
        let log = || std::fs::read_to_string(folder.join("f.log")).unwrap_or_default();
        for _ in 0..100 {
            if log().matches("SIPHON_X=1").count() >= 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let text = log();
        assert!(text.matches("SIPHON_X=1").count() >= 2, "{text}");
        assert!(text.contains("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256"));
        assert!(!text.contains("CARGO"), "nothing of our own environment reaches a function");
        stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(5), keeper).await.unwrap().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_binary_that_is_not_there_is_an_error_with_its_path() {
        let deployment = Deployment {
            function: Function::new("f", 256, Duration::from_secs(1)),
            binary: "/nowhere/bootstrap".into(),
            settings: Vec::new(),
            endpoint: String::new(),
            logs: std::env::temp_dir(),
            guard: Arc::new(Guard::none()),
        };
        let (_stop, stopped) = watch::channel(false);
        let error = deployment.start(1, &Terminal::silent(), stopped).await.err().unwrap();
        assert!(format!("{error:#}").contains("/nowhere/bootstrap"));
    }
}
