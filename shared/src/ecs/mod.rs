//! ECS metadata readings to series: the measurements of a task and its containers, and the identity of the task for
//! what its applications send.
//!
//! ```text
//!   /task ───► Task ──► labels, state ──────────┐
//!                └──► Limits, networks ─┐       ├──► Batch
//!   /task/stats ──► Stats ──► Usage ────┴─ METRICS
//! ```
//!
//! Names, units and formulas are those of the OpenTelemetry receiver `awsecscontainermetrics`, v0.156.0, so that
//! dashboards made for the ADOT sidecar keep working. Ours differ where theirs are wrong:
//!
//! - memory: with cgroup v2, which has no `cache`, the page cache is `inactive_file`;
//! - differences of counters end at 0 rather than wrap;
//! - storage: operations match in any case, as cgroup v2 spells them `read` and `write`;
//! - `ecs.task.network.*`: in a task of network mode `awsvpc` all containers see the same interface, which is counted
//!   once rather than once for each container;
//! - region, account and task id are found in every partition, not only in `aws`;
//! - an entry or field that can't be read (a container in `/task`, its stats, its health) counts as absent, costs no
//!   other, and is counted; so is a start or end of another age, which ADOT makes a duration of;
//! - there are more: restarts, exit codes, health and clock drift, as far as the answers have them (see [`MetricFilter`]).
//!
//! Field names are matched exactly as the endpoint spells them, not in any case as Go does: no version of it spells
//! them otherwise.

mod field;
mod filter;
mod identity;
mod image;
mod labels;
mod life;
mod metrics;
mod state;
mod stats;
mod task;
mod usage;

use std::{collections::BTreeMap, fmt};

pub use filter::{MetricFilter, UnknownMetric};
pub use identity::Identity;
use serde::{Deserialize, de::IgnoredAny};

use self::metrics::{Metrics, Sink};
use crate::{prometheus::Translation, series::LabelSets, units::UnixMillis, wire::Reading};

/// Which ECS metrics become series, and how they are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which metrics.
    pub filter: MetricFilter,
    /// Whether names end in their unit, as ADOT's do unless told otherwise.
    pub suffixes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: MetricFilter::default(), suffixes: true }
    }
}

/// Translates readings. It knows again the series that it has made: label sets are made once, not at every reading.
pub struct Translator {
    metrics: Metrics,
}

impl Translator {
    /// Names the metrics that `options` let through.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self { metrics: Metrics::new(options) }
    }

    /// One sample of each series at the time of the reading: of 26 metrics for each container with stats, of one for
    /// each stopped container, of 28 for the task, and of what else is known of their state, as far as the options let
    /// them through. Label sets go into `sets`: give the same one every time.
    ///
    /// The series of a container that ended lately get stale markers in place of samples.
    ///
    /// What can't be read is counted under one of the [`reason`]s, an entry or a field as one point: nobody knows how
    /// many there would have been.
    ///
    /// # Errors
    /// [`ReadingError`] if an answer as a whole is not the JSON object that it should be, or doesn't say of which task
    /// it is.
    pub fn translate(
        &mut self,
        reading: &Reading,
        at: UnixMillis,
        sets: &mut LabelSets,
    ) -> Result<Translation, ReadingError> {
        let task = task::Task::parse(&reading.task)?;
        if task.arn.is_empty() {
            return Err(ReadingError::no_task());
        }
        let stats = stats::StatsByContainer::parse(&reading.stats)?;
        let mut sink = Sink { at, sets, translation: Translation::default() };
        self.metrics.measure(&task, &stats, &mut sink);
        Ok(sink.translation)
    }
}

/// Why something of a reading is left out.
pub mod reason {
    /// A container's entry in `/task` can't be read.
    pub const CONTAINER: &str = "ecs_container";
    /// A container's entry in `/task/stats` can't be read.
    pub const STATS: &str = "ecs_stats";
    /// A field of a task or container is not what it should be: the samples that hang on it are missing.
    pub const FIELD: &str = "ecs_field";
    /// A container that has stopped did so, or was started, at no time or in another age.
    pub const TIME: &str = "ecs_time";
    /// A number became infinite.
    pub const VALUE: &str = "ecs_value";
}

/// An answer of the task metadata endpoint can't be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "task metadata: the answer of {document} is not what that path answers: {source}; this reading is lost, the next one \
     starts anew"
)]
pub struct ReadingError {
    document: Document,
    #[source]
    source: serde_json::Error,
}

impl ReadingError {
    fn no_task() -> Self {
        Self { document: Document::Task, source: serde::de::Error::missing_field("TaskARN") }
    }
}

/// Reads an answer that should be a JSON object. Serde alone would take an array for a struct too.
fn read_object<'a, T: Deserialize<'a>>(json: &'a [u8], document: Document) -> Result<T, ReadingError> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    let refused =
        if is_object { None } else { serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(json).err() };
    let read = refused.map_or_else(|| serde_json::from_slice(json), Err);
    read.map_err(|source| ReadingError { document, source })
}

/// Which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Document {
    Task,
    Stats,
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "/task",
            Self::Stats => "/task/stats",
        })
    }
}
