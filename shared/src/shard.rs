//! A shard: the agents that one `scrape` invocation takes. `enumerate` writes it, `scrape` reads it, SQS carries it.

use std::{net::IpAddr, num::NonZeroU16};

use serde::{Deserialize, Serialize};

use crate::{
    settings::{Settings, parsed},
    units::UnixMillis,
    wire::DEFAULT_PORT,
};

/// How agents are told from other containers, and where they listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The container's name in the task definition.
    pub container: String,
    /// Its pull port.
    pub port: u16,
}

impl Agent {
    /// What `SIPHON_AGENT_CONTAINER` and `SIPHON_AGENT_PORT` say, alike for all functions.
    pub fn read(settings: &mut Settings<impl Fn(&str) -> Option<String>>) -> Self {
        let port = NonZeroU16::new(DEFAULT_PORT).unwrap_or(NonZeroU16::MIN);
        Self {
            container: settings
                .read("SIPHON_AGENT_CONTAINER", "siphon-agent".to_owned(), |text| Ok(text.to_owned())),
            port: settings.read("SIPHON_AGENT_PORT", port, parsed("a port from 1 to 65535")).get(),
        }
    }
}

/// Where one agent listens, and for which task it must answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The task's full ARN. Addresses are reused, so the agent refuses a pull that names another task.
    pub task_arn: String,
    /// The task's private address: IPv4, else IPv6.
    pub address: IpAddr,
    /// The agent's pull port.
    pub port: u16,
}

/// The body of one SQS message, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// When the tasks were listed. A shard that waited for long lists tasks that may be gone.
    pub listed_at: UnixMillis,
    /// Sorted by task ARN.
    pub targets: Vec<Target>,
}

/// Cuts `targets` into shards of at most `size`, sorted by task ARN so that a task stays in the same neighbourhood
/// from one enumeration to the next. No shard is empty; `size` 0 counts as 1.
#[must_use]
pub fn split(mut targets: Vec<Target>, size: usize, listed_at: UnixMillis) -> Vec<Shard> {
    targets.sort_unstable();
    targets.chunks(size.max(1)).map(|chunk| Shard { listed_at, targets: chunk.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(n: u8) -> Target {
        Target { task_arn: format!("arn:{n:03}"), address: IpAddr::from([10, 0, 0, n]), port: 4319 }
    }

    #[test]
    fn splitting_keeps_every_target_once_and_in_order() {
        let targets: Vec<_> = (0..7).rev().map(target).collect();
        let shards = split(targets, 3, UnixMillis(1));
        assert_eq!(shards.iter().map(|s| s.targets.len()).collect::<Vec<_>>(), [3, 3, 1]);
        let all: Vec<_> = shards.into_iter().flat_map(|s| s.targets).collect();
        assert_eq!(all, (0..7).map(target).collect::<Vec<_>>());
        assert!(split(Vec::new(), 3, UnixMillis(1)).is_empty());
        assert_eq!(split(vec![target(1)], 0, UnixMillis(1)).len(), 1);
    }

    #[test]
    fn a_shard_survives_json() {
        let shard = split(vec![target(1)], 25, UnixMillis(1_700_000_000_000)).remove(0);
        let text = serde_json::to_string(&shard).unwrap();
        assert_eq!(
            text,
            r#"{"listed_at":1700000000000,"targets":[{"task_arn":"arn:001","address":"10.0.0.1","port":4319}]}"#
        );
        assert_eq!(serde_json::from_str::<Shard>(&text).unwrap(), shard);
    }
}
