//! Which metrics become series.

use std::{collections::BTreeSet, str::FromStr};

use super::metrics::{self, METRICS};

/// What ADOT's built-in ECS configurations let through.
const ADOT: [&str; 9] = [
    "ecs.task.memory.reserved",
    "ecs.task.memory.utilized",
    "ecs.task.cpu.reserved",
    "ecs.task.cpu.utilized",
    "ecs.task.network.rate.rx",
    "ecs.task.network.rate.tx",
    "ecs.task.storage.read_bytes",
    "ecs.task.storage.write_bytes",
    "container.duration",
];

/// Which metrics become series, by OTLP name (`ecs.task.cpu.utilized`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MetricFilter {
    /// The nine that ADOT's built-in ECS configurations let through.
    #[default]
    Adot,
    /// All.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl MetricFilter {
    /// Whether the metric of this OTLP name passes.
    pub(super) fn keeps(&self, name: &str) -> bool {
        match self {
            Self::Adot => ADOT.contains(&name),
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl FromStr for MetricFilter {
    type Err = UnknownMetric;

    /// Reads `default`, `all`, or a list of OTLP names with commas between.
    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        match text.trim() {
            "default" => Ok(Self::Adot),
            "all" => Ok(Self::All),
            list => list.split(',').map(known_name).collect::<Result<_, _>>().map(Self::Only),
        }
    }
}

fn known_name(name: &str) -> Result<String, UnknownMetric> {
    let name = name.trim();
    if metrics::is_known(name) { Ok(name.to_owned()) } else { Err(UnknownMetric(name.to_owned())) }
}

/// A text names no ECS metric.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no ECS metric; accepted: default, all, or a list with commas between of container.duration, \
     ecs.task.ephemeral_storage.utilized, ecs.task.ephemeral_storage.reserved, and container.NAME or ecs.task.NAME \
     with a NAME of {names}",
    names = METRICS.map(|metric| metric.name).join(", ")
)]
pub struct UnknownMetric(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_default_all_or_a_list_of_known_names() {
        let only = |names: &[&str]| Ok(MetricFilter::Only(names.iter().map(|n| (*n).to_owned()).collect()));
        for (text, want) in [
            ("default", Ok(MetricFilter::Adot)),
            (" all ", Ok(MetricFilter::All)),
            ("ecs.task.memory.usage", only(&["ecs.task.memory.usage"])),
            (
                "container.duration, container.cpu.onlines",
                only(&["container.duration", "container.cpu.onlines"]),
            ),
            ("ecs.task.ephemeral_storage.reserved", only(&["ecs.task.ephemeral_storage.reserved"])),
            ("container.ephemeral_storage.reserved", Err("container.ephemeral_storage.reserved")),
            ("ecs.task.duration", Err("ecs.task.duration")),
            ("ecs.task.memory.usage,", Err("")),
            ("ecs_task_memory_usage", Err("ecs_task_memory_usage")),
            ("", Err("")),
        ] {
            let want = want.map_err(|name: &str| UnknownMetric(name.to_owned()));
            assert_eq!(text.parse::<MetricFilter>(), want, "{text}");
        }
    }

    #[test]
    fn the_error_says_what_is_accepted() {
        let error = "x".parse::<MetricFilter>().unwrap_err().to_string();
        for part in ["\"x\"", "default", "all", "container.duration", "network.io.usage.tx_dropped"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn every_name_of_the_default_is_known() {
        for name in ADOT {
            assert!(metrics::is_known(name), "{name}");
        }
    }
}
