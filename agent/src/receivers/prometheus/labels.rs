//! Targets that containers ask for by their docker labels, under the names that ADOT's ECS observer and the CloudWatch
//! agent know
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContainerInsights-Prometheus-Setup-autodiscovery-ecs.html>).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::target::Target;
use crate::receivers::metadata::{self, Lenient};

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
    name: Lenient<String>,
    known_status: Lenient<String>,
    labels: Lenient<BTreeMap<String, Lenient<String>>>,
    networks: Lenient<Vec<Lenient<Network>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    network_mode: Lenient<String>,
    #[serde(rename = "IPv4Addresses")]
    ipv4_addresses: Lenient<Vec<Lenient<String>>>,
}

/// The targets of running containers. What can't be read asks for nothing.
pub(super) fn read(task: &[u8]) -> Labelled {
    let mut labelled = Labelled::default();
    for container in metadata::containers::<Container>(task) {
        let label = |name| container.labels.0.get(name).map(|label| label.0.as_str());
        let Some(port) = label(PORT).filter(|_| container.known_status.0 == "RUNNING") else { continue };
        let target = host(&container).and_then(|host| Target::labelled(host, port, label(PATH), label(JOB)));
        match target {
            Some(mut target) => {
                if !container.name.0.is_empty() {
                    target.described.attributes.push(("container.name".to_owned(), container.name.0));
                }
                labelled.targets.push(target);
            }
            None => labelled.refused += 1,
        }
    }
    labelled
}

/// Containers of a task in network mode `awsvpc` share one loopback, and those in mode `host` their machine's; others have
/// addresses of their own.
fn host(container: &Container) -> Option<&str> {
    let networks = || container.networks.0.iter().map(|network| &network.0);
    if networks().any(|network| matches!(network.network_mode.0.as_str(), "awsvpc" | "host")) {
        return Some("127.0.0.1");
    }
    let mut addresses = networks().flat_map(|network| &network.ipv4_addresses.0);
    addresses.find(|address| !address.0.is_empty()).map(|address| address.0.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever labels and networks say: each container is a target, is counted as refused, or asks for nothing.
        #[test]
        fn labels_of_any_kind_make_whole_targets_or_none(
            labels in prop::collection::vec(
                (
                    prop::sample::select(vec![PORT, PATH, JOB, "other"]),
                    prop_oneof![
                        any::<String>().prop_map(serde_json::Value::from),
                        (0..70_000u32).prop_map(|port| port.to_string().into()),
                        "/[ -~]{0,12}".prop_map(serde_json::Value::from),
                        any::<bool>().prop_map(serde_json::Value::from),
                        Just(serde_json::Value::Null),
                    ],
                ),
                0..6,
            ),
            mode in prop::sample::select(vec!["awsvpc", "host", "bridge", ""]),
            address in prop_oneof![Just("10.0.0.7".to_owned()), Just("fd00::7".to_owned()), any::<String>()],
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let labels: serde_json::Map<_, _> =
                labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let asks = labels.contains_key(PORT);
            let networks = serde_json::json!([{ "NetworkMode": mode, "IPv4Addresses": [address] }]);
            let container = serde_json::json!({ "KnownStatus": "RUNNING", "Labels": labels, "Networks": networks });
            let task = serde_json::json!({ "Containers": [container] }).to_string();
            let labelled = read(task.as_bytes());
            prop_assert_eq!(labelled.targets.len() + labelled.refused, usize::from(asks), "{}", task);
            for target in labelled.targets {
                prop_assert!(target.path.starts_with('/') && !target.described.job.is_empty());
                prop_assert!(target.path.parse::<http::uri::PathAndQuery>().is_ok());
                prop_assert!(http::HeaderValue::from_str(&target.authority).is_ok());
            }
            let _ = read(&bytes);
        }
    }

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
            container("nulls", "RUNNING", &format!(r#"{port},"ECS_PROMETHEUS_JOB_NAME":null"#), "awsvpc")
                .replace(r#"["10.0.0.7"]"#, "null"),
            container("host", "RUNNING", port, "host").replace("10.0.0.7", ""),
            r#"{"Name":"lost","KnownStatus":"RUNNING","Labels":{"ECS_PROMETHEUS_EXPORTER_PORT":"1"},"Networks":null}"#
                .to_owned(),
            r#"{"Name":"none","KnownStatus":null,"Labels":null,"Networks":[null]}"#.to_owned(),
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
                ("nulls", key("otel-collector", "127.0.0.1:9404"), "/metrics"),
                ("host", key("otel-collector", "127.0.0.1:9404"), "/metrics"),
            ]
        );
        assert_eq!(labelled.refused, 3);
        for task in ["", "{}", r#"{"Containers":null}"#] {
            assert_eq!(read(task.as_bytes()), Labelled::default(), "{task}");
        }
    }
}
