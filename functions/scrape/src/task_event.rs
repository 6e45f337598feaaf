//! ECS Task State Change events: which agent is to be drained before its task ends.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use std::net::IpAddr;

use serde::Deserialize;
use siphon_core::shard::{Agent, Target};

/// The `detail-type` of these events.
pub const DETAIL_TYPE: &str = "ECS Task State Change";

/// Of the states before a task's network interface is taken away. In these its agent can be reached.
const REACHABLE: [&str; 3] = ["RUNNING", "DEACTIVATING", "STOPPING"];

/// The event, as far as it matters. Everything may be missing: fields are only ever added, but not in every state there.
#[derive(Debug, Deserialize)]
pub struct TaskStateChange {
    detail: Task,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: Option<String>,
    desired_status: Option<String>,
    last_status: Option<String>,
    containers: Option<Vec<Container>>,
    attachments: Option<Vec<Attachment>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: Option<String>,
    last_status: Option<String>,
    network_interfaces: Option<Vec<Interface>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interface {
    private_ipv4_address: Option<String>,
    ipv6_address: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    r#type: Option<String>,
    status: Option<String>,
    details: Option<Vec<Detail>>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    name: Option<String>,
    value: Option<String>,
}

/// Why an event asks for no drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It lacks the task's ARN.
    NoArn,
    /// None of the task's containers is the agent.
    NoAgent,
    /// The task is to run on.
    NotStopping,
    /// The task, or its agent, has ended.
    Ended,
    /// It tells no address: the task is in bridge or host network mode, or its network interface is gone.
    NoAddress,
}

impl Skip {
    /// The name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoArn => "no_arn",
            Self::NoAgent => "no_agent",
            Self::NotStopping => "not_stopping",
            Self::Ended => "ended",
            Self::NoAddress => "no_address",
        }
    }
}

impl TaskStateChange {
    /// Where the agent of the stopping task listens.
    ///
    /// # Errors
    /// [`Skip`] says why there is nothing to drain.
    pub fn target(&self, agent: &Agent) -> Result<Target, Skip> {
        let task = &self.detail;
        let task_arn = task.task_arn.clone().ok_or(Skip::NoArn)?;
        let container = task.containers().find(|container| container.name.as_ref() == Some(&agent.container));
        let container = container.ok_or(Skip::NoAgent)?;
        if task.desired_status.as_deref() != Some("STOPPED") {
            return Err(Skip::NotStopping);
        }
        let is_reachable = task.last_status.as_deref().is_some_and(|status| REACHABLE.contains(&status));
        if !is_reachable || container.last_status.as_deref() == Some("STOPPED") {
            return Err(Skip::Ended);
        }
        let address = task.address().ok_or(Skip::NoAddress)?;
        Ok(Target { task_arn, address, port: agent.port })
    }
}

impl Task {
    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().flatten()
    }

    /// The address of the task's network interface, IPv4 before IPv6. In `awsvpc` mode all containers share one
    /// interface, so any container's entry serves.
    fn address(&self) -> Option<IpAddr> {
        let interfaces =
            || self.containers().flat_map(|container| container.network_interfaces.iter().flatten());
        let attached = |name| self.attached().filter_map(move |attachment| attachment.detail(name));
        let v4 = interfaces().filter_map(|interface| interface.private_ipv4_address.as_deref());
        let v6 = interfaces().filter_map(|interface| interface.ipv6_address.as_deref());
        let attached_v6 = attached("privateIPv6Address").chain(attached("ipv6Address"));
        let all = v4.chain(attached("privateIPv4Address")).chain(v6).chain(attached_v6);
        all.filter_map(|text| text.parse().ok()).next()
    }

    /// Network interfaces, as events name the type; the API has another name.
    fn attached(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter().flatten().filter(|attachment| {
            matches!(attachment.r#type.as_deref(), Some("eni" | "ElasticNetworkInterface"))
                && attachment.status.as_deref() == Some("ATTACHED")
        })
    }
}

impl Attachment {
    fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().flatten().find(|detail| detail.name.as_deref() == Some(name))?.value.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/shop/0123456789abcdef0123456789abcdef";

    /// A Fargate task that is told to stop, as ECS tells it.
    fn event() -> Value {
        serde_json::from_str(include_str!("testdata/task-state-change.json")).unwrap()
    }

    fn target(event: Value) -> Result<String, Skip> {
        let agent = Agent { container: "siphon-agent".into(), port: 4319 };
        let change: TaskStateChange = serde_json::from_value(event).unwrap();
        change.target(&agent).map(|target| {
            assert_eq!((target.task_arn.as_str(), target.port), (ARN, 4319));
            target.address.to_string()
        })
    }

    /// The event after `change` to its detail.
    fn with(change: impl FnOnce(&mut Value)) -> Result<String, Skip> {
        let mut event = event();
        change(&mut event["detail"]);
        target(event)
    }

    #[test]
    fn a_stopping_task_is_a_target_in_each_state_before_its_interface_goes() {
        assert_eq!(target(event()), Ok("10.0.1.17".to_owned()));
        for status in REACHABLE {
            assert_eq!(with(|task| task["lastStatus"] = status.into()), Ok("10.0.1.17".to_owned()));
        }
        for status in ["DEPROVISIONING", "STOPPED"] {
            assert_eq!(with(|task| task["lastStatus"] = status.into()), Err(Skip::Ended), "{status}");
        }
        assert_eq!(with(|task| task["desiredStatus"] = "RUNNING".into()), Err(Skip::NotStopping));
        assert_eq!(with(|task| task["containers"][1]["lastStatus"] = "STOPPED".into()), Err(Skip::Ended));
    }

    #[test]
    fn the_address_is_that_of_a_container_or_of_the_attachment_and_ipv4_goes_first() {
        let no_interfaces = |task: &mut Value| {
            for container in task["containers"].as_array_mut().unwrap() {
                container.as_object_mut().unwrap().remove("networkInterfaces");
            }
        };
        assert_eq!(with(no_interfaces), Ok("10.0.1.17".to_owned()));
        let detached = |task: &mut Value| {
            no_interfaces(task);
            task["attachments"][0]["status"] = "DETACHING".into();
        };
        assert_eq!(with(detached), Err(Skip::NoAddress));
        let ipv6_only = |task: &mut Value| {
            no_interfaces(task);
            task["attachments"] = json!([]);
            task["containers"][0]["networkInterfaces"] = json!([{ "ipv6Address": "2001:db8::7" }]);
        };
        assert_eq!(with(ipv6_only), Ok("2001:db8::7".to_owned()));
        let both = |task: &mut Value| {
            task["containers"][1]["networkInterfaces"][0]["ipv6Address"] = "2001:db8::7".into();
        };
        assert_eq!(with(both), Ok("10.0.1.17".to_owned()));
    }

    #[test]
    fn a_task_without_agent_or_address_says_so_and_nothing_is_taken_for_granted() {
        assert_eq!(with(|task| task["containers"][1]["name"] = "envoy".into()), Err(Skip::NoAgent));
        // On EC2 in bridge mode there are ports of the host, but no interface of the task's own.
        let bridge = |task: &mut Value| {
            task["attachments"] = json!([]);
            task["launchType"] = "EC2".into();
            for container in task["containers"].as_array_mut().unwrap() {
                container["networkInterfaces"] = json!([]);
                container["networkBindings"] =
                    json!([{ "bindIP": "0.0.0.0", "containerPort": 4319, "hostPort": 32768 }]);
            }
        };
        assert_eq!(with(bridge), Err(Skip::NoAddress));
        assert_eq!(with(|task| task["taskArn"] = Value::Null), Err(Skip::NoArn));
        assert_eq!(target(json!({ "detail": {} })), Err(Skip::NoArn));
        assert_eq!(target(json!({ "detail": { "taskArn": ARN, "containers": null } })), Err(Skip::NoAgent));
        let rubbish = |task: &mut Value| {
            task["containers"][0]["networkInterfaces"] = json!([{}, { "privateIpv4Address": "soon" }]);
            task["containers"][1]["networkInterfaces"] = Value::Null;
            task["attachments"][0]["details"] =
                json!([{ "name": "privateIPv4Address" }, { "value": "lonely" }, {}]);
        };
        assert_eq!(with(rubbish), Err(Skip::NoAddress));
    }
}
