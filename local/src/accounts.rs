//! The books: what the receivers stored against what the agents took.
//!
//! | number | counted by | how |
//! |---|---|---|
//! | stored, repeated, rejected samples | the AMP receiver | one by one |
//! | stored, repeated, unprocessed segments | the X-Ray endpoint | by trace id and id |
//! | readings stored | the AMP receiver | distinct times of a task's `ecs_task_*` series: one reading gives one time |
//! | exports stored | the AMP receiver | distinct times of a task's `target_info`: one export gives one time |
//! | readings, exports, spans accepted | the agents | the ledger that each logs when it ends |
//! | freshness | the AMP receiver | a reading's time is that of its arrival in the agent |
//!
//! The marker that ends a series is a stored sample, but no reading and no export.
//!
//! What agents accepted and receivers do not have is lost, wherever it went. Nothing here knows what was sent.

mod distinct;
mod freshness;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use siphon_core::{
    units::UnixMillis,
    wire::{Count, Kind, imbalances},
};

use crate::{
    amp::{Labels, Reason},
    aws::xray::Segment,
    lock,
};
use distinct::{Seen, Times};
use freshness::Freshness;

/// The label that tells a series' task.
const TASK_ARN: &str = "aws_ecs_task_arn";

#[derive(Default)]
pub(crate) struct Accounts(Mutex<Books>);

#[derive(Default)]
struct Books {
    counts: Counts,
    rejected: BTreeMap<&'static str, u64>,
    unprocessed: BTreeMap<&'static str, u64>,
    tasks: HashMap<String, TaskBook>,
    segments: Seen,
    freshness: Freshness,
    /// Agents that ended without a ledger that adds up.
    unaccounted: u64,
}

/// What one task's data amounts to.
#[derive(Default)]
struct TaskBook {
    readings: Times,
    exports: Times,
    /// By event, kind and reason, such as `accepted_items` of kind `ecs`.
    ledger: HashMap<[String; 3], Counter>,
}

/// Totals of the receivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) samples_stored: u64,
    pub(crate) samples_repeated: u64,
    pub(crate) samples_rejected: u64,
    pub(crate) segments_stored: u64,
    pub(crate) segments_repeated: u64,
    pub(crate) segments_unprocessed: u64,
    pub(crate) segments_in_progress: u64,
    /// Requests that applications have told X-Ray of, by their sampling statistics.
    pub(crate) sampling_requests: u64,
    pub(crate) requests_refused: u64,
}

/// What agents took and no receiver has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) readings: u64,
    pub(crate) exports: u64,
    pub(crate) spans: u64,
}

/// A counter of an agent, which begins anew with each start of the agent.
#[derive(Default)]
struct Counter {
    earlier: u64,
    latest: u64,
}

impl Counter {
    fn observe(&mut self, value: u64) {
        if value < self.latest {
            self.earlier += self.latest;
        }
        self.latest = value;
    }

    const fn total(&self) -> u64 {
        self.earlier + self.latest
    }
}

impl TaskBook {
    /// What the agent took, by `event`, and what it had to let go at once.
    fn taken(&self, event: &str, kind: Kind) -> u64 {
        let total = |key: [&str; 3]| self.ledger.get(&key.map(str::to_owned)).map_or(0, Counter::total);
        total([event, kind.name(), ""]) + total(["dropped_records", kind.name(), "too_large"])
    }
}

impl Accounts {
    /// Samples of one series that were stored, and how many were repeats.
    pub(crate) fn stored(
        &self,
        labels: &Labels<'_>,
        stored: &[crate::amp::Point],
        repeated: u64,
        now: UnixMillis,
    ) {
        let books = &mut *lock(&self.0);
        books.counts.samples_stored += count(stored.len());
        books.counts.samples_repeated += repeated;
        let Some(task) = labels.get(TASK_ARN) else { return };
        let metric = labels.metric();
        let measured = || stored.iter().filter(|point| !point.is_stale());
        if metric.starts_with("ecs_task_") {
            let book = books.tasks.entry(task.to_owned()).or_default();
            for point in measured().filter(|point| book.readings.insert(point.at)) {
                books.freshness.observe(now.since(UnixMillis(point.at)));
            }
        } else if metric == "target_info" {
            let book = books.tasks.entry(task.to_owned()).or_default();
            for point in measured() {
                book.exports.insert(point.at);
            }
        } else if let Some(event) =
            metric.strip_prefix("siphon_agent_").and_then(|name| name.strip_suffix("_total"))
        {
            let book = books.tasks.entry(task.to_owned()).or_default();
            let label = |name| labels.get(name).unwrap_or_default();
            let counter = book.counter([event, label("kind"), label("reason")]);
            for value in measured().filter_map(|point| point.value()) {
                counter.observe(whole(value));
            }
        }
    }

    pub(crate) fn rejected(&self, reason: Reason, samples: u64) {
        let mut books = lock(&self.0);
        books.counts.samples_rejected += samples;
        *books.rejected.entry(reason.name()).or_default() += samples;
    }

    pub(crate) fn segment(&self, segment: &Segment) {
        let mut books = lock(&self.0);
        // The complete copy of a segment replaces the one in progress: that is no repeat.
        if segment.in_progress {
            books.counts.segments_in_progress += 1;
            return;
        }
        if books.segments.insert(&segment.trace_id, &segment.id) {
            books.counts.segments_stored += 1;
        } else {
            books.counts.segments_repeated += 1;
        }
    }

    pub(crate) fn unprocessed(&self, code: &'static str) {
        let mut books = lock(&self.0);
        books.counts.segments_unprocessed += 1;
        *books.unprocessed.entry(code).or_default() += 1;
    }

    pub(crate) fn sampling(&self, requests: u64) {
        lock(&self.0).counts.sampling_requests += requests;
    }

    /// A request that a receiver refused as a whole: its data stays with the agents.
    pub(crate) fn refused_request(&self) {
        lock(&self.0).counts.requests_refused += 1;
    }

    /// The ledger that `task`'s agent logged when it ended. One that does not add up tells nothing of what is lost.
    pub(crate) fn final_ledger(&self, task: &str, counts: &[Count]) {
        let mut books = lock(&self.0);
        if !imbalances(counts).is_empty() {
            books.unaccounted += 1;
        }
        let book = books.tasks.entry(task.to_owned()).or_default();
        for Count { event, kind, reason, value, .. } in counts {
            book.counter([event, kind, reason]).observe(*value);
        }
    }

    /// An agent ended without a word: what it had taken can't be known any more.
    pub(crate) fn no_ledger(&self) {
        lock(&self.0).unaccounted += 1;
    }

    /// Agents that ended without a ledger.
    pub(crate) fn unaccounted(&self) -> u64 {
        lock(&self.0).unaccounted
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.0).counts
    }

    /// Tasks of which at least one reading is stored.
    pub(crate) fn tasks(&self) -> usize {
        lock(&self.0).tasks.values().filter(|book| book.readings.count() > 0).count()
    }

    /// The readings of `task` that are stored.
    pub(crate) fn readings(&self, task: &str) -> u64 {
        lock(&self.0).tasks.get(task).map_or(0, |book| book.readings.count())
    }

    /// Records that agents dropped before anyone acknowledged them, as far as their ledgers have come through.
    pub(crate) fn dropped(&self) -> u64 {
        let books = lock(&self.0);
        let ledgers = books.tasks.values().flat_map(|book| &book.ledger);
        ledgers
            .filter(|([event, ..], _)| event == "dropped_records")
            .map(|(_, counter)| counter.total())
            .sum()
    }

    /// Meaningful when nothing is under way; before, what is on its way counts as missing.
    pub(crate) fn missing(&self) -> Missing {
        let books = lock(&self.0);
        let mut missing = Missing::default();
        let mut spans = 0;
        for book in books.tasks.values() {
            let readings = book.taken("accepted_items", Kind::Ecs);
            missing.readings += readings.saturating_sub(book.readings.count());
            let exports = book.taken("accepted_records", Kind::OtlpMetrics);
            missing.exports += exports.saturating_sub(book.exports.count());
            spans += book.taken("accepted_items", Kind::OtlpTraces);
            spans += book.taken("accepted_items", Kind::XraySegment);
        }
        // A span can give more than one document, never fewer.
        missing.spans =
            spans.saturating_sub(books.counts.segments_stored + books.counts.segments_in_progress);
        missing
    }

    /// Milliseconds that `quantile` of the readings took from their arrival in the agent until they were stored.
    pub(crate) fn freshness(&self, quantile: f64) -> Option<u64> {
        lock(&self.0).freshness.quantile(quantile)
    }

    /// Why samples and segments were refused, with counts: for people.
    pub(crate) fn refusals(&self) -> Vec<(String, u64)> {
        let books = lock(&self.0);
        let samples = books.rejected.iter().map(|(reason, n)| (format!("sample: {reason}"), *n));
        let segments = books.unprocessed.iter().map(|(code, n)| (format!("segment: {code}"), *n));
        samples.chain(segments).collect()
    }
}

impl TaskBook {
    fn counter(&mut self, key: [&str; 3]) -> &mut Counter {
        self.ledger.entry(key.map(str::to_owned)).or_default()
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// A counter's value, which Prometheus carries as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, checked for its range")]
fn whole(value: f64) -> u64 {
    if (0.0..9e15).contains(&value) { value as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use siphon_core::{remote_write::v1::Label, series::STALE};

    use super::*;
    use crate::amp::Point;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn store(accounts: &Accounts, metric: &str, kind: &str, samples: &[(i64, f64)]) {
        let pairs = [("__name__", metric), (TASK_ARN, "task"), ("kind", kind)];
        let labels = pairs.map(|(name, value)| Label { name: name.into(), value: value.into() });
        let points: Vec<_> = samples.iter().map(|(at, value)| Point::float(NOW.0 + at, *value)).collect();
        accounts.stored(&Labels::unchecked(&labels), &points, 0, NOW);
    }

    fn segment(id: &str) -> Segment {
        Segment { id: id.into(), trace_id: "t".into(), in_progress: false, document: serde_json::Value::Null }
    }

    #[test]
    fn what_agents_took_and_receivers_lack_is_missing() {
        let accounts = Accounts::default();
        store(&accounts, "siphon_agent_accepted_items_total", "ecs", &[(0, 2.0), (1, 3.0)]);
        store(&accounts, "siphon_agent_accepted_items_total", "otlp_traces", &[(0, 2.0)]);
        store(&accounts, "siphon_agent_accepted_records_total", "otlp_metrics", &[(0, 1.0)]);
        assert_eq!(accounts.missing(), Missing { readings: 3, exports: 1, spans: 2 });

        for metric in ["ecs_task_cpu_utilized_None", "ecs_task_memory_utilized_MiB"] {
            store(&accounts, metric, "", &[(-20, 1.0), (-10, 1.0)]);
        }
        store(&accounts, "target_info", "", &[(-5, 1.0)]);
        accounts.segment(&segment("a"));
        accounts.segment(&segment("a"));
        assert_eq!(accounts.missing(), Missing { readings: 1, exports: 0, spans: 1 });
        assert_eq!(accounts.counts().segments_repeated, 1);
        assert_eq!((accounts.tasks(), accounts.readings("task")), (1, 2));
        assert_eq!((accounts.freshness(0.5), accounts.freshness(0.99)), (Some(10), Some(20)));
    }

    #[test]
    fn a_ledger_that_does_not_add_up_is_none() {
        let accounts = Accounts::default();
        let count = |event: &'static str, value| Count::new(event, "ecs", "", value);
        accounts.final_ledger("task", &[count("accepted_records", 3), count("acked_records", 3)]);
        assert_eq!(accounts.unaccounted(), 0);
        accounts.final_ledger("task", &[count("accepted_records", 3), count("acked_records", 2)]);
        assert_eq!(accounts.unaccounted(), 1);
    }

    #[test]
    fn the_final_ledger_counts_on_and_a_restarted_agent_counts_anew() {
        let accounts = Accounts::default();
        let ledger = |value| {
            accounts.final_ledger("task", &[Count::new("accepted_items", "ecs", "", value)]);
        };
        store(&accounts, "siphon_agent_accepted_items_total", "ecs", &[(0, 5.0)]);
        ledger(7);
        assert_eq!(accounts.missing().readings, 7);
        ledger(2);
        assert_eq!(accounts.missing().readings, 9);
    }

    #[test]
    fn the_end_of_a_series_is_no_reading_and_no_count() {
        let accounts = Accounts::default();
        store(&accounts, "ecs_task_cpu_utilized_None", "", &[(-20, 1.0), (-19, STALE)]);
        store(&accounts, "siphon_agent_accepted_items_total", "ecs", &[(0, 3.0), (1, STALE)]);
        assert_eq!((accounts.readings("task"), accounts.missing().readings), (1, 2));
        assert_eq!(accounts.counts().samples_stored, 4);
    }

    #[test]
    fn a_segment_in_progress_and_its_completion_are_one() {
        let accounts = Accounts::default();
        accounts.segment(&Segment { in_progress: true, ..segment("a") });
        accounts.segment(&segment("a"));
        let counts = accounts.counts();
        assert_eq!((counts.segments_stored, counts.segments_repeated), (1, 0));
    }
}
