//! The agent as a process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::{eventually, http, http::Reply, metadata::Metadata, puller::Puller};

pub(crate) const KEY: &str = "6b65796b65796b65796b65796b65796b65796b65796b65796b65796b65796b65";

/// The binary with only `environment` as its environment.
pub(crate) fn command(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siphon-agent"));
    command.env_clear().envs(environment.iter().copied());
    command
}

/// A running agent on ports of its own. Killed when dropped.
pub(crate) struct Agent {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub(crate) otlp: SocketAddr,
    pub(crate) statsd: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) pull: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) xray: SocketAddr,
}

impl Agent {
    /// Starts an agent that samples `metadata` every 200 ms unless `environment` says otherwise.
    pub(crate) fn start(metadata: &Metadata, environment: &[(&str, &str)]) -> Self {
        let uri = metadata.uri();
        let defaults = [
            ("SIPHON_KEY", KEY),
            ("SIPHON_SAMPLE_INTERVAL", "200ms"),
            ("SIPHON_OTLP_GRPC_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_OTLP_HTTP_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_STATSD_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_XRAY_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_PULL_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_METRICS_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_LOG_LEVEL", "debug"),
            ("ECS_CONTAINER_METADATA_URI_V4", &uri),
        ];
        let mut child = command(&[&defaults, environment].concat()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line));
        });
        let unknown = ([0; 4], 0).into();
        let mut agent = Self {
            child,
            log,
            otlp: unknown,
            otlp_grpc: unknown,
            statsd: unknown,
            pull: unknown,
            metrics: unknown,
            xray: unknown,
        };
        eventually("ready", || agent.logged("ready").first().cloned());
        agent.otlp = agent.address("listening receiver=otlp_http");
        agent.otlp_grpc = agent.address("listening receiver=otlp_grpc");
        agent.statsd = agent.address("listening receiver=statsd");
        agent.pull = agent.address("answering pulls");
        agent.metrics = agent.address("own metrics");
        agent.xray = agent.address("listening receiver=xray");
        agent
    }

    /// An agent that knows its task, with a puller.
    pub(crate) fn known(metadata: &Metadata, environment: &[(&str, &str)]) -> (Self, Puller) {
        let agent = Self::start(metadata, environment);
        eventually("task known", || agent.logged("task is known").first().cloned());
        let puller = Puller::new(agent.pull);
        (agent, puller)
    }

    /// The address in the log line that contains `text`, or all zeros.
    fn address(&self, text: &str) -> SocketAddr {
        let line = self.logged(text).pop().unwrap_or_default();
        let address = line.split(' ').find_map(|word| word.strip_prefix("address=")?.parse().ok());
        address.unwrap_or(([0; 4], 0).into())
    }

    /// The most that it has had resident, in KiB.
    pub(crate) fn peak_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The log lines so far that contain `text`.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// The exit code, if it has ended.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap())
    }

    /// Its resident set in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Posts an OTLP body as protobuf.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Reply {
        http::send(self.otlp, "POST", path, &[("content-type", "application/x-protobuf")], body)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
