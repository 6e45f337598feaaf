//! A page -> deliveries: what is sent in one go, and how far the agent's cursor may move once it is stored.
//!
//! Deliveries are made one by one as they are taken, so that only one is in memory. Their order is that of the records:
//! a series' samples arrive in time order, and the cursor moves exactly as far as has been stored.

mod counts;
mod metrics;
mod pending;
mod segments;
mod spans;

use siphon_core::{
    amp::Limiter,
    ecs::Identity,
    excerpt,
    remote_write::{Limits, Request, Version},
    series::Ends,
    units::UnixMillis,
    wire::{Cursor, Kind, Page, Record, Share},
    xray::{self, Document, otlp::Span},
};

use crate::{report::Reasons, settings::Translation};
pub use metrics::Deliveries;

/// Bytes of an unreadable record that go into the log.
const SHOWN_BYTES: usize = 48;

/// Bytes of labels, or of documents, that are made at once, about: many agents are drained beside one another. All points or
/// spans of a resource repeat what it has, so that a request of 4 MiB may make gigabytes.
const PART_BYTES: usize = 8 << 20;

/// What is sent in one go.
#[derive(Debug)]
pub struct Delivery<T> {
    /// In order. May be empty: records can hold nothing to send.
    pub items: Vec<T>,
    /// The records that are dealt with for good once the items are stored.
    pub completes: Completes,
}

/// A request on its way to Prometheus.
#[derive(Debug)]
pub struct Outgoing {
    /// The request.
    pub request: Request,
    /// It went before, or an earlier page had its records: it may have been written.
    pub may_be_stored: bool,
    /// How many records it has samples of.
    pub records: usize,
}

/// Traces for an OTLP endpoint, or for PutTraceSegments.
#[derive(Debug)]
pub enum SpansOrSegments {
    /// Spans as they are.
    Spans(Vec<Span>),
    /// Documents of an X-Ray SDK.
    Segments(Vec<Document>),
}

/// Consecutive records of one share.
#[derive(Clone, Debug, Default)]
pub struct Completes {
    /// The cursor behind the last one; `None` if there is none.
    pub through: Option<Cursor>,
    /// When they arrived in the agent.
    pub arrived: Vec<UnixMillis>,
    /// Samples that they became, and points that became none: what is dropped is part of it.
    pub samples: u64,
    /// What they lost in translation, by reason.
    pub dropped: Reasons,
    /// Samples of them that went out with less than they had, by reason.
    pub trimmed: Reasons,
    /// Exemplars that they lost, by reason.
    pub exemplars: Reasons,
    /// Spans that they lost so, by name.
    pub dropped_spans: Vec<xray::Drop>,
    /// How many of their documents are shortened.
    pub shortened: u64,
    /// Which of them could not be read.
    pub bad: Vec<BadRecord>,
}

impl Completes {
    fn one(record: &Record) -> Self {
        let through = Some(Cursor(record.sequence.saturating_add(1)));
        Self { through, arrived: vec![record.arrived], ..Self::default() }
    }

    fn drop_spans(&mut self, dropped: Vec<xray::Drop>) {
        for drop in &dropped {
            self.dropped.add(drop.reason, drop.spans);
        }
        self.dropped_spans = dropped;
    }

    /// Adds records that come after.
    fn extend(&mut self, later: Self) {
        self.through = later.through.or(self.through);
        self.arrived.extend(later.arrived);
        self.samples += later.samples;
        self.dropped.merge(later.dropped);
        self.trimmed.merge(later.trimmed);
        self.exemplars.merge(later.exemplars);
        self.dropped_spans.extend(later.dropped_spans);
        self.shortened += later.shortened;
        self.bad.extend(later.bad);
    }
}

/// A record that can't be read. It never will be, so it counts as delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// What it should be.
    pub kind: Kind,
    /// Its place in the share.
    pub sequence: u64,
    /// What is wrong.
    pub error: String,
    /// Its first bytes, hex.
    pub start: String,
}

impl BadRecord {
    fn new(record: &Record, error: &dyn std::error::Error) -> Self {
        let start = record.payload.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self {
            kind: record.kind,
            sequence: record.sequence,
            error: excerpt::message(error.to_string()),
            start,
        }
    }
}

/// A page, and what turns its records into series and documents.
pub struct Export<'a> {
    page: &'a Page,
    options: &'a Translation,
    identity: Option<Identity>,
}

impl<'a> Export<'a> {
    /// Reads the task's identity off the page. Without one, applications' data goes out under the names they give
    /// themselves.
    #[must_use]
    pub fn new(page: &'a Page, options: &'a Translation) -> Self {
        let identity = Identity::from_task(&page.task, &page.head.container)
            .inspect_err(|error| tracing::warn!(%error, "the task's identity can't be read"))
            .ok();
        Self { page, options, identity }
    }

    /// The remote-write requests of the metrics share, in this version. With a `limiter` they keep AMP's limits. With
    /// `counts` the agent's own counters go along.
    ///
    /// `ends` is of one drain. A page of a stopping agent that leaves no metrics behind ends all series that it has seen:
    /// no more may come, and if something does, it is later than the markers.
    pub fn metrics<'b>(
        &'b self,
        limiter: Option<Limiter>,
        counts: bool,
        limits: Limits,
        version: Version,
        ends: &'b mut Ends,
    ) -> Deliveries<'b> {
        Deliveries::new(self, limiter, counts, limits, version, ends)
    }

    /// The documents of the traces share, as many a delivery as one call takes.
    pub fn segments(&self) -> impl Iterator<Item = Delivery<Document>> {
        segments::deliveries(self, self.page.share(Share::Traces))
    }

    /// The spans of the traces share as they are, as many as one request takes; in between, in the order of the records,
    /// the documents of X-Ray SDKs, which are no spans, as many as one call takes.
    pub fn spans(&self) -> impl Iterator<Item = (SpansOrSegments, Completes)> {
        spans::deliveries(self)
    }
}

#[cfg(test)]
mod testing {
    use bytes::Bytes;
    use siphon_core::{
        units::UnixMillis,
        wire::{BootId, Page, PageHead, Record, ShareHead},
    };

    /// A page of an agent that goes on, with nothing behind it.
    pub(super) fn page_of(records: Vec<Record>) -> Page {
        let head = PageHead {
            version: String::new(),
            boot: BootId([0; 16]),
            now: UnixMillis(2000),
            container: String::new(),
            stopping: false,
            metrics: ShareHead::default(),
            traces: ShareHead::default(),
            counts: Vec::new(),
            sampling: None,
        };
        Page { head, task: Bytes::from_static(b"{}"), records }
    }
}
