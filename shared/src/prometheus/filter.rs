//! Which resource attributes become labels.

use std::{collections::BTreeSet, convert::Infallible, str::FromStr, sync::LazyLock};

use super::labels::label_name;

/// Attributes that people group by. A task has one value of each, so that they add no series; what is left out are ids,
/// ARNs and facts about process, host and SDK, which nobody groups by and `target_info` tells all the same.
const CURATED: [&str; 15] = [
    // What it is.
    "service.namespace",
    "service.name",
    "service.version",
    "deployment.environment.name",
    "deployment.environment", // the older name of the same
    // Where it runs.
    "cloud.account.id",
    "cloud.region",
    "cloud.availability_zone",
    "aws.ecs.cluster.arn", // the task's metadata give no cluster name
    "aws.ecs.cluster.name",
    "aws.ecs.service.name",
    "aws.ecs.task.family",
    "aws.ecs.task.revision",
    "aws.ecs.launchtype",
    "container.name",
];

/// Tells one task's series from another's.
const TASK: &str = "aws.ecs.task.id";

/// Tell one process of a task from another, where none has an id of its own (`service.instance.id`).
const PROCESS: [&str; 3] = ["container.id", "host.name", "process.pid"];

/// Which resource attributes become labels of every series of the resource. `job`, `instance` and `target_info` are made
/// of all of them, whichever these are.
///
/// Whatever is left out, series of two tasks never become one: `aws.ecs.task.id` is always among the labels; and where
/// a resource has no `service.instance.id`, so are `container.id`, `host.name` and `process.pid`, as far as it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResourceFilter {
    /// All of them, as ADOT's ECS configurations have it.
    #[default]
    All,
    /// Those that people group by: service, version, environment, account, region, zone, cluster, ECS service, task
    /// family and revision, launch type, container.
    Curated,
    /// Those with these keys.
    Only(BTreeSet<String>),
}

impl ResourceFilter {
    /// Whether the attribute of this key becomes a label. `has_instance`: the resource has a `service.instance.id`.
    pub(super) fn admits(&self, key: &str, has_instance: bool) -> bool {
        let is_listed = match self {
            Self::All => return true,
            Self::Curated => CURATED.contains(&key),
            Self::Only(keys) => keys.contains(key),
        };
        is_listed || key == TASK || (!has_instance && PROCESS.contains(&key))
    }
}

impl FromStr for ResourceFilter {
    type Err = Infallible;

    /// Reads `all`, `curated`, or a list of attribute keys with commas between.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim() {
            "all" => Self::All,
            "curated" => Self::Curated,
            list => {
                let keys = list.split(',').map(str::trim).filter(|key| !key.is_empty());
                Self::Only(keys.map(str::to_owned).collect())
            }
        })
    }
}

/// Whether one of the curated attributes makes this label, or the one that tells tasks apart.
pub(crate) fn is_curated_label(label: &str) -> bool {
    static LABELS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let keys = CURATED.iter().chain([&TASK]);
        keys.filter_map(|key| label_name(key)).map(|label| label.into_owned()).collect()
    });
    LABELS.contains(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_all_curated_or_a_list() {
        let only = |keys: &[&str]| ResourceFilter::Only(keys.iter().map(|key| (*key).to_owned()).collect());
        for (text, want) in [
            ("all", ResourceFilter::All),
            (" curated ", ResourceFilter::Curated),
            ("cloud.region", only(&["cloud.region"])),
            ("team, service.name,", only(&["service.name", "team"])),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_tells_tasks_and_processes_apart_is_always_admitted() {
        let none = ResourceFilter::Only(BTreeSet::new());
        for filter in [&none, &ResourceFilter::Curated] {
            assert!(filter.admits("aws.ecs.task.id", true));
            assert!(filter.admits("process.pid", false) && !filter.admits("process.pid", true));
            assert!(!filter.admits("aws.ecs.task.arn", false));
        }
        assert!(!none.admits("service.name", false) && ResourceFilter::Curated.admits("service.name", true));
        assert!(ResourceFilter::All.admits("anything", true));
    }

    #[test]
    fn curated_labels_are_those_of_curated_attributes() {
        for (label, want) in [("service_name", true), ("aws_ecs_task_id", true), ("aws_ecs_task_arn", false)]
        {
            assert_eq!(is_curated_label(label), want, "{label}");
        }
    }
}
