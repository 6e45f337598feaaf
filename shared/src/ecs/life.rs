//! When a container started and ended.

use jiff::Timestamp;

use super::task::Container;
use crate::units::UnixMillis;

/// A container that ended longer ago was told to have ended by an earlier reading, three at the usual interval.
const LATELY_MS: i64 = 60_000;

pub(super) fn has_stopped(container: &Container) -> bool {
    [&container.started_at, &container.finished_at].into_iter().all(|time| !is_never(time.as_str()))
}

/// Whether it ended so short before `at` that a reading before that may have seen it run.
pub(super) fn ended_lately(container: &Container, at: UnixMillis) -> bool {
    let ago = |time: Timestamp| at.since(UnixMillis(time.as_millisecond()));
    parse(container.finished_at.as_str(), at).is_some_and(|end| (0..LATELY_MS).contains(&ago(end)))
}

/// From start to finish; `None` where either is no time of this age. Negative where the clock was odd.
pub(super) fn duration_seconds(container: &Container, at: UnixMillis) -> Option<f64> {
    let started = parse(container.started_at.as_str(), at)?;
    let finished = parse(container.finished_at.as_str(), at)?;
    Some(finished.duration_since(started).as_secs_f64())
}

/// Docker writes year 1 for "never".
fn is_never(time: &str) -> bool {
    time.is_empty() || time.starts_with("0001-01-01T00:00:00")
}

/// No container of today has started ten years ago, or will tomorrow.
fn parse(time: &str, at: UnixMillis) -> Option<Timestamp> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let time: Timestamp = time.parse().ok()?;
    (-DAY_MS..=3650 * DAY_MS).contains(&at.since(UnixMillis(time.as_millisecond()))).then_some(time)
}
