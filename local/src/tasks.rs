//! The cluster's tasks: who they are and where they listen.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use serde::Deserialize;
use siphon_core::{units::UnixMillis, wire};

use crate::{
    aws::{ACCOUNT, REGION},
    lock,
};

/// The container name by which `enumerate` knows a task with an agent.
pub(crate) const AGENT_CONTAINER: &str = "siphon-agent";

const CLUSTER: &str = "shop";
const OTLP_PORT: u16 = 4318;
/// The other ports that an agent listens on.
const OTHER_PORTS: [u16; 3] = [wire::DEFAULT_PORT, 4317, 2000];

/// The services of the shop, which share the tasks evenly.
pub(crate) const SERVICES: [&str; 3] = ["frontend", "checkout", "inventory"];

/// One ECS task.
pub(crate) struct Task {
    /// From 0; `task 1` on the command line is 0 here.
    pub(crate) index: usize,
    /// Its network interface: one loopback address of its own.
    pub(crate) address: Ipv4Addr,
    /// Where its agent takes OTLP/HTTP.
    pub(crate) otlp: SocketAddr,
    /// Which part of the shop runs in it.
    pub(crate) service: &'static str,
    pub(crate) started_at: UnixMillis,
    /// None until the metadata endpoint has told it, where that is not ours.
    identity: Mutex<Option<Identity>>,
    status: Mutex<Status>,
    /// Requests that the shop has served in it.
    pub(crate) requests: AtomicU64,
    /// The agent's process, 0 when there is none.
    pub(crate) agent_pid: AtomicU32,
}

/// What ECS calls the task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Identity {
    #[serde(rename = "TaskARN")]
    pub(crate) arn: String,
    /// ARN or name.
    pub(crate) cluster: String,
    #[serde(default)]
    pub(crate) family: String,
    #[serde(default)]
    pub(crate) revision: String,
    #[serde(default)]
    pub(crate) service_name: String,
}

/// Where a task is in its life, in ECS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    /// Told to stop. Its application still runs, but gets no new requests.
    Deactivating,
    /// Its application has ended. Its agent was told to stop and is being drained.
    Stopping,
    Stopped,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
        }
    }

    /// Whether the task's application has not ended.
    pub(crate) const fn serves(self) -> bool {
        matches!(self, Self::Running | Self::Deactivating)
    }
}

impl Identity {
    fn new(service: &str) -> Self {
        let id = random_hex();
        Self {
            arn: format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{id}"),
            cluster: format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"),
            family: service.to_owned(),
            revision: "7".to_owned(),
            service_name: service.to_owned(),
        }
    }

    /// The last part of the ARN.
    pub(crate) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:`
    fn arn_prefix(&self) -> &str {
        self.arn.find("task/").and_then(|at| self.arn.get(..at)).unwrap_or_default()
    }

    pub(crate) fn cluster_arn(&self) -> String {
        if self.cluster.starts_with("arn:") {
            self.cluster.clone()
        } else {
            format!("{}cluster/{}", self.arn_prefix(), self.cluster)
        }
    }

    pub(crate) fn task_definition_arn(&self) -> String {
        format!("{}task-definition/{}:{}", self.arn_prefix(), self.family, self.revision)
    }

    pub(crate) fn container_arn(&self, container: &str) -> String {
        let cluster = self.cluster.rsplit('/').next().unwrap_or_default();
        format!("{}container/{cluster}/{}/{container}", self.arn_prefix(), self.id())
    }
}

impl Task {
    pub(crate) fn identity(&self) -> Option<Identity> {
        lock(&self.identity).clone()
    }

    pub(crate) fn identify(&self, identity: Identity) {
        *lock(&self.identity) = Some(identity);
    }

    pub(crate) fn status(&self) -> Status {
        *lock(&self.status)
    }

    pub(crate) fn set_status(&self, status: Status) {
        *lock(&self.status) = status;
    }

    /// Where its agent is pulled.
    pub(crate) fn pull(&self) -> SocketAddr {
        SocketAddr::from((self.address, wire::DEFAULT_PORT))
    }

    /// `frontend-1`, for people.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.service, self.index / SERVICES.len() + 1)
    }

    pub(crate) fn served(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lays out `count` tasks on loopback addresses that are free now.
///
/// `foreign_first`: task 1's identity is told by a metadata endpoint that is not ours. `otlp_first`: where its agent
/// takes OTLP.
pub(crate) fn lay_out(
    count: usize,
    foreign_first: bool,
    otlp_first: Option<SocketAddr>,
    now: UnixMillis,
) -> anyhow::Result<Vec<Task>> {
    if let Some(address) = otlp_first {
        free(address).with_context(|| format!("--otlp-http {address}: choose an address that is free"))?;
    }
    let addresses = free_addresses(count)?;
    let service = SERVICES.iter().cycle();
    let tasks = addresses.into_iter().zip(service).enumerate().map(|(index, (address, service))| {
        let own = SocketAddr::from((address, OTLP_PORT));
        Task {
            index,
            address,
            otlp: otlp_first.filter(|_| index == 0).unwrap_or(own),
            service,
            started_at: now,
            identity: Mutex::new((index > 0 || !foreign_first).then(|| Identity::new(service))),
            status: Mutex::new(Status::Running),
            requests: AtomicU64::new(0),
            agent_pid: AtomicU32::new(0),
        }
    });
    Ok(tasks.collect())
}

/// The first run of `count` addresses from 127.0.0.11, 127.0.2.11, … whose agent ports are free, so that several
/// stand-ins can run beside one another.
fn free_addresses(count: usize) -> anyhow::Result<Vec<Ipv4Addr>> {
    let mut first_error = None;
    for block in (0..=18u8).step_by(2) {
        let addresses = addresses(block, count);
        let taken = addresses.iter().find_map(|address| {
            OTHER_PORTS
                .into_iter()
                .chain([OTLP_PORT])
                .find_map(|port| free(SocketAddr::from((*address, port))).err())
        });
        match taken {
            None => return Ok(addresses),
            Some(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| anyhow::anyhow!("no addresses")))
        .context("no block of loopback addresses from 127.0.0.11 to 127.0.18.11 is free for the tasks")
}

fn addresses(block: u8, count: usize) -> Vec<Ipv4Addr> {
    let third =
        (block..=block.saturating_add(1)).flat_map(|third| (11..=210u8).map(move |last| (third, last)));
    third.take(count).map(|(third, last)| Ipv4Addr::new(127, 0, third, last)).collect()
}

fn free(address: SocketAddr) -> anyhow::Result<()> {
    let hint = match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => "; is another siphon-local or agent running?",
        _ => "",
    };
    TcpListener::bind(address).map(drop).with_context(|| format!("can't listen on {address}{hint}"))
}

/// Thirty-two hex digits, as ECS draws task ids.
pub(crate) fn random_hex() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_addresses_and_names_of_their_own() {
        let tasks = lay_out(7, false, None, UnixMillis(0)).unwrap();
        let names: Vec<_> = tasks.iter().map(Task::name).collect();
        assert_eq!(names[..4], ["frontend-1", "checkout-1", "inventory-1", "frontend-2"]);
        let mut addresses: Vec<_> = tasks.iter().map(|t| t.address).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), 7);
    }

    #[test]
    fn a_taken_address_moves_the_tasks_to_the_next_block() {
        let _taken = TcpListener::bind("127.0.0.11:4319"); // taken by this or, if that fails, by someone else
        let tasks = lay_out(1, false, None, UnixMillis(0)).unwrap();
        assert_ne!(tasks[0].address, Ipv4Addr::new(127, 0, 0, 11));
    }

    #[test]
    fn a_taken_otlp_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = format!("{:#}", lay_out(1, false, Some(address), UnixMillis(0)).err().unwrap());
        assert!(error.contains(&format!("--otlp-http {address}")), "{error}");
    }

    #[test]
    fn arns_follow_a_foreign_identity() {
        let identity: Identity = serde_json::from_str(
            r#"{"TaskARN":"arn:aws-cn:ecs:cn-north-1:222233334444:task/c/0a1b","Cluster":"c","Family":"f","Revision":"2","X":1}"#,
        )
        .unwrap();
        assert_eq!(identity.cluster_arn(), "arn:aws-cn:ecs:cn-north-1:222233334444:cluster/c");
        assert_eq!(
            identity.task_definition_arn(),
            "arn:aws-cn:ecs:cn-north-1:222233334444:task-definition/f:2"
        );
        assert_eq!(identity.container_arn("x"), "arn:aws-cn:ecs:cn-north-1:222233334444:container/c/0a1b/x");
    }
}
