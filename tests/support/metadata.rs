//! A task's metadata endpoint, version 4, as Fargate answers.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html>

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::http::{self, Server};

/// Memory in use, of each container, without its page cache. Bytes.
const MEMORY_USED: u64 = 50 * 1024 * 1024;

/// Two containers, `app` and `siphon-agent`, each of which uses 50 MiB and a tenth of a vCPU. Ends when dropped.
pub struct Metadata(Server);

impl Metadata {
    /// For the task `arn` of the service `frontend`.
    #[must_use]
    pub fn start(arn: &str) -> Self {
        let arn = arn.to_owned();
        let readings = AtomicU64::new(0);
        Self(Server::start(move |request| match request.uri().path() {
            "/v4/task" => http::answer(200, task(&arn).to_string()),
            "/v4/task/stats" => {
                http::answer(200, stats(readings.fetch_add(1, Ordering::Relaxed) + 1).to_string())
            }
            _ => http::answer(404, ""),
        }))
    }

    /// What ECS would put into `ECS_CONTAINER_METADATA_URI_V4`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v4", self.0.address())
    }
}

fn task(arn: &str) -> Value {
    let cluster = arn.replacen(":task/", ":cluster/", 1);
    let cluster = cluster.rsplit_once('/').map_or("", |(cluster, _)| cluster);
    let container = |name: &str, id: &str| {
        json!({
            "DockerId": id, "Name": name, "DockerName": name,
            "Image": format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/{name}:1.0"),
            "ImageID": "sha256:25f3695bedfb454a50f12d127839a68ad3caf91e451c1da073db34c542c4d2cb",
            "Labels": {
                "com.amazonaws.ecs.cluster": cluster,
                "com.amazonaws.ecs.container-name": name,
                "com.amazonaws.ecs.task-arn": arn,
                "com.amazonaws.ecs.task-definition-family": "frontend",
                "com.amazonaws.ecs.task-definition-version": "7",
            },
            "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING", "Limits": { "CPU": 2 },
            "CreatedAt": "2026-11-20T10:00:00.000000000Z", "StartedAt": "2026-11-20T10:00:01.000000000Z",
            "Type": "NORMAL", "LogDriver": "awslogs",
            "ContainerARN": format!("{}/{id}", arn.replacen(":task/", ":container/", 1)),
            "Networks": [{ "NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.1"], "AttachmentIndex": 0 }],
        })
    };
    json!({
        "Cluster": cluster, "TaskARN": arn, "Family": "frontend", "Revision": "7", "ServiceName": "frontend",
        "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING", "Limits": { "CPU": 0.5, "Memory": 1024 },
        "PullStartedAt": "2026-11-20T09:59:58.000000000Z", "PullStoppedAt": "2026-11-20T09:59:59.000000000Z",
        "AvailabilityZone": "eu-west-1a", "LaunchType": "FARGATE",
        "Containers": [container("app", APP_ID), container("siphon-agent", AGENT_ID)],
    })
}

const APP_ID: &str = "cd189a933e5849daa93386466019ab50-2495160603";
const AGENT_ID: &str = "cd189a933e5849daa93386466019ab50-0206271204";

/// The `n`th reading, one second of the containers' time after the one before.
fn stats(n: u64) -> Value {
    let cpu = |n: u64| {
        json!({
            "cpu_usage": { "total_usage": n * 100_000_000, "usage_in_kernelmode": n * 20_000_000, "usage_in_usermode": n * 80_000_000 },
            "system_cpu_usage": n * 2_000_000_000, "online_cpus": 2,
        })
    };
    let container = |id: &str| {
        json!({
            "id": id, "name": id, "read": rfc3339(n), "preread": rfc3339(n - 1), "num_procs": 0,
            "cpu_stats": cpu(n), "precpu_stats": cpu(n - 1),
            "memory_stats": {
                "usage": MEMORY_USED + 1024, "max_usage": 2 * MEMORY_USED, "limit": 9_223_372_036_854_771_712_u64,
                "stats": { "cache": 1024 },
            },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "major": 202, "minor": 26368, "op": "Read", "value": 4096 * n },
                { "major": 202, "minor": 26368, "op": "Write", "value": 8192 * n },
            ] },
            "networks": { "eth1": { "rx_bytes": 1000 * n, "rx_packets": 10 * n, "rx_errors": 0, "rx_dropped": 0,
                                    "tx_bytes": 500 * n, "tx_packets": 5 * n, "tx_errors": 0, "tx_dropped": 0 } },
            "network_rate_stats": { "rx_bytes_per_sec": 1000.0, "tx_bytes_per_sec": 500.0 },
        })
    };
    json!({ APP_ID: container(APP_ID), AGENT_ID: container(AGENT_ID) })
}

fn rfc3339(seconds: u64) -> String {
    format!("2026-11-20T{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}
