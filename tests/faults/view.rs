//! What goes between one agent and its scrapers, as the proxy sees it: which records were handed out, which acknowledged.

use std::collections::BTreeMap;

use prost::Message as _;
use siphon_core::{
    otlp::{KeyValue, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, TraceRequest, Value},
    wire::{self, ACK_PATH, Ack, Count, Cursors, Kind, PULL_PATH, Page, Share},
};

use crate::{http::Message, ledger};

/// What one record must become in the receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) samples: Vec<Sample>,
    /// Ids of spans.
    pub(crate) spans: Vec<String>,
    /// When a reading arrived.
    pub(crate) reading: Option<i64>,
}

/// A record that was handed out.
#[derive(Debug)]
struct Record {
    content: Content,
    /// The latest page that it was in.
    page: u64,
    /// The agent was told to forget it. What is before an acknowledged cursor, but no more in the latest page, had to go
    /// for want of room.
    is_acked: bool,
}

/// A value of the series that the attribute `key` tells from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sample {
    pub(crate) key: String,
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
    pub(crate) bits: u64,
}

/// Of one boot of an agent.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// By share and sequence.
    records: BTreeMap<(usize, u64), Record>,
    /// How many pages were handed out.
    pages: u64,
    /// What the latest page counted.
    pub(crate) counts: Vec<Count>,
    /// At some time, all that the agent had was acknowledged.
    pub(crate) was_empty: bool,
    /// Cursors behind the latest page, if it left nothing behind.
    ends: Option<Cursors>,
    /// What is wrong with what was seen.
    pub(crate) problems: Vec<String>,
}

impl View {
    /// Takes note of an exchange that the agent has answered.
    pub(crate) fn note(&mut self, request: &Message, answer: &Message) {
        match (request.path(), answer.status()) {
            (PULL_PATH, 200) => match Page::decode(answer.body.clone()) {
                Ok(page) => self.page(page),
                Err(error) => self.problems.push(format!("a page can't be read: {error}")),
            },
            (ACK_PATH, 204) => match serde_json::from_slice::<Ack>(&request.body) {
                Ok(ack) => self.ack(&ack),
                Err(error) => self.problems.push(format!("an ack can't be read: {error}")),
            },
            _ => {}
        }
    }

    fn page(&mut self, page: Page) {
        let head = |share: Share| page.head.share(share);
        let is_last = Share::ALL.into_iter().all(|share| head(share).remaining_records == 0);
        self.ends = is_last
            .then(|| Cursors { metrics: head(Share::Metrics).cursor, traces: head(Share::Traces).cursor });
        self.was_empty |= is_last && page.records.is_empty();
        self.problems.extend(ledger::imbalance(&page.head.counts));
        self.counts = page.head.counts;
        self.pages += 1;
        for record in &page.records {
            let (key, content) = ((place(record.kind.share()), record.sequence), content(record));
            if self.records.get(&key).is_some_and(|before| before.content != content) {
                self.problems.push(format!("record {key:?} is handed out again with another content"));
            }
            self.records.insert(key, Record { content, page: self.pages, is_acked: false });
        }
    }

    fn ack(&mut self, ack: &Ack) {
        for share in Share::ALL {
            let before = (place(share), ack.delivered.get(share).0);
            let acked = self.records.range_mut((place(share), 0)..before);
            acked
                .filter(|(_, record)| record.page == self.pages)
                .for_each(|(_, record)| record.is_acked = true);
        }
        self.was_empty |= self.ends == Some(ack.delivered);
    }

    /// What the agent was told to forget.
    pub(crate) fn acked(&self) -> impl Iterator<Item = &Content> {
        self.records.values().filter(|record| record.is_acked).map(|record| &record.content)
    }
}

const fn place(share: Share) -> usize {
    match share {
        Share::Metrics => 0,
        Share::Traces => 1,
    }
}

fn content(record: &wire::Record) -> Content {
    let mut content = Content::default();
    match record.kind {
        Kind::Ecs => content.reading = Some(record.arrived.0),
        Kind::OtlpMetrics => content.samples = samples(&record.payload),
        Kind::OtlpTraces => content.spans = spans(&record.payload),
        _ => {}
    }
    content
}

fn samples(payload: &[u8]) -> Vec<Sample> {
    let request = MetricsRequest::decode(payload).unwrap_or_default();
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    metrics.flat_map(points).filter_map(|point| sample(&point)).collect()
}

fn points(metric: Metric) -> Vec<NumberPoint> {
    match metric.data {
        Some(MetricData::Gauge(gauge)) => gauge.points,
        Some(MetricData::Sum(sum)) => sum.points,
        _ => Vec::new(),
    }
}

/// `None` of a point without a key.
fn sample(point: &NumberPoint) -> Option<Sample> {
    let Some(NumberValue::Double(value)) = point.value else { return None };
    let is_key = |attribute: &&KeyValue| attribute.key == "key";
    let Some(Value::String(key)) = point.attributes.iter().find(is_key)?.value() else { return None };
    let at = i64::try_from(point.time_unix_nano / 1_000_000).ok()?;
    Some(Sample { key: key.clone(), at, bits: value.to_bits() })
}

fn spans(payload: &[u8]) -> Vec<String> {
    let request = TraceRequest::decode(payload).unwrap_or_default();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| hex(&span.span_id)).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
