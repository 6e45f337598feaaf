//! Targets that containers ask for by their docker labels, under the names that ADOT's ECS observer and the CloudWatch
//! agent know
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContainerInsights-Prometheus-Setup-autodiscovery-ecs.html>).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::target::Target;
use crate::receivers::metadata;

const PORT: &str = "ECS_PROMETHEUS_EXPORTER_PORT";
const PATH: &str = "ECS_PROMETHEUS_METRICS_PATH";
const JOB: &str = "ECS_PROMETHEUS_JOB_NAME";

/// What an answer of `/task` asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Labelled {
    pub(super) targets: Vec<Target>,
    /// Containers whose labels make no target.
    pub(super) refused: usize,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    name: String,
    known_status: String,
    labels: BTreeMap<String, String>,
    networks: Vec<Network>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    network_mode: String,
    #[serde(rename = "IPv4Addresses")]
    ipv4_addresses: Vec<String>,
}

/// The targets of running containers. What can't be read asks for nothing.
pub(super) fn read(task: &[u8]) -> Labelled {
    let mut labelled = Labelled::default();
    for container in metadata::containers::<Container>(task) {
        let Some(port) = container.labels.get(PORT).filter(|_| container.known_status == "RUNNING") else {
            continue;
        };
        let label = |name| container.labels.get(name).map(String::as_str);
        let target = host(&container).and_then(|host| Target::labelled(host, port, label(PATH), label(JOB)));
        match target {
            Some(mut target) => {
                if !container.name.is_empty() {
                    target.described.attributes.push(("container.name".to_owned(), container.name));
                }
                labelled.targets.push(target);
            }
            None => labelled.refused += 1,
        }
    }
    labelled
}

/// Containers of a task in network mode `awsvpc` share one loopback; others have addresses of their own.
fn host(container: &Container) -> Option<&str> {
    if container.networks.iter().any(|network| network.network_mode == "awsvpc") {
        return Some("127.0.0.1");
    }
    let addresses = container.networks.iter().flat_map(|network| &network.ipv4_addresses);
    addresses.map(String::as_str).find(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_containers_with_a_port_are_targets() {
        let container = |name: &str, status: &str, labels: &str, mode: &str| {
            format!(
                r#"{{"Name":"{name}","KnownStatus":"{status}","Labels":{{"other":"x",{labels}}},
                "Networks":[{{"NetworkMode":"{mode}","IPv4Addresses":["10.0.0.7"]}}]}}"#
            )
        };
        let port = r#""ECS_PROMETHEUS_EXPORTER_PORT":"9404""#;
        let all = format!(r#"{port},"ECS_PROMETHEUS_METRICS_PATH":"/m","ECS_PROMETHEUS_JOB_NAME":"jmx""#);
        let entries = [
            container("web", "RUNNING", port, "awsvpc"),
            container("jmx", "RUNNING", &all, "bridge"),
            container("old", "STOPPED", port, "awsvpc"),
            container("none", "RUNNING", r#""a":"b""#, "awsvpc"),
            container("bad", "RUNNING", r#""ECS_PROMETHEUS_EXPORTER_PORT":"http""#, "awsvpc"),
            r#"{"Name":"nowhere","KnownStatus":"RUNNING","Labels":{"ECS_PROMETHEUS_EXPORTER_PORT":"1"}}"#
                .to_owned(),
            r#"{"Name":"odd","KnownStatus":"RUNNING","Labels":7}"#.to_owned(),
            "7".to_owned(),
        ];
        let labelled = read(format!(r#"{{"Containers":[{}]}}"#, entries.join(",")).as_bytes());
        let shown: Vec<_> = labelled
            .targets
            .iter()
            .map(|t| (t.described.attributes[0].1.as_str(), t.key(), t.path.as_str()))
            .collect();
        let key = |job: &str, instance: &str| (job.to_owned(), instance.to_owned());
        assert_eq!(
            shown,
            [
                ("web", key("otel-collector", "127.0.0.1:9404"), "/metrics"),
                ("jmx", key("jmx", "10.0.0.7:9404"), "/m"),
            ]
        );
        assert_eq!(labelled.refused, 2);
        for task in ["", "{}", r#"{"Containers":null}"#] {
            assert_eq!(read(task.as_bytes()), Labelled::default(), "{task}");
        }
    }
}
