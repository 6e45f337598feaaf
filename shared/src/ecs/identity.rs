//! Who an application is: the resource attributes of the OpenTelemetry resource detector `ecs`, v0.156.0.

use super::{
    ReadingError,
    task::{Container, LogOptions, Task, TaskArn},
};
use crate::otlp::{AnyValue, ArrayValue, KeyValue, Resource, Value};

/// The resource attributes that a task's metadata give to what its applications send.
///
/// They are of the task as it is at the latest answer; ADOT asks once, when its sidecar starts, and so misses the logs
/// of containers that start later. ARNs bear the task's own partition, where ADOT writes `aws` always.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    attributes: Vec<KeyValue>,
}

impl Identity {
    /// Reads an answer of `/task`. The logs of `own_container`, a container id, are left out.
    ///
    /// # Errors
    /// [`ReadingError`] if the answer as a whole is not the JSON object that it should be.
    pub fn from_task(task: &[u8], own_container: &str) -> Result<Self, ReadingError> {
        let task = Task::parse(task)?;
        let arn = TaskArn::parse(task.arn.as_str());
        let cluster_arn = cluster_arn(task.cluster.as_str(), arn);
        let given = [
            ("aws.ecs.task.arn", &task.arn),
            ("aws.ecs.task.family", &task.family),
            ("aws.ecs.task.revision", &task.revision),
        ];
        let found = [
            ("cloud.region", arn.region),
            ("cloud.account.id", arn.account),
            ("aws.ecs.task.id", arn.id),
            ("aws.ecs.cluster.arn", &cluster_arn),
            ("cloud.availability_zone", task.availability_zone.as_str()),
            ("aws.ecs.launchtype", task.known_launch_type().unwrap_or_default()),
        ];
        let mut attributes = vec![text("cloud.provider", "aws"), text("cloud.platform", "aws_ecs")];
        attributes.extend(given.map(|(key, value)| text(key, value.as_str())));
        attributes
            .extend(found.into_iter().filter(|(_, v)| !v.is_empty()).map(|(key, value)| text(key, value)));
        attributes.extend(log_attributes(&task, arn, own_container));
        Ok(Self { attributes })
    }

    /// Puts the attributes into `resource`, in place of its own of the same keys.
    pub fn apply(&self, resource: &mut Resource) {
        resource.attributes.retain(|own| self.attributes.iter().all(|found| found.key != own.key));
        resource.attributes.extend_from_slice(&self.attributes);
    }

    /// The attributes, each key once.
    #[must_use]
    pub fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}

/// A cluster is told by its ARN or by its name.
fn cluster_arn(cluster: &str, task: TaskArn<'_>) -> String {
    let TaskArn { partition, region, account, .. } = task;
    if cluster.is_empty() || cluster.contains(':') {
        cluster.to_owned()
    } else {
        format!("arn:{partition}:ecs:{region}:{account}:cluster/{cluster}")
    }
}

/// Four arrays with one entry for each running container that writes to CloudWatch Logs; nothing where there is none.
fn log_attributes(task: &Task, arn: TaskArn<'_>, own_container: &str) -> Vec<KeyValue> {
    let logs: Vec<&LogOptions> = task
        .containers
        .readable
        .iter()
        .filter(|c| c.docker_id.as_str() != own_container)
        .filter_map(running_logs)
        .collect();
    if logs.is_empty() {
        return Vec::new();
    }
    let group_arn = |log: &LogOptions| {
        let (region, group) = (log.region.as_str(), log.group.as_str());
        format!("arn:{}:logs:{region}:{}:log-group:{group}", arn.partition, arn.account)
    };
    let stream_arn = |log: &LogOptions| format!("{}:log-stream:{}", group_arn(log), log.stream.as_str());
    let entries = |entry: &dyn Fn(&LogOptions) -> String| logs.iter().map(|log| entry(log)).collect();
    vec![
        texts("aws.log.group.names", entries(&|log| log.group.as_str().to_owned())),
        texts("aws.log.group.arns", entries(&group_arn)),
        texts("aws.log.stream.names", entries(&|log| log.stream.as_str().to_owned())),
        texts("aws.log.stream.arns", entries(&stream_arn)),
    ]
}

fn running_logs(container: &Container) -> Option<&LogOptions> {
    let runs = container.r#type.as_str() == "NORMAL" && container.known_status.as_str() == "RUNNING";
    let logs = container.log_options.read().filter(|_| runs && container.log_driver.as_str() == "awslogs")?;
    let says_nothing = logs.group.is_empty() && logs.region.is_empty() && logs.stream.is_empty();
    (!says_nothing).then_some(logs)
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value.to_owned())) }
}

fn texts(key: &str, values: Vec<String>) -> KeyValue {
    let values = values.into_iter().map(any).collect();
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::Array(ArrayValue { values })) }),
    }
}

fn any(text: String) -> AnyValue {
    AnyValue { value: Some(Value::String(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(identity: &Identity) -> Vec<(&str, String)> {
        let show = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Array(list) => {
                let texts = list.values.iter().map(|v| match &v.value {
                    Some(Value::String(text)) => text.as_str(),
                    other => panic!("{other:?}"),
                });
                texts.collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        };
        identity
            .attributes()
            .iter()
            .map(|a| (a.key.as_str(), a.value().map(show).unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_task_is_told_by_its_metadata_and_the_logs_of_its_running_containers() {
        let container = |id: &str, rest: &str| {
            format!(
                r#"{{"DockerId":"{id}","LogOptions":{{"awslogs-group":"/ecs/{id}","awslogs-region":"eu-west-1",
                "awslogs-stream":"s/{id}"}},{rest}}}"#
            )
        };
        let runs = r#""Type":"NORMAL","KnownStatus":"RUNNING","LogDriver":"awslogs""#;
        let containers = [
            container("app", runs),
            container("own", runs),
            container("web", runs),
            container("stopped", r#""Type":"NORMAL","KnownStatus":"STOPPED","LogDriver":"awslogs""#),
            container("pause", r#""Type":"CNI_PAUSE","KnownStatus":"RUNNING","LogDriver":"awslogs""#),
            container("other", r#""Type":"NORMAL","KnownStatus":"RUNNING","LogDriver":"json-file""#),
            format!(r#"{{"DockerId":"silent","LogOptions":{{}},{runs}}}"#),
        ];
        let json = format!(
            r#"{{"Cluster":"shop","TaskARN":"arn:aws:ecs:eu-west-1:1111:task/shop/t1","Family":"checkout",
            "AvailabilityZone":"eu-west-1b","LaunchType":"FARGATE","Containers":[{}]}}"#,
            containers.join(",")
        );
        let identity = Identity::from_task(json.as_bytes(), "own").unwrap();
        let want = [
            ("cloud.provider", "aws"),
            ("cloud.platform", "aws_ecs"),
            ("aws.ecs.task.arn", "arn:aws:ecs:eu-west-1:1111:task/shop/t1"),
            ("aws.ecs.task.family", "checkout"),
            ("aws.ecs.task.revision", ""),
            ("cloud.region", "eu-west-1"),
            ("cloud.account.id", "1111"),
            ("aws.ecs.task.id", "t1"),
            ("aws.ecs.cluster.arn", "arn:aws:ecs:eu-west-1:1111:cluster/shop"),
            ("cloud.availability_zone", "eu-west-1b"),
            ("aws.ecs.launchtype", "fargate"),
            ("aws.log.group.names", "/ecs/app /ecs/web"),
            (
                "aws.log.group.arns",
                "arn:aws:logs:eu-west-1:1111:log-group:/ecs/app arn:aws:logs:eu-west-1:1111:log-group:/ecs/web",
            ),
            ("aws.log.stream.names", "s/app s/web"),
            (
                "aws.log.stream.arns",
                "arn:aws:logs:eu-west-1:1111:log-group:/ecs/app:log-stream:s/app \
                 arn:aws:logs:eu-west-1:1111:log-group:/ecs/web:log-stream:s/web",
            ),
        ];
        assert_eq!(pairs(&identity), want.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn detected_values_replace_and_others_stay() {
        let json = br#"{"Cluster":"arn:aws-cn:ecs:cn-north-1:1:cluster/c","TaskARN":"arn:aws-cn:ecs:cn-north-1:1:task/c/t"}"#;
        let identity = Identity::from_task(json, "").unwrap();
        let own =
            [text("service.name", "web"), text("cloud.region", "mars"), text("aws.log.group.names", "mine")];
        let mut resource = Resource { attributes: own.to_vec() };
        identity.apply(&mut resource);
        let applied = Identity { attributes: resource.attributes };
        let all = pairs(&applied).into_iter();
        let regions: Vec<_> = all.clone().filter(|(key, _)| *key == "cloud.region").map(|(_, v)| v).collect();
        assert_eq!(regions, ["cn-north-1"]);
        let kept: Vec<_> =
            all.clone().filter(|(key, _)| key.starts_with("service") || key.contains("log")).collect();
        assert_eq!(kept, [("service.name", "web".into()), ("aws.log.group.names", "mine".into())]);
        assert!(
            all.clone()
                .any(|(key, v)| key == "aws.ecs.cluster.arn" && v == "arn:aws-cn:ecs:cn-north-1:1:cluster/c")
        );
    }
}
