//! A described task -> where its agent listens, or why it is no target.

use std::net::IpAddr;

use aws_sdk_ecs::types::{Attachment, Container, Task};
use siphon_core::shard::{Agent, Target};

/// Why a task is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// The answer lacks the task's ARN.
    NoArn,
    /// None of its containers is the agent. It never will be: a task's containers don't change.
    NoAgent,
    /// It hasn't started yet, or is about to end.
    NotRunning,
    /// It has no address yet, or none that the API tells (bridge and host network modes).
    NoAddress,
}

impl Skip {
    /// The name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoArn => "no_arn",
            Self::NoAgent => "no_agent",
            Self::NotRunning => "not_running",
            Self::NoAddress => "no_address",
        }
    }
}

/// Where the agent of `task` listens.
///
/// # Errors
/// [`Skip`] says why the task is no target.
pub fn target(task: &Task, agent: &Agent) -> Result<Target, Skip> {
    let task_arn = task.task_arn().ok_or(Skip::NoArn)?.to_owned();
    if !task.containers().iter().any(|c| c.name() == Some(&agent.container)) {
        return Err(Skip::NoAgent);
    }
    if task.last_status() != Some("RUNNING") {
        return Err(Skip::NotRunning);
    }
    let address = address(task).ok_or(Skip::NoAddress)?;
    Ok(Target { task_arn, address, port: agent.port })
}

/// The address of the task's network interface, IPv4 before IPv6. In `awsvpc` mode all containers share one
/// interface, so any container's entry serves.
fn address(task: &Task) -> Option<IpAddr> {
    let interfaces = || task.containers().iter().flat_map(Container::network_interfaces);
    let attached = || task.attachments().iter().filter(|a| is_attached_interface(a));
    let v4 = interfaces().filter_map(|i| i.private_ipv4_address());
    let v4_attached = attached().filter_map(|a| detail(a, "privateIPv4Address"));
    let v6 = interfaces().filter_map(|i| i.ipv6_address());
    v4.chain(v4_attached).chain(v6).find_map(|text| text.parse().ok())
}

fn is_attached_interface(attachment: &Attachment) -> bool {
    attachment.r#type() == Some("ElasticNetworkInterface") && attachment.status() == Some("ATTACHED")
}

fn detail<'a>(attachment: &'a Attachment, name: &str) -> Option<&'a str> {
    attachment.details().iter().find(|d| d.name() == Some(name))?.value()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{KeyValuePair, NetworkInterface};

    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/shop/0123456789abcdef0123456789abcdef";

    fn agent() -> Agent {
        Agent { container: "siphon-agent".into(), port: 4319 }
    }

    fn container(name: &str, interface: Option<NetworkInterface>) -> Container {
        Container::builder()
            .name(name)
            .set_network_interfaces(interface.map(|interface| vec![interface]))
            .build()
    }

    fn attachment(status: &str) -> Attachment {
        let detail = |name: Option<&str>, value: Option<&str>| {
            KeyValuePair::builder().set_name(name.map(Into::into)).set_value(value.map(Into::into)).build()
        };
        Attachment::builder()
            .r#type("ElasticNetworkInterface")
            .status(status)
            .details(detail(None, Some("lonely value")))
            .details(detail(Some("subnetId"), None))
            .details(detail(Some("privateIPv4Address"), Some("10.0.0.7")))
            .build()
    }

    fn task(container: Container) -> aws_sdk_ecs::types::builders::TaskBuilder {
        Task::builder().task_arn(ARN).last_status("RUNNING").containers(container)
    }

    fn found(task: Task) -> Result<String, Skip> {
        target(&task, &agent()).map(|target| target.address.to_string())
    }

    #[test]
    fn the_interface_of_any_container_gives_the_address() {
        let v4 = NetworkInterface::builder().private_ipv4_address("10.0.0.9").build();
        let both = task(container("siphon-agent", None)).containers(container("app", Some(v4))).build();
        assert_eq!(
            target(&both, &agent()),
            Ok(Target { task_arn: ARN.into(), address: [10, 0, 0, 9].into(), port: 4319 })
        );
    }

    #[test]
    fn ipv4_goes_before_ipv6_and_rubbish_is_passed_over() {
        let interface = |v4: Option<&str>| {
            NetworkInterface::builder()
                .set_private_ipv4_address(v4.map(Into::into))
                .ipv6_address("2001:db8::7")
                .build()
        };
        let with = |v4| task(container("siphon-agent", Some(interface(v4))));
        assert_eq!(found(with(Some("10.0.0.9")).build()), Ok("10.0.0.9".into()));
        assert_eq!(found(with(None).build()), Ok("2001:db8::7".into()), "an IPv6-only task has no IPv4 key");
        assert_eq!(found(with(Some("soon")).build()), Ok("2001:db8::7".into()));
        assert_eq!(found(with(None).attachments(attachment("ATTACHED")).build()), Ok("10.0.0.7".into()));
    }

    #[test]
    fn only_an_attached_interface_is_reachable() {
        let with = |status| task(container("siphon-agent", None)).attachments(attachment(status)).build();
        assert_eq!(found(with("ATTACHED")), Ok("10.0.0.7".into()));
        for status in ["PRECREATED", "ATTACHING", "DETACHED", "FAILED"] {
            assert_eq!(found(with(status)), Err(Skip::NoAddress), "{status}");
        }
    }

    #[test]
    fn a_task_that_is_no_target_says_why() {
        let agent = || container("siphon-agent", None);
        assert_eq!(found(task(container("app", None)).build()), Err(Skip::NoAgent));
        assert_eq!(found(task(Container::builder().build()).build()), Err(Skip::NoAgent));
        assert_eq!(found(task(agent()).last_status("PENDING").build()), Err(Skip::NotRunning));
        assert_eq!(found(task(agent()).set_last_status(None).build()), Err(Skip::NotRunning));
        assert_eq!(found(task(agent()).build()), Err(Skip::NoAddress));
        assert_eq!(found(task(agent()).set_task_arn(None).build()), Err(Skip::NoArn));
    }
}
