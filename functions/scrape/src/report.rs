//! What an invocation did: counted as it goes, one line at its end in CloudWatch's embedded metric format.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value, json};
use siphon_core::{
    emf::{self, Metric, Unit},
    units::UnixMillis,
};

/// How often, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<Cow<'static, str>, u64>);

impl Reasons {
    /// Counts `n` more for `reason`; nothing if `n` is 0.
    pub fn add(&mut self, reason: impl Into<Cow<'static, str>>, n: u64) {
        if n > 0 {
            *self.0.entry(reason.into()).or_default() += n;
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: Self) {
        for (reason, n) in other.0 {
            self.add(reason, n);
        }
    }

    /// Takes back what is counted elsewhere.
    pub fn remove(&mut self, reason: &str, n: u64) {
        if let Some(count) = self.0.get_mut(reason) {
            *count = count.saturating_sub(n);
        }
    }

    /// Reason and number.
    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'static, str>, u64)> {
        self.0.iter().map(|(reason, n)| (reason, *n))
    }

    /// The sum over all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How often for `reason`.
    #[must_use]
    pub fn get(&self, reason: &str) -> u64 {
        self.0.get(reason).copied().unwrap_or(0)
    }
}

/// The metrics whose samples were refused, by reason. Only the first few are told apart: any number may be bad.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Culprits(BTreeMap<(String, String), u64>);

/// Metrics told apart, of one drain.
const MOST_CULPRITS: usize = 16;

impl Culprits {
    /// Counts samples of `metric` that were refused for `reason`.
    pub fn add(&mut self, reason: &str, metric: &str, samples: u64) {
        let key = (reason.to_owned(), metric.to_owned());
        if samples > 0 && (self.0.len() < MOST_CULPRITS || self.0.contains_key(&key)) {
            *self.0.entry(key).or_default() += samples;
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: Self) {
        for ((reason, metric), samples) in other.0 {
            self.add(&reason, &metric, samples);
        }
    }

    /// Reason, metric, samples.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.0.iter().map(|((reason, metric), samples)| (reason.as_str(), metric.as_str(), *samples))
    }
}

/// What was done. A number counts once what is behind it is certain: a sample when it is stored, a loss when the
/// record that holds it has been dealt with for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Agents that handed out a page.
    pub agents: u64,
    /// Pages pulled.
    pub pages: u64,
    /// Records dealt with for good.
    pub records: u64,
    /// Samples that Prometheus stored.
    pub samples: u64,
    /// Segment documents that X-Ray took.
    pub segments: u64,
    /// Spans that X-Ray's OTLP endpoint took.
    pub spans: u64,
    /// Documents that went out shortened, since X-Ray would have refused them at their length.
    pub segments_shortened: u64,
    /// Documents that X-Ray refused and that went again under a cleaned name.
    pub segments_renamed: u64,
    /// Samples that Prometheus refused for good, by status.
    pub samples_rejected: Reasons,
    /// Of those, the metrics that are known.
    pub culprits: Culprits,
    /// Documents that X-Ray refused for good, by code.
    pub segments_rejected: Reasons,
    /// Spans that X-Ray's OTLP endpoint refused for good, by status.
    pub spans_rejected: Reasons,
    /// Samples and data points that were not sent.
    pub samples_dropped: Reasons,
    /// Samples that were sent with less than they had, since Prometheus would have refused them: fewer or shorter labels,
    /// or a lower resolution.
    pub samples_trimmed: Reasons,
    /// Exemplars that were not sent.
    pub exemplars_dropped: Reasons,
    /// Spans that were not sent.
    pub spans_dropped: Reasons,
    /// Records that could not be read, by kind.
    pub records_bad: Reasons,
    /// Agents whose drain ended with an error, before the first page or later.
    pub agents_failed: Reasons,
    /// Acks that did not arrive: what they named will be written again.
    pub acks_failed: Reasons,
    /// Writes given up for now: the data stays with the agent.
    pub writes_failed: Reasons,
    /// What X-Ray did not say of sampling, or an agent did not take. No telemetry hangs on it.
    pub sampling_failed: Reasons,
    /// Messages without a shard to scrape: unreadable or stale.
    pub messages_skipped: Reasons,
    /// Tasks whose change of state asked for no drain, or whose agent had ended before it.
    pub tasks_skipped: Reasons,
    /// Sums that do not hold: an agent's, over the records of a kind (`agent`), or this function's, over what became of a
    /// delivery (`delivery`). One is a fault in Siphon.
    pub ledger_unbalanced: Reasons,
    /// Milliseconds from a record's arrival in its agent to its being stored.
    pub freshness: Vec<u64>,
}

impl Tally {
    /// Adds another's counts.
    pub fn merge(&mut self, other: Self) {
        self.agents += other.agents;
        self.pages += other.pages;
        self.records += other.records;
        self.samples += other.samples;
        self.segments += other.segments;
        self.spans += other.spans;
        self.segments_shortened += other.segments_shortened;
        self.segments_renamed += other.segments_renamed;
        self.samples_rejected.merge(other.samples_rejected);
        self.culprits.merge(other.culprits);
        self.segments_rejected.merge(other.segments_rejected);
        self.spans_rejected.merge(other.spans_rejected);
        self.samples_dropped.merge(other.samples_dropped);
        self.samples_trimmed.merge(other.samples_trimmed);
        self.exemplars_dropped.merge(other.exemplars_dropped);
        self.spans_dropped.merge(other.spans_dropped);
        self.records_bad.merge(other.records_bad);
        self.agents_failed.merge(other.agents_failed);
        self.acks_failed.merge(other.acks_failed);
        self.writes_failed.merge(other.writes_failed);
        self.sampling_failed.merge(other.sampling_failed);
        self.messages_skipped.merge(other.messages_skipped);
        self.tasks_skipped.merge(other.tasks_skipped);
        self.ledger_unbalanced.merge(other.ledger_unbalanced);
        self.freshness.extend(other.freshness);
    }

    fn reasons(&self) -> [(&'static str, &'static str, &Reasons); 15] {
        [
            ("SamplesRejected", "samples_rejected", &self.samples_rejected),
            ("SegmentsRejected", "segments_rejected", &self.segments_rejected),
            ("SpansRejected", "spans_rejected", &self.spans_rejected),
            ("SamplesDropped", "samples_dropped", &self.samples_dropped),
            ("SamplesTrimmed", "samples_trimmed", &self.samples_trimmed),
            ("ExemplarsDropped", "exemplars_dropped", &self.exemplars_dropped),
            ("SpansDropped", "spans_dropped", &self.spans_dropped),
            ("RecordsBad", "records_bad", &self.records_bad),
            ("AgentsFailed", "agents_failed", &self.agents_failed),
            ("AcksFailed", "acks_failed", &self.acks_failed),
            ("WritesFailed", "writes_failed", &self.writes_failed),
            ("SamplingFailed", "sampling_failed", &self.sampling_failed),
            ("MessagesSkipped", "messages_skipped", &self.messages_skipped),
            ("TasksSkipped", "tasks_skipped", &self.tasks_skipped),
            ("LedgerUnbalanced", "ledger_unbalanced", &self.ledger_unbalanced),
        ]
    }

    /// The line, without a newline. Freshness is left out where nothing was stored.
    #[must_use]
    pub fn line(&self, at: UnixMillis) -> String {
        let count = |name, value| Metric { name, unit: Unit::Count, value };
        let mut metrics = vec![
            count("Agents", self.agents),
            count("Pages", self.pages),
            count("Records", self.records),
            count("Samples", self.samples),
            count("Segments", self.segments),
            count("Spans", self.spans),
            count("SegmentsShortened", self.segments_shortened),
            count("SegmentsRenamed", self.segments_renamed),
        ];
        let mut details = Map::new();
        details.insert("function".to_owned(), Value::from("scrape"));
        for (metric, detail, reasons) in self.reasons() {
            metrics.push(count(metric, reasons.total()));
            if reasons.total() > 0 {
                details.insert(detail.to_owned(), json!(reasons.0));
            }
        }
        let culprits: Vec<_> = self.culprits.iter().collect();
        if !culprits.is_empty() {
            let named =
                |(reason, metric, samples)| json!({ "reason": reason, "metric": metric, "samples": samples });
            details.insert("refused_metrics".to_owned(), culprits.into_iter().map(named).collect());
        }
        let millis = |name, value| Metric { name, unit: Unit::Milliseconds, value };
        metrics.extend(self.freshness(50).map(|value| millis("FreshnessP50", value)));
        metrics.extend(self.freshness(100).map(|value| millis("FreshnessMax", value)));
        emf::line(at, &metrics, details)
    }

    /// The freshness that `percent` of all records have, or better (nearest rank).
    fn freshness(&self, percent: usize) -> Option<u64> {
        let mut sorted = self.freshness.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_holds_totals_as_metrics_and_reasons_as_details() {
        let mut tally = Tally { agents: 2, samples: 7, freshness: vec![30, 10, 20, 40], ..Tally::default() };
        tally.agents_failed.add("timeout", 2);
        let mut other = Tally { agents: 1, freshness: vec![1000], ..Tally::default() };
        other.agents_failed.add("timeout", 1);
        other.agents_failed.add("leased", 1);
        tally.merge(other);
        let line: Value = serde_json::from_str(&tally.line(UnixMillis(9))).unwrap();
        assert_eq!(
            (&line["Agents"], &line["Samples"], &line["AgentsFailed"]),
            (&json!(3), &json!(7), &json!(4))
        );
        assert_eq!(line["agents_failed"], json!({ "timeout": 3, "leased": 1 }));
        assert_eq!((&line["FreshnessP50"], &line["FreshnessMax"]), (&json!(30), &json!(1000)));
        assert!(line.get("samples_rejected").is_none());
    }

    #[test]
    fn nothing_stored_has_no_freshness() {
        let line: Value = serde_json::from_str(&Tally::default().line(UnixMillis(9))).unwrap();
        assert!(line.get("FreshnessP50").is_none());
        assert_eq!(line["Samples"], 0);
    }
}
