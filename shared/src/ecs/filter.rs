//! Which metrics become series.

use std::{collections::BTreeSet, str::FromStr};

use super::{
    metrics::{self, METRICS},
    state,
};

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
    /// All: ADOT's, and those that it doesn't have.
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

    /// Reads `default`, `all`, or a list with commas between of OTLP names, `default`, and `state` for those that ADOT
    /// doesn't have.
    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        match text.trim() {
            "default" => Ok(Self::Adot),
            "all" => Ok(Self::All),
            list => {
                let names: Vec<_> = list.split(',').map(named).collect::<Result<_, _>>()?;
                Ok(Self::Only(names.into_iter().flatten().collect()))
            }
        }
    }
}

/// The metrics that one entry of a list stands for.
fn named(entry: &str) -> Result<Vec<String>, UnknownMetric> {
    match entry.trim() {
        "default" => Ok(ADOT.map(str::to_owned).to_vec()),
        "state" => Ok(state::names().map(str::to_owned).collect()),
        name => known_name(name).map(|name| vec![name]),
    }
}

fn known_name(name: &str) -> Result<String, UnknownMetric> {
    if metrics::is_known(name) { Ok(name.to_owned()) } else { Err(UnknownMetric(name.to_owned())) }
}

/// A text names no ECS metric.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no ECS metric; accepted: all, or a list with commas between of default, state, container.duration, \
     ecs.task.ephemeral_storage.utilized, ecs.task.ephemeral_storage.reserved, {state}, and container.NAME or \
     ecs.task.NAME with a NAME of {names}",
    state = state::names().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", "),
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
            ("container.restarts", only(&["container.restarts"])),
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
    fn a_list_may_hold_whole_groups() {
        let keeps = |text: &str, name| text.parse::<MetricFilter>().unwrap().keeps(name);
        for (name, of_default, of_state) in [
            ("ecs.task.cpu.utilized", true, false),
            ("container.duration", true, false),
            ("container.restarts", false, true),
            ("container.exit_code", false, true),
            ("container.health.status", false, true),
            ("ecs.task.clock_drift.error_bound", false, true),
            ("ecs.task.clock_drift.synchronized", false, true),
            ("ecs.task.memory.usage", false, false),
        ] {
            assert_eq!((keeps("default", name), keeps("state", name)), (of_default, of_state), "{name}");
            assert_eq!(keeps("default, state", name), of_default || of_state, "{name}");
            assert!(keeps("all", name), "{name}");
        }
        assert!(keeps("state,ecs.task.memory.usage", "ecs.task.memory.usage"));
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
