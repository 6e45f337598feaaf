//! The answer of `/task`, as far as it is used
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html>).
//!
//! Every field is optional: the endpoint leaves out what it doesn't know, and differs by launch type.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Document, ReadingError,
    field::{Amount, Field, Object},
    read_object,
};

/// A text, empty when absent or `null`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(Option<String>);

impl Text {
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

/// A task.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Task {
    pub(super) cluster: Text,
    #[serde(rename = "TaskARN")]
    pub(super) arn: Text,
    pub(super) family: Text,
    pub(super) revision: Text,
    pub(super) service_name: Text,
    pub(super) availability_zone: Text,
    pub(super) launch_type: Text,
    pub(super) known_status: Text,
    pub(super) pull_started_at: Text,
    pub(super) pull_stopped_at: Text,
    /// CPU in vCPUs here, in CPU units for a container.
    pub(super) limits: Field<Limits>,
    pub(super) ephemeral_storage_metrics: Field<EphemeralStorage>,
    pub(super) clock_drift: Field<ClockDrift>,
    pub(super) containers: Containers,
}

/// The containers of a task: one bad entry must not cost the others.
#[derive(Debug, Default)]
pub(super) struct Containers {
    pub(super) readable: Vec<Container>,
    /// How many entries can't be read.
    pub(super) unreadable: u64,
}

/// A container of a task.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Container {
    pub(super) docker_id: Text,
    pub(super) name: Text,
    pub(super) docker_name: Text,
    pub(super) image: Text,
    #[serde(rename = "ImageID")]
    pub(super) image_id: Text,
    pub(super) created_at: Text,
    pub(super) started_at: Text,
    pub(super) finished_at: Text,
    pub(super) known_status: Text,
    /// Of the latest end; absent while the container has never ended.
    pub(super) exit_code: Field<i64>,
    /// By the restart policy; absent without one.
    pub(super) restart_count: Field<u64>,
    /// Absent without a health check.
    pub(super) health: Field<Health>,
    pub(super) limits: Option<Limits>,
    pub(super) r#type: Text,
    pub(super) log_driver: Text,
    pub(super) log_options: Field<LogOptions>,
    pub(super) networks: Option<Vec<Network>>,
}

/// What a task or container may use.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    #[serde(rename = "CPU")]
    pub(super) cpu: Option<Amount>,
    /// MiB.
    #[serde(rename = "Memory")]
    pub(super) memory: Option<u64>,
}

/// Fargate's disk, in MiB.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EphemeralStorage {
    pub(super) utilized: Option<u64>,
    pub(super) reserved: Option<u64>,
}

/// How far Fargate's clock may be off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ClockDrift {
    /// Milliseconds.
    pub(super) clock_error_bound: Option<Amount>,
    /// `SYNCHRONIZED` or `NOT_SYNCHRONIZED`.
    pub(super) clock_synchronization_status: Text,
}

/// What a container's health check says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub(super) status: Text,
}

/// One network of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Network {
    network_mode: Text,
}

/// Options of the log driver `awslogs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogOptions {
    #[serde(rename = "awslogs-group")]
    pub(super) group: Text,
    #[serde(rename = "awslogs-region")]
    pub(super) region: Text,
    #[serde(rename = "awslogs-stream")]
    pub(super) stream: Text,
}

impl Task {
    pub(super) fn parse(json: &[u8]) -> Result<Self, ReadingError> {
        read_object(json, Document::Task)
    }

    /// `ec2` or `fargate`; other launch types have no well-known name.
    pub(super) fn known_launch_type(&self) -> Option<&'static str> {
        ["ec2", "fargate"].into_iter().find(|known| self.launch_type.as_str().eq_ignore_ascii_case(known))
    }

    /// Whether all containers see one network interface. The network mode is the task's, so one container tells.
    pub(super) fn shares_interface(&self) -> bool {
        let networks = self.containers.readable.iter().filter_map(|c| c.networks.as_ref()).flatten();
        networks.into_iter().any(|network| network.network_mode.as_str() == "awsvpc")
    }

    /// How many fields can't be read, its containers' included.
    pub(super) fn malformed_fields(&self) -> u64 {
        let own = [
            self.limits.is_malformed(),
            self.ephemeral_storage_metrics.is_malformed(),
            self.clock_drift.is_malformed(),
        ];
        let of_container = |c: &Container| {
            [
                c.exit_code.is_malformed(),
                c.restart_count.is_malformed(),
                c.health.is_malformed(),
                c.log_options.is_malformed(),
            ]
        };
        let fields = own.into_iter().chain(self.containers.readable.iter().flat_map(of_container));
        fields.filter(|malformed| *malformed).count() as u64
    }
}

impl<'de> Deserialize<'de> for Containers {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let mut containers = Self::default();
        for entry in Option::<Vec<&RawValue>>::deserialize(json)?.unwrap_or_default() {
            match serde_json::from_str(entry.get()) {
                Ok(Object(container)) => containers.readable.push(container),
                Err(_) => containers.unreadable += 1,
            }
        }
        Ok(containers)
    }
}

/// The parts of a task ARN: `arn:PARTITION:ecs:REGION:ACCOUNT:task/[CLUSTER/]ID`. All are empty where the text is no
/// such ARN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TaskArn<'a> {
    pub(super) partition: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) id: &'a str,
}

impl<'a> TaskArn<'a> {
    pub(super) fn parse(arn: &'a str) -> Self {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (scheme, partition, service, region, account, resource) =
            (next(), next(), next(), next(), next(), next());
        if scheme != "arn" || !partition.starts_with("aws") || service != "ecs" {
            return Self::default();
        }
        Self { partition, region, account, id: resource.rsplit('/').next().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_arn_is_read_in_both_layouts_and_all_partitions() {
        for (arn, want) in [
            ("arn:aws:ecs:eu-west-1:1111:task/shop/0a1b", ("aws", "eu-west-1", "1111", "0a1b")),
            ("arn:aws:ecs:eu-west-1:1111:task/0a1b", ("aws", "eu-west-1", "1111", "0a1b")),
            ("arn:aws-cn:ecs:cn-north-1:1111:task/shop/0a1b", ("aws-cn", "cn-north-1", "1111", "0a1b")),
            ("arn:aws:ecs:eu-west-1", ("aws", "eu-west-1", "", "")),
            ("arn:aws:ec2:eu-west-1:1111:instance/i-1", ("", "", "", "")),
            ("", ("", "", "", "")),
        ] {
            let read = TaskArn::parse(arn);
            assert_eq!((read.partition, read.region, read.account, read.id), want, "{arn}");
        }
    }

    #[test]
    fn a_bad_container_costs_only_itself() {
        let json = br#"{"Cluster":null,"Containers":[{"Name":1},"x",null,["id"],{"Limits":{"CPU":-1}},{"Name":"a","Limits":null}]}"#;
        let task = Task::parse(json).unwrap();
        let names: Vec<_> = task.containers.readable.iter().map(|c| c.name.as_str()).collect();
        assert_eq!((task.cluster.as_str(), names, task.containers.unreadable), ("", vec!["a"], 5));
        let none = Task::parse(br#"{"Containers":null}"#).unwrap().containers;
        assert_eq!((none.readable.len(), none.unreadable), (0, 0));
    }

    #[test]
    fn a_bad_field_costs_only_itself() {
        let json = br#"{"Limits":7,"EphemeralStorageMetrics":{"Utilized":-1},"ClockDrift":{"ClockErrorBound":1e999},
            "Containers":[{"Name":"a","ExitCode":1.5,"RestartCount":-1,"Health":["HEALTHY"],"LogOptions":7},{"Name":"b"}]}"#;
        let task = Task::parse(json).unwrap();
        let names: Vec<_> = task.containers.readable.iter().map(|c| c.name.as_str()).collect();
        assert_eq!((names, task.malformed_fields()), (vec!["a", "b"], 7));
    }

    #[test]
    fn an_answer_that_is_no_task_names_itself_and_the_place() {
        for (json, want) in [
            (&b"\"no\""[..], "line 1 column 4"),
            (b"{\"Cluster\":\"a\",\n\"Fam", "line 2 column 4"),
            (b"", "line 1 column 0"),
            (b"[]", "line 1 column 0"),
            (b"null", "line 1 column"),
            (b"{\"Family\":7}", "line 1 column 11"),
        ] {
            let error = Task::parse(json).unwrap_err().to_string();
            assert!(error.contains("/task ") && error.contains(want), "{error}");
        }
    }
}
