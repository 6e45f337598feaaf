//! What became of the records that an ack names: counts for the agent, which outlive this function.

use std::{borrow::Cow, collections::BTreeMap};

use siphon_core::wire::{Count, MAX_EXPORTED, MAX_NAME_BYTES, Share};

use crate::{
    export::Completes,
    report::{Reasons, Tally},
};

/// Counts of [`siphon_core::wire::EXPORTED`] events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported(BTreeMap<Key, u64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    event: &'static str,
    kind: &'static str,
    reason: Cow<'static, str>,
    metric: String,
}

impl Exported {
    /// Adds what became of metrics: of these records, of which `tally` says what was done.
    pub fn metrics(&mut self, records: &Completes, tally: &Tally) {
        let kind = Share::Metrics.name();
        self.add("stored_samples", kind, "", "", tally.samples);
        let mut nameless = tally.samples_rejected.clone();
        // Agents count longer names as if they had none, and take no ack that is large.
        for (reason, metric, samples) in
            tally.culprits.iter().filter(|(_, metric, _)| metric.len() <= MAX_NAME_BYTES)
        {
            self.add("refused_samples", kind, reason.to_owned(), metric, samples);
            nameless.remove(reason, samples);
        }
        self.reasons("refused_samples", kind, &nameless);
        for dropped in [&records.dropped, &tally.samples_dropped] {
            for (reason, samples) in dropped.iter() {
                match reason.as_ref() {
                    "expired" => self.add("expired_samples", kind, "", "", samples),
                    _ => self.add("dropped_samples", kind, reason.clone(), "", samples),
                }
            }
        }
        self.unreadable(records);
    }

    /// Adds what became of traces.
    pub fn traces(&mut self, records: &Completes, tally: &Tally) {
        let kind = Share::Traces.name();
        self.add("stored_segments", kind, "", "", tally.segments);
        self.add("stored_spans", kind, "", "", tally.spans);
        self.reasons("refused_segments", kind, &tally.segments_rejected);
        self.reasons("refused_spans", kind, &tally.spans_rejected);
        self.reasons("dropped_spans", kind, &records.dropped);
        self.unreadable(records);
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: Self) {
        for (key, value) in other.0 {
            *self.0.entry(key).or_default() += value;
        }
    }

    /// As an ack brings them. Where there are more than it may bring, the last ones are added up under the reason `other`.
    #[must_use]
    pub fn counts(self) -> Vec<Count> {
        let mut told = Self::default();
        for (n, (mut key, value)) in self.0.into_iter().enumerate() {
            if n >= MAX_EXPORTED / 2 {
                (key.reason, key.metric) = (Cow::Borrowed("other"), String::new());
            }
            *told.0.entry(key).or_default() += value;
        }
        let count = |(key, value): (Key, u64)| Count {
            metric: key.metric.into(),
            ..Count::new(key.event, key.kind, key.reason, value)
        };
        told.0.into_iter().map(count).collect()
    }

    fn unreadable(&mut self, records: &Completes) {
        for bad in &records.bad {
            self.add("refused_records", bad.kind.name(), "unreadable", "", 1);
        }
    }

    fn reasons(&mut self, event: &'static str, kind: &'static str, reasons: &Reasons) {
        for (reason, value) in reasons.iter() {
            self.add(event, kind, reason.clone(), "", value);
        }
    }

    fn add(
        &mut self,
        event: &'static str,
        kind: &'static str,
        reason: impl Into<Cow<'static, str>>,
        metric: &str,
        value: u64,
    ) {
        if value > 0 {
            let key = Key { event, kind, reason: reason.into(), metric: metric.to_owned() };
            *self.0.entry(key).or_default() += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::wire::EXPORTED;

    use super::*;

    #[test]
    fn each_sample_is_in_one_count() {
        let mut tally = Tally { samples: 90, ..Tally::default() };
        tally.samples_rejected.add("out_of_order", 5);
        tally.culprits.add("out_of_order", "orders_total", 3);
        tally.samples_dropped.add("too_large", 1);
        let mut records = Completes::default();
        records.dropped.add("expired", 7);
        records.dropped.add("labels", 2);
        let mut exported = Exported::default();
        exported.metrics(&records, &tally);
        let counts = exported.counts();
        let named = |count: Count, metric: &'static str| Count { metric: metric.into(), ..count };
        assert_eq!(
            counts,
            [
                Count::new("dropped_samples", "metrics", "labels", 2),
                Count::new("dropped_samples", "metrics", "too_large", 1),
                Count::new("expired_samples", "metrics", "", 7),
                Count::new("refused_samples", "metrics", "out_of_order", 2),
                named(Count::new("refused_samples", "metrics", "out_of_order", 3), "orders_total"),
                Count::new("stored_samples", "metrics", "", 90),
            ]
        );
        assert!(counts.iter().all(|count| EXPORTED.contains(&count.event.as_ref())));
    }

    #[test]
    fn samples_of_a_metric_with_a_long_name_count_without_it() {
        let mut tally = Tally::default();
        tally.samples_rejected.add("labels", 5);
        tally.culprits.add("labels", &"x".repeat(MAX_NAME_BYTES + 1), 3);
        tally.culprits.add("labels", "short", 1);
        let mut exported = Exported::default();
        exported.metrics(&Completes::default(), &tally);
        let refused = |value| Count::new("refused_samples", "metrics", "labels", value);
        assert_eq!(exported.counts(), [refused(4), Count { metric: "short".into(), ..refused(1) }]);
    }

    #[test]
    fn an_ack_stays_small_and_nothing_is_left_out() {
        let mut tally = Tally { segments: 1, ..Tally::default() };
        (0..200).for_each(|n| tally.segments_rejected.add(format!("code-{n}"), 1));
        let mut exported = Exported::default();
        exported.traces(&Completes::default(), &tally);
        let counts = exported.counts();
        assert!(counts.len() <= MAX_EXPORTED);
        assert_eq!(counts.iter().map(|count| count.value).sum::<u64>(), 201);
    }
}
