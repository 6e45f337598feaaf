//! Where a span ran, from its resource: the greater part of the `aws` block.

use super::attributes::{Attributes, find_last, item, text};
use super::call::call;
use super::document::Aws;
use super::json::{Json, Object};
use crate::otlp::view::values::{Attribute, Value};

/// What the resource tells, written once.
#[derive(Debug)]
pub(super) struct Place {
    /// The first fields of the block.
    fields: Vec<u8>,
    account_id: Option<String>,
}

impl Place {
    /// None if the resource runs in another cloud. `log_groups` count where the resource names none.
    pub(super) fn of(resource: &[Attribute<'_>], log_groups: &[String]) -> Option<Self> {
        let get = |key| find_last(resource, key).map(text).filter(|text| !text.is_empty());
        if get("cloud.provider").is_some_and(|provider| provider != "aws") {
            return None;
        }
        let platform = get("cloud.platform");
        let mut fields = Vec::new();
        Object::open(&mut fields)
            .some("elastic_beanstalk", Beanstalk::of(platform, get).as_ref())
            .some("cloudwatch_logs", cloudwatch_logs(resource, log_groups).as_deref())
            .some("ecs", Ecs::of(platform, resource).as_ref())
            .some("ec2", Ec2::of(platform, get).as_ref())
            .some("eks", Eks::of(platform, get).as_ref())
            .field("xray", &Sdk::of(resource));
        Some(Self { fields, account_id: get("cloud.account.id").map(str::to_owned) })
    }

    /// The block of one span.
    pub(super) fn block<'a>(&'a self, attributes: Attributes<'a>) -> Aws<'a> {
        Aws { place: &self.fields, call: call(self.account_id.as_deref(), attributes) }
    }
}

/// Which SDK recorded the span.
struct Sdk<'a> {
    sdk: Option<String>,
    sdk_version: Option<&'a str>,
    auto_instrumentation: bool,
}

impl Json for Sdk<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .some("sdk", self.sdk.as_deref())
            .some("sdk_version", self.sdk_version)
            .field("auto_instrumentation", &self.auto_instrumentation)
            .end();
    }
}

impl<'a> Sdk<'a> {
    fn of(resource: &[Attribute<'a>]) -> Self {
        let get = |key| find_last(resource, key).map(text).filter(|text| !text.is_empty());
        let sdk = match (get("telemetry.sdk.name"), get("telemetry.sdk.language")) {
            (Some(name), Some(language)) => Some(format!("{name} for {language}")),
            (name, _) => name.map(str::to_owned),
        };
        // Of the older key and the newer one the later counts, even if it says nothing.
        let is_agent = |key| matches!(key, "telemetry.auto.version" | "telemetry.distro.version");
        let agent = resource.iter().rev().find(|attribute| is_agent(attribute.key)).map(text);
        let auto_instrumentation = agent.is_some_and(|version| !version.is_empty());
        Self { sdk, sdk_version: get("telemetry.sdk.version"), auto_instrumentation }
    }
}

/// A container of an ECS task.
struct Ecs<'a> {
    container: Option<&'a str>,
    container_id: Option<&'a str>,
    task_arn: Option<&'a str>,
    task_family: Option<&'a str>,
    cluster_arn: Option<&'a str>,
    container_arn: Option<&'a str>,
    availability_zone: Option<&'a str>,
    launch_type: Option<&'a str>,
}

impl Json for Ecs<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .some("container", self.container)
            .some("container_id", self.container_id)
            .some("task_arn", self.task_arn)
            .some("task_family", self.task_family)
            .some("cluster_arn", self.cluster_arn)
            .some("container_arn", self.container_arn)
            .some("availability_zone", self.availability_zone)
            .some("launch_type", self.launch_type)
            .end();
    }
}

impl<'a> Ecs<'a> {
    fn of(platform: Option<&str>, resource: &[Attribute<'a>]) -> Option<Self> {
        let get = |key| find_last(resource, key).map(text).filter(|text| !text.is_empty());
        let mut names = resource.iter().filter(|pair| pair.key == "container.name").map(text);
        (platform == Some("aws_ecs")).then(|| Self {
            container: names.find(|name| !name.is_empty()),
            container_id: get("container.id"),
            task_arn: get("aws.ecs.task.arn"),
            task_family: get("aws.ecs.task.family"),
            cluster_arn: get("aws.ecs.cluster.arn"),
            container_arn: get("aws.ecs.container.arn"),
            availability_zone: get("cloud.availability_zone"),
            launch_type: get("aws.ecs.launchtype"),
        })
    }
}

/// A virtual machine; what is unknown is null.
struct Ec2<'a> {
    instance_id: Option<&'a str>,
    availability_zone: Option<&'a str>,
    instance_size: Option<&'a str>,
    ami_id: Option<&'a str>,
}

impl Json for Ec2<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("instance_id", &self.instance_id)
            .field("availability_zone", &self.availability_zone)
            .field("instance_size", &self.instance_size)
            .field("ami_id", &self.ami_id)
            .end();
    }
}

impl<'a> Ec2<'a> {
    fn of(platform: Option<&str>, get: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        (platform == Some("aws_ec2") || get("host.id").is_some()).then(|| Self {
            instance_id: get("host.id"),
            availability_zone: get("cloud.availability_zone"),
            instance_size: get("host.type"),
            ami_id: get("host.image.id"),
        })
    }
}

/// A pod of Kubernetes, on EKS or elsewhere; what is unknown is null.
struct Eks<'a> {
    cluster_name: Option<&'a str>,
    pod: Option<&'a str>,
    container_id: Option<&'a str>,
}

impl Json for Eks<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("cluster_name", &self.cluster_name)
            .field("pod", &self.pod)
            .field("container_id", &self.container_id)
            .end();
    }
}

impl<'a> Eks<'a> {
    fn of(platform: Option<&str>, get: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        (platform == Some("aws_eks") || get("k8s.cluster.name").is_some()).then(|| Self {
            cluster_name: get("k8s.cluster.name"),
            pod: get("k8s.pod.name"),
            container_id: get("container.id"),
        })
    }
}

/// An environment of Elastic Beanstalk; what is unknown is null.
struct Beanstalk<'a> {
    environment_name: Option<&'a str>,
    version_label: Option<&'a str>,
    deployment_id: i64,
}

impl Json for Beanstalk<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("environment_name", &self.environment_name)
            .field("version_label", &self.version_label)
            .field("deployment_id", &self.deployment_id)
            .end();
    }
}

impl<'a> Beanstalk<'a> {
    fn of(platform: Option<&str>, get: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let deployment = get("service.instance.id").filter(|_| platform == Some("aws_elastic_beanstalk"))?;
        Some(Self {
            environment_name: get("service.namespace"),
            version_label: get("service.version"),
            deployment_id: deployment.parse().unwrap_or(0),
        })
    }
}

/// A log group; one without a name is null.
struct LogGroup<'a> {
    log_group: Option<&'a str>,
    arn: Option<&'a str>,
}

impl Json for LogGroup<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out).field("log_group", &self.log_group).some("arn", self.arn).end();
    }
}

impl<'a> LogGroup<'a> {
    fn named(name: &'a str) -> Self {
        Self { log_group: Some(name).filter(|name| !name.is_empty()), arn: None }
    }

    /// The name is the seventh field of `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`.
    fn arn(arn: &'a str) -> Self {
        Self {
            arn: Some(arn).filter(|arn| !arn.is_empty()),
            ..Self::named(arn.split(':').nth(6).unwrap_or(arn))
        }
    }
}

/// The first source that names a group: ARNs in the resource, names in the resource, the setting.
fn cloudwatch_logs<'a>(resource: &[Attribute<'a>], setting: &'a [String]) -> Option<Vec<LogGroup<'a>>> {
    let arns = listed(resource, "aws.log.group.arns");
    let names = listed(resource, "aws.log.group.names");
    let groups: Vec<LogGroup<'_>> = if !arns.is_empty() {
        arns.into_iter().map(LogGroup::arn).collect()
    } else if !names.is_empty() {
        names.into_iter().map(LogGroup::named).collect()
    } else {
        setting.iter().map(|name| LogGroup::named(name)).collect()
    };
    Some(groups).filter(|groups| !groups.is_empty())
}

/// A list, or a text in which `&` parts the entries: environment variables know no lists.
fn listed<'a>(resource: &[Attribute<'a>], key: &str) -> Vec<&'a str> {
    match find_last(resource, key).and_then(|list| list.value.as_ref()) {
        Some(Value::Array(list)) => list.iter().map(item).collect(),
        Some(Value::String(text)) => text.split('&').filter(|part| !part.is_empty()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{pair, pairs};
    use super::super::json::json;
    use super::*;

    fn place(resource: &[Attribute<'_>], log_groups: &[&str]) -> String {
        let log_groups: Vec<String> = log_groups.iter().map(ToString::to_string).collect();
        let Some(place) = Place::of(resource, &log_groups) else { return "none".into() };
        json(&place.block(Attributes::default())).replace(r#""xray":{"auto_instrumentation":false}"#, "X")
    }

    #[test]
    fn the_place_follows_from_the_resource() {
        for (resource, expected) in [
            (&[][..], "{X}"),
            (&[("cloud.provider", "")], "{X}"),
            (&[("cloud.provider", "gcp"), ("cloud.account.id", "1")], "none"),
            (&[("cloud.provider", "aws"), ("cloud.account.id", "1")], r#"{X,"account_id":"1"}"#),
            (&[("cloud.platform", "aws_ecs")], r#"{"ecs":{},X}"#),
            (
                &[
                    ("cloud.platform", "aws_ecs"),
                    ("container.name", ""),
                    ("container.name", "a"),
                    ("container.name", "b"),
                ],
                r#"{"ecs":{"container":"a"},X}"#,
            ),
            (
                &[("host.id", "i-1")],
                r#"{"ec2":{"instance_id":"i-1","availability_zone":null,"instance_size":null,"ami_id":null},X}"#,
            ),
            (
                &[("k8s.cluster.name", "c")],
                r#"{"eks":{"cluster_name":"c","pod":null,"container_id":null},X}"#,
            ),
            (&[("cloud.platform", "aws_elastic_beanstalk")], "{X}"),
            (
                &[("cloud.platform", "aws_elastic_beanstalk"), ("service.instance.id", "x")],
                r#"{"elastic_beanstalk":{"environment_name":null,"version_label":null,"deployment_id":0},X}"#,
            ),
            (&[("telemetry.sdk.name", "otel")], r#"{"xray":{"sdk":"otel","auto_instrumentation":false}}"#),
            (&[("telemetry.distro.version", "2")], r#"{"xray":{"auto_instrumentation":true}}"#),
            (
                &[("telemetry.distro.version", ""), ("telemetry.auto.version", "1")],
                r#"{"xray":{"auto_instrumentation":true}}"#,
            ),
            (&[("telemetry.auto.version", "1"), ("telemetry.distro.version", "")], "{X}"),
        ] {
            assert_eq!(place(&pairs(resource), &[]), expected, "{resource:?}");
        }
    }

    #[test]
    fn log_groups_come_from_the_first_source_that_has_some() {
        let arn = "arn:aws:logs:eu-west-1:1:log-group:/ecs/shop:*";
        let arns = pair("aws.log.group.arns", vec![arn]);
        let names = pair("aws.log.group.names", "a&&b");
        let none = pair("aws.log.group.arns", 7);
        let from_arn = format!(r#"{{"cloudwatch_logs":[{{"log_group":"/ecs/shop","arn":"{arn}"}}],X}}"#);
        assert_eq!(place(&[names.clone(), arns], &["c"]), from_arn);
        let from_names = r#"{"cloudwatch_logs":[{"log_group":"a"},{"log_group":"b"}],X}"#;
        assert_eq!(place(&[names, none.clone()], &["c"]), from_names);
        assert_eq!(place(&[none], &["c"]), r#"{"cloudwatch_logs":[{"log_group":"c"}],X}"#);
    }
}
