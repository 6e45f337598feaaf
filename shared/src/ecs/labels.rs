//! The labels of a task's and a container's series: the OpenTelemetry resource attributes of the receiver
//! `awsecscontainermetrics`, under the names that they have in Prometheus.
//!
//! Some of them tell a state, such as when a container started: with it the series changes. The metrics that ADOT doesn't
//! have go without these, so that a count of restarts goes on when the container starts again.

use super::{
    image::ImageRef,
    task::{Container, Task, TaskArn},
};
use crate::series::LabelSet;

/// Labels of a task; its containers have them too.
pub(super) fn of_task(task: &Task) -> LabelSet {
    task_name(task).into_iter().chain(task_state(task)).collect()
}

/// Labels of a container, with its task's.
pub(super) fn of_container(task: &Task, container: &Container) -> LabelSet {
    let exit_code = container.exit_code.read().map(i64::to_string).unwrap_or_default();
    let state = [
        ("aws_ecs_container_created_at", container.created_at.as_str()),
        ("aws_ecs_container_started_at", container.started_at.as_str()),
        ("aws_ecs_container_finished_at", container.finished_at.as_str()),
        ("aws_ecs_container_know_status", container.known_status.as_str()), // "know": as the receiver spells it
        ("aws_ecs_container_exit_code", &exit_code),
    ];
    let own = container_name(container).into_iter().chain(state);
    own.chain(task_name(task)).chain(task_state(task)).collect()
}

/// Labels that a container which has stopped had before that.
pub(super) fn while_running(task: &Task, container: &Container) -> LabelSet {
    let state = [
        ("aws_ecs_container_created_at", container.created_at.as_str()),
        ("aws_ecs_container_started_at", container.started_at.as_str()),
        ("aws_ecs_container_know_status", "RUNNING"),
    ];
    let own = container_name(container).into_iter().chain(state);
    own.chain(task_name(task)).chain(task_state(task)).collect()
}

/// Labels that stay as they are as long as the task is there: no times, no status.
pub(super) fn naming_task(task: &Task) -> LabelSet {
    task_name(task).into_iter().collect()
}

/// Labels that stay as they are when the container starts, stops, or starts again, with its task's.
pub(super) fn naming_container(task: &Task, container: &Container) -> LabelSet {
    container_name(container).into_iter().chain(task_name(task)).collect()
}

/// An empty value leaves the label out.
fn container_name(container: &Container) -> [(&'static str, &str); 6] {
    let image = ImageRef::parse(container.image.as_str()).unwrap_or_default();
    [
        ("container_name", container.name.as_str()),
        ("container_id", container.docker_id.as_str()),
        ("aws_ecs_docker_name", container.docker_name.as_str()),
        ("container_image_name", image.repository),
        ("container_image_tag", image.tag),
        ("aws_ecs_container_image_id", container.image_id.as_str()),
    ]
}

fn task_name(task: &Task) -> [(&'static str, &str); 12] {
    let arn = TaskArn::parse(task.arn.as_str());
    [
        ("aws_ecs_cluster_name", cluster_name(task.cluster.as_str())),
        ("aws_ecs_task_arn", task.arn.as_str()),
        ("aws_ecs_task_id", arn.id),
        ("aws_ecs_task_family", task.family.as_str()),
        ("aws_ecs_task_version", task.revision.as_str()),
        ("aws_ecs_task_revision", task.revision.as_str()),
        ("aws_ecs_service_name", task.service_name.as_str()),
        ("cloud_availability_zone", task.availability_zone.as_str()),
        ("aws_ecs_task_launch_type", task.launch_type.as_str()),
        ("aws_ecs_launchtype", task.known_launch_type().unwrap_or_default()),
        ("cloud_region", arn.region),
        ("cloud_account_id", arn.account),
    ]
}

fn task_state(task: &Task) -> [(&'static str, &str); 3] {
    [
        ("aws_ecs_task_pull_started_at", task.pull_started_at.as_str()),
        ("aws_ecs_task_pull_stopped_at", task.pull_stopped_at.as_str()),
        ("aws_ecs_task_known_status", task.known_status.as_str()),
    ]
}

/// A cluster is told by its name or by its ARN.
fn cluster_name(cluster: &str) -> &str {
    let name = cluster.starts_with("arn:aws").then(|| cluster.rsplit('/').next()).flatten();
    name.unwrap_or(cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_arn_gives_its_name() {
        for (cluster, want) in [
            ("arn:aws:ecs:eu-west-1:1:cluster/shop", "shop"),
            ("arn:aws-cn:ecs:cn-north-1:1:cluster/shop", "shop"),
            ("arn:aws:ecs:eu-west-1:1:cluster", "arn:aws:ecs:eu-west-1:1:cluster"),
            ("default", "default"),
            ("a/b", "a/b"),
            ("", ""),
        ] {
            assert_eq!(cluster_name(cluster), want);
        }
    }

    #[test]
    fn what_is_unknown_has_no_label() {
        let task = Task::parse(
            br#"{"TaskARN":"arn:aws-us-gov:ecs:us-gov-west-1:1:task/c/t","LaunchType":"EXTERNAL"}"#,
        );
        let labels = of_task(&task.unwrap());
        assert_eq!(
            labels.iter().collect::<Vec<_>>(),
            [
                ("aws_ecs_task_arn", "arn:aws-us-gov:ecs:us-gov-west-1:1:task/c/t"),
                ("aws_ecs_task_id", "t"),
                ("aws_ecs_task_launch_type", "EXTERNAL"),
                ("cloud_account_id", "1"),
                ("cloud_region", "us-gov-west-1"),
            ]
        );
    }
}
