//! An AWS account on moto's server: ECS, SQS, X-Ray, Secrets Manager.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    http::{free_port, get},
    process::Process,
    python::{self, Python},
    scratch::Scratch,
    wait,
};

/// Above the ones that siphon-local gives its tasks. Tests run beside one another: each account's tasks have addresses of
/// their own.
static FIRST_HOST: AtomicU8 = AtomicU8::new(221);

/// An account has four tasks; moto may draw more.
const HOSTS: u8 = 8;

/// Runs until dropped.
pub struct Moto {
    url: String,
    python: Python,
    _process: Process,
    _logs: Scratch,
}

/// What [`Moto::create`] has made.
#[derive(Debug, Deserialize)]
pub struct Account {
    /// The cluster's ARN.
    pub cluster: String,
    /// The queue for shards.
    pub queue_url: String,
    /// Tasks with a container `siphon-agent`.
    pub with_agent: Vec<Task>,
    /// ARNs of the others.
    pub without_agent: Vec<String>,
}

/// A task that runs.
#[derive(Debug, Deserialize)]
pub struct Task {
    /// Its ARN.
    pub arn: String,
    /// Its network interface's address, on loopback.
    pub address: IpAddr,
}

impl Moto {
    /// An empty account. None, after saying that the test is skipped, if the Python environment is missing.
    ///
    /// # Panics
    /// If the server does not come up.
    #[must_use]
    pub fn start() -> Option<Self> {
        let python = Python::find()?;
        let logs = Scratch::new();
        let port = free_port().to_string();
        let first_host = FIRST_HOST.fetch_add(HOSTS, Ordering::Relaxed).to_string();
        let mut server = python.app("moto_server.py");
        let process = Process::start("moto", server.args([&port, &first_host]), logs.path());
        let url = format!("http://127.0.0.1:{port}");
        wait::until("moto is ready", || get(&format!("{url}/moto-api/data.json"), &[]));
        Some(Self { url, python, _process: process, _logs: logs })
    }

    /// What a program needs to take this for AWS.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.url.clone()),
        ])
    }

    /// The endpoint of every service.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a cluster with three tasks that have an agent and one that has none, and a queue.
    ///
    /// # Panics
    /// If moto refuses.
    #[must_use]
    pub fn create(&self) -> Account {
        serde_json::from_value(python::json(self.call().arg("create"))).unwrap()
    }

    /// The messages of a queue, as ReceiveMessage gives them; they are deleted.
    ///
    /// # Panics
    /// If moto refuses.
    #[must_use]
    pub fn receive(&self, queue_url: &str) -> Vec<Value> {
        serde_json::from_value(python::json(self.call().args(["receive", queue_url]))).unwrap()
    }

    /// The segment documents of a trace (BatchGetTraces), by its id in X-Ray's form.
    ///
    /// # Panics
    /// If moto refuses.
    #[must_use]
    pub fn segments(&self, trace_id: &str) -> Vec<Value> {
        let mut traces = python::json(self.call().args(["traces", trace_id]));
        serde_json::from_value(traces[trace_id].take()).unwrap_or_default()
    }

    /// Makes a secret that had each of these `texts`, the last one now. Gives its ARN.
    ///
    /// # Panics
    /// If moto refuses.
    #[must_use]
    pub fn secret(&self, texts: &[&str]) -> String {
        serde_json::from_value(python::json(self.call().arg("secret").args(texts))).unwrap()
    }

    fn call(&self) -> Command {
        let mut command = self.python.app("account.py");
        command.envs(self.environment());
        command
    }
}
