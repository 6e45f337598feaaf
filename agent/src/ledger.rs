//! What the agent has counted since its start: the events of [`siphon_core::wire::Count`].

mod exported;

use std::collections::BTreeMap;

use exported::Exported;
use siphon_core::{
    otlp::delta,
    wire::{Count, Kind, RefusalCode, Share},
};

use crate::{
    net,
    receivers::{metadata::Failure, prometheus},
    spool::{NotStored, Recovered, Spool, Tally},
};

/// Counters. Nearly all names are fixed, and others' are limited in number, so that it can't grow.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What each record changes: not worth a search in the map.
    accepted_records: Tally,
    accepted_items: Tally,
    /// What pullers say.
    exported: Exported,
    /// Everything else, by event, kind and reason.
    others: BTreeMap<(&'static str, &'static str, &'static str), u64>,
}

/// Why records are accepted that nobody sends: an agent before this one had them.
const RECOVERED: &str = "recovered";

/// Why records are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Newer ones needed the room.
    SpoolFull,
    /// Larger than a share of the spool.
    TooLarge,
    /// The spool's file could not be written.
    Disk,
    /// In the spool's file they are not as they were written.
    Damaged,
    /// The agent before this one stored them, and its file does not have them any more.
    Torn,
    /// In the spool's directory, and another task's, or of an agent that did not know its task.
    OtherTask,
}

impl From<&NotStored> for Loss {
    fn from(error: &NotStored) -> Self {
        match error {
            NotStored::TooLarge(_) => Self::TooLarge,
            NotStored::Disk { .. } => Self::Disk,
        }
    }
}

impl Loss {
    /// The reason in the counter.
    const fn name(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::TooLarge => "too_large",
            Self::Disk => "disk",
            Self::Damaged => "damaged",
            Self::Torn => "torn",
            Self::OtherTask => "other_task",
        }
    }
}

/// Why an OTLP request is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not the message it should be.
    Malformed,
    /// Over the limit.
    TooLarge,
    /// A content type that is not received.
    ContentType,
    /// A content encoding that is not received.
    Encoding,
    /// Too many bodies at once.
    Busy,
    /// The spool's file could not be written.
    Disk,
    /// Its body took too long.
    Timeout,
    /// Not about traces or metrics.
    Unimplemented,
    /// No such path, or no such method of a service.
    NotFound,
    /// Another HTTP method than POST.
    Method,
}

impl Refused {
    /// The reason in the counter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::ContentType => "content_type",
            Self::Encoding => "encoding",
            Self::Busy => "busy",
            Self::Disk => "disk",
            Self::Timeout => "timeout",
            Self::Unimplemented => "unimplemented",
            Self::NotFound => "not_found",
            Self::Method => "method",
        }
    }
}

impl Ledger {
    /// A record of `kind` with that many items went into the spool.
    pub fn accepted(&mut self, kind: Kind, items: u64) {
        self.accepted_records.add(kind, 1);
        self.accepted_items.add(kind, items);
    }

    /// An agent before this one has left records. Those that are lost were accepted too, so that the accounts come out even.
    pub fn recovered(&mut self, left: &Recovered) {
        for records in [left.records, left.torn, left.unowned] {
            self.add_tally("accepted_records", &records, RECOVERED);
        }
        self.dropped(&left.torn, Loss::Torn);
        self.dropped(&left.unowned, Loss::OtherTask);
    }

    /// Records were lost before they were acknowledged.
    pub fn dropped(&mut self, records: &Tally, loss: Loss) {
        self.add_tally("dropped_records", records, loss.name());
    }

    /// Points of delta metrics have no place in a cumulative series.
    pub fn dropped_points(&mut self, dropped: &delta::Drops) {
        for (reason, points) in dropped.by_reason() {
            self.add("dropped_points", Kind::OtlpMetrics.name(), reason.name(), points);
        }
    }

    /// Records were put into a page.
    pub fn handed_out(&mut self, records: &Tally) {
        self.add_tally("handed_out_records", records, "");
    }

    /// Records were delivered.
    pub fn acked(&mut self, records: &Tally) {
        self.add_tally("acked_records", records, "");
    }

    /// What a puller says became of records that it acknowledges.
    pub fn exported(&mut self, counts: &[Count]) {
        counts.iter().for_each(|count| self.exported.add(count));
    }

    /// An OTLP request was answered with an error. `kind` is a record kind's name, or that of what is not received.
    pub fn refused_request(&mut self, kind: &'static str, refused: Refused) {
        self.add("refused_requests", kind, refused.name(), 1);
    }

    /// Lines were added up.
    pub fn accepted_lines(&mut self, kind: Kind, lines: u64) {
        self.add("accepted_lines", kind.name(), "", lines);
    }

    /// A line was not taken.
    pub fn refused_line(&mut self, kind: Kind, reason: &'static str) {
        self.add("refused_lines", kind.name(), reason, 1);
    }

    /// A datagram was not taken.
    pub fn refused_datagram(&mut self, kind: Kind, reason: &'static str) {
        self.add("refused_datagrams", kind.name(), reason, 1);
    }

    /// The kernel had no room for datagrams.
    pub fn dropped_datagrams(&mut self, kind: Kind, datagrams: u64) {
        self.add("dropped_datagrams", kind.name(), "socket_full", datagrams);
    }

    /// A call for sampling rules or targets was answered with an error.
    pub fn refused_sampling(&mut self, reason: &'static str) {
        self.add("refused_requests", "sampling", reason, 1);
    }

    /// Statistics of sampling that will not reach X-Ray.
    pub fn dropped_statistics(&mut self, reason: &'static str, statistics: u64) {
        self.add("dropped_statistics", "sampling", reason, statistics);
    }

    /// An answer of the metadata endpoint (`task` or `stats`) cost a reading.
    pub fn failed_reading(&mut self, answer: &'static str, failure: &Failure) {
        self.add("failed_readings", answer, failure.reason(), 1);
    }

    /// A scrape gave no text.
    pub fn failed_scrape(&mut self, failure: &prometheus::Failure) {
        self.add("failed_scrapes", Kind::Scrapes.name(), failure.reason(), 1);
    }

    /// Containers whose labels ask for scrapes that can't be.
    pub fn refused_targets(&mut self, reason: &'static str, count: u64) {
        self.add("refused_targets", Kind::Scrapes.name(), reason, count);
    }

    /// A connection of a listener ended without having been of use.
    pub fn refused_connection(&mut self, listener: &'static str, refused: net::Unserved) {
        self.add("refused_connections", listener, refused.name(), 1);
    }

    /// A `pull` or an `ack` was refused.
    pub fn refused_pull(&mut self, operation: &'static str, code: RefusalCode) {
        self.add("refused_pulls", operation, code.name(), 1);
    }

    /// Every counter that is not zero, and how full `spool` is.
    #[must_use]
    pub fn counts(&self, spool: &Spool) -> Vec<Count> {
        let accepted = [("accepted_items", self.accepted_items), ("accepted_records", self.accepted_records)];
        let accepted = accepted.into_iter().flat_map(|(event, tally)| {
            let counted = tally.by_kind().filter(|(_, value)| *value > 0);
            counted.map(move |(kind, value)| Count::new(event, kind.name(), "", value))
        });
        let others = self.others.iter();
        let others = others.map(|(&(event, kind, reason), &value)| Count::new(event, kind, reason, value));
        accepted.chain(others).chain(self.exported.counts()).chain(self.levels(spool)).collect()
    }

    /// Levels of what was ever accepted: an empty spool says so, a kind that never comes says nothing.
    fn levels(&self, spool: &Spool) -> impl Iterator<Item = Count> {
        let records = spool.unfinished().by_kind().zip(self.accepted_records.by_kind());
        let recovered = |kind: Kind| self.others.contains_key(&("accepted_records", kind.name(), RECOVERED));
        let known = records.filter(move |(_, (kind, accepted))| *accepted > 0 || recovered(*kind));
        let records =
            known.map(|((kind, records), _)| Count::new("buffered_records", kind.name(), "", records));
        let bytes = Share::ALL.into_iter().map(|share| (share.name(), spool.used(share) as u64));
        records.chain(bytes.map(|(share, bytes)| Count::new("buffered_bytes", share, "", bytes)))
    }

    fn add_tally(&mut self, event: &'static str, records: &Tally, reason: &'static str) {
        for (kind, count) in records.by_kind() {
            self.add(event, kind.name(), reason, count);
        }
    }

    fn add(&mut self, event: &'static str, kind: &'static str, reason: &'static str, value: u64) {
        if value > 0 {
            *self.others.entry((event, kind, reason)).or_default() += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::units::UnixMillis;

    use super::*;

    #[test]
    fn only_what_happened_is_counted_under_its_kind_and_reason() {
        let mut ledger = Ledger::default();
        ledger.accepted(Kind::OtlpTraces, 20);
        ledger.accepted(Kind::OtlpTraces, 22);
        let mut lost = Tally::default();
        lost.add(Kind::Ecs, 3);
        ledger.dropped(&lost, Loss::SpoolFull);
        ledger.refused_pull("ack", RefusalCode::OtherBoot);
        let mut spool = Spool::new(1000);
        spool.push(Kind::OtlpTraces, UnixMillis(0), b"spans").unwrap();
        assert_eq!(
            ledger.counts(&spool),
            [
                Count::new("accepted_items", "otlp_traces", "", 42),
                Count::new("accepted_records", "otlp_traces", "", 2),
                Count::new("dropped_records", "ecs", "spool_full", 3),
                Count::new("refused_pulls", "ack", "other_boot", 1),
                Count::new("buffered_records", "otlp_traces", "", 1),
                Count::new("buffered_bytes", "metrics", "", 0),
                Count::new("buffered_bytes", "traces", "", 26),
            ]
        );
    }
}
