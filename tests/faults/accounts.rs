//! What acks say became of records, against what these records hold and what the receivers have of it.

use siphon_core::wire::{Count, Share};

use crate::{ledger::total, stored::Stored, view::Acked};

/// What became of the samples of some records, or of their spans and documents. The agent's own counters and the markers
/// that end series are among the former.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) stored: u64,
    refused: u64,
    expired: u64,
    dropped: u64,
}

impl Ends {
    /// Of the records of a share, as an ack or a ledger tells it.
    pub(crate) fn of(share: Share, counts: &[Count]) -> Self {
        let what = match share {
            Share::Metrics => ["stored_samples", "refused_samples", "expired_samples", "dropped_samples"],
            Share::Traces => ["stored_segments", "refused_segments", "", "dropped_spans"],
        };
        let [stored, refused, expired, dropped] = what.map(|event| total(counts, event, share.name()));
        Self { stored, refused, expired, dropped }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            stored: self.stored + other.stored,
            refused: self.refused + other.refused,
            expired: self.expired + other.expired,
            dropped: self.dropped + other.dropped,
        }
    }

    const fn total(self) -> u64 {
        self.stored + self.refused + self.expired + self.dropped
    }
}

impl Acked {
    /// What it says of a share.
    pub(crate) fn ends(&self, share: Share) -> Ends {
        Ends::of(share, &self.told)
    }

    /// What is wrong with what it says of records of `task`: each of their samples, documents and spans has one end.
    pub(crate) fn problems(&self, task: &str, stored: &Stored) -> Vec<String> {
        let sum = |count: &dyn Fn(&crate::view::Content) -> u64| self.contents.iter().map(count).sum::<u64>();
        let mut problems = Vec::new();
        let mut check = |what, is_right: bool, ends: Ends, due: u64| {
            if !is_right {
                let Self { contents, counters, is_stopping, .. } = self;
                let page =
                    format!("{} records, {counters} counters, stopping: {is_stopping}", contents.len());
                problems.push(format!("an ack tells of {ends:?}, but its records have {due} {what}: {page}"));
            }
        };
        let traces = self.ends(Share::Traces);
        let spans = sum(&|content| content.spans.len() as u64);
        check("documents", traces.total() == spans && traces.dropped == 0, traces, spans);

        let metrics = self.ends(Share::Metrics);
        let samples = sum(&|content| {
            let reading = content.reading.map_or(0, |at| stored.samples_of_reading(task, at));
            content.due.samples + reading
        });
        let added = metrics.total().checked_sub(samples);
        let is_right = if self.is_stopping {
            added.is_some_and(|added| added <= self.counters + stored.series_of(task))
        } else {
            added.is_some_and(|added| added == 0 || added == self.counters)
        };
        check("samples", is_right, metrics, samples);
        let expired = sum(&|content| content.due.expired);
        check("expired", metrics.expired == expired, metrics, expired);
        let ahead = sum(&|content| content.due.ahead);
        check("ahead", metrics.dropped == ahead, metrics, ahead);
        problems
    }
}
