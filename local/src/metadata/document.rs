//! The endpoint's JSON, as Fargate (platform 1.4.0) shapes it.

use serde_json::{Value, json};

use super::container::{Container, Counters};
use crate::{
    aws::REGION,
    clock,
    tasks::{AGENT_CONTAINER, Identity, Task},
};

const MIB: u64 = 1 << 20;

pub(super) fn task(task: &Task, identity: &Identity, containers: &[Container; 2]) -> Value {
    let [application, _] = containers;
    json!({
        "Cluster": identity.cluster_arn(),
        "TaskARN": identity.arn,
        "Family": identity.family,
        "Revision": identity.revision,
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": { "CPU": 0.25, "Memory": 512 },
        "PullStartedAt": clock::rfc3339(application.created_at.plus(-9_000)),
        "PullStoppedAt": clock::rfc3339(application.created_at.plus(-1_200)),
        "AvailabilityZone": format!("{REGION}{}", if task.index.is_multiple_of(2) { 'a' } else { 'b' }),
        "LaunchType": "FARGATE",
        "Containers": containers.iter().map(|c| container(task, identity, c)).collect::<Vec<_>>(),
        "ClockDrift": {
            "ClockErrorBound": 0.446_931,
            "ReferenceTimestamp": clock::rfc3339(application.latest().at),
            "ClockSynchronizationStatus": "SYNCHRONIZED",
        },
        "EphemeralStorageMetrics": { "Utilized": 261, "Reserved": 20_496 },
        "ServiceName": identity.service_name,
        "FaultInjectionEnabled": false,
    })
}

/// The application ends when its task is stopped; the agent then still serves.
pub(super) fn has_stopped(task: &Task, container: &Container) -> bool {
    !task.status().serves() && container.name != AGENT_CONTAINER
}

pub(super) fn container(task: &Task, identity: &Identity, container: &Container) -> Value {
    let mut shown = always(task, identity, container);
    if let (Value::Object(shown), Value::Object(state)) = (&mut shown, state(task, container)) {
        shown.extend(state);
    }
    shown
}

fn state(task: &Task, container: &Container) -> Value {
    if has_stopped(task, container) {
        let finished_at = clock::rfc3339(container.latest().at);
        json!({
            "DesiredStatus": "STOPPED",
            "KnownStatus": "STOPPED",
            "ExitCode": 0,
            "FinishedAt": finished_at,
            "RestartCount": 0,
            "Health": { "status": "HEALTHY", "statusSince": container.started_at(), "exitCode": 0 },
        })
    } else if container.name == AGENT_CONTAINER {
        json!({ "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING" })
    } else {
        json!({
            "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING",
            "RestartCount": 0,
            "Health": { "status": "HEALTHY", "statusSince": container.started_at(), "exitCode": 0 },
        })
    }
}

fn always(task: &Task, identity: &Identity, container: &Container) -> Value {
    json!({
        "DockerId": container.docker_id,
        "Name": container.name,
        "DockerName": container.name,
        "Image": container.image,
        "ImageID": container.image_id,
        "Labels": {
            "com.amazonaws.ecs.cluster": identity.cluster_arn(),
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": identity.arn,
            "com.amazonaws.ecs.task-definition-family": identity.family,
            "com.amazonaws.ecs.task-definition-version": identity.revision,
        },
        "Limits": { "CPU": container.cpu_units, "Memory": container.memory_mib },
        "CreatedAt": clock::rfc3339(container.created_at),
        "StartedAt": container.started_at(),
        "Type": "NORMAL",
        "ContainerARN": identity.container_arn(&container.docker_id),
        "Networks": [{
            "NetworkMode": "awsvpc",
            "IPv4Addresses": [task.address.to_string()],
            "AttachmentIndex": 0,
            "MACAddress": "0a:de:f6:10:51:e5",
            "IPv4SubnetCIDRBlock": "127.0.0.0/8",
            "DomainNameServers": ["127.0.0.2"],
            "PrivateDNSName": format!("ip-{}.{REGION}.compute.internal", task.address.to_string().replace('.', "-")),
            "SubnetGatewayIpv4Address": "127.0.0.1/8",
        }],
        "Snapshotter": "overlayfs",
    })
}

pub(super) fn stats(container: &Container) -> Value {
    let (now, before) = (container.latest(), container.previous());
    let mib = container.memory_mib * MIB;
    json!({
        "read": clock::rfc3339(now.at),
        "preread": clock::rfc3339(before.at),
        "name": container.name,
        "id": container.docker_id,
        "num_procs": 0,
        "pids_stats": { "current": 7 },
        "storage_stats": {},
        "cpu_stats": cpu(now),
        "precpu_stats": cpu(before),
        "memory_stats": {
            "usage": now.memory,
            "max_usage": now.memory_max,
            "limit": mib,
            "stats": {
                "active_anon": now.memory.saturating_sub(now.cache),
                "cache": now.cache,
                "inactive_file": now.cache / 3,
                "rss": now.memory.saturating_sub(now.cache),
                "hierarchical_memory_limit": mib,
            },
        },
        "blkio_stats": { "io_service_bytes_recursive": [
            { "major": 259, "minor": 0, "op": "Read", "value": now.read_bytes },
            { "major": 259, "minor": 0, "op": "Write", "value": now.written_bytes },
            { "major": 259, "minor": 0, "op": "Total", "value": now.read_bytes + now.written_bytes },
        ] },
        "networks": { "eth1": {
            "rx_bytes": now.rx_bytes,
            "rx_packets": now.rx_bytes / 400,
            "rx_errors": 0,
            "rx_dropped": 0,
            "tx_bytes": now.tx_bytes,
            "tx_packets": now.tx_bytes / 300,
            "tx_errors": 0,
            "tx_dropped": 0,
        } },
        "network_rate_stats": {
            "rx_bytes_per_sec": container.rate(|c| c.rx_bytes),
            "tx_bytes_per_sec": container.rate(|c| c.tx_bytes),
        },
    })
}

fn cpu(counters: &Counters) -> Value {
    let total = counters.cpu_nanos;
    json!({
        "cpu_usage": {
            "total_usage": total,
            "percpu_usage": [total / 5 * 3, total - total / 5 * 3],
            "usage_in_kernelmode": total / 4,
            "usage_in_usermode": total - total / 4,
        },
        "system_cpu_usage": counters.at.0.unsigned_abs() % 1_000_000_000 * 2_000_000,
        "online_cpus": 2,
        "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
    })
}
