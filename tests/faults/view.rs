//! What goes between one agent and its scrapers, as the proxy sees it: which records were handed out, which acknowledged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost::Message as _;
use siphon_core::{
    otlp::{KeyValue, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, TraceRequest, Value},
    scrapes::{Block, Outcome},
    wire::{self, ACK_PATH, Ack, Count, Cursor, Cursors, Kind, LeaseId, PULL_PATH, Page, PullRequest, Share},
};

use crate::{exposed, http::Message, ledger, sender::ODD_MS};

/// What one record must become in the receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) samples: Vec<Sample>,
    /// Ids of spans.
    pub(crate) spans: Vec<String>,
    /// Samples that the agent made, or scraped: who sent to it knows nothing of them.
    pub(crate) made: Vec<Sample>,
    /// When a reading arrived.
    pub(crate) reading: Option<i64>,
    /// What it must count as, but for a reading.
    pub(crate) due: Due,
}

/// The samples that the points of one record become. There is no resource that would be told of beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// All of them.
    pub(crate) samples: u64,
    /// Those of them that are too old for any receiver, and ahead of any clock.
    pub(crate) expired: u64,
    pub(crate) ahead: u64,
}

/// An ack that the agent has taken.
#[derive(Debug)]
pub(crate) struct Acked {
    /// Of the records that it acknowledges.
    pub(crate) contents: Vec<Content>,
    /// No ack before it has acknowledged them all, or any.
    pub(crate) is_new: bool,
    pub(crate) is_all_new: bool,
    /// How many counters the page had.
    pub(crate) counters: u64,
    /// The agent said that it is stopping.
    pub(crate) is_stopping: bool,
    /// What became of the records.
    pub(crate) told: Vec<Count>,
}

/// The latest page of a puller.
#[derive(Debug, Default)]
struct Handed {
    records: BTreeSet<(usize, u64)>,
    counters: u64,
    is_stopping: bool,
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
    /// At some time, all that the agent had was acknowledged.
    pub(crate) was_empty: bool,
    /// Cursors behind the latest page, if it left nothing behind.
    ends: Option<Cursors>,
    handed: HashMap<LeaseId, Handed>,
    /// What any ack has named.
    named: BTreeSet<(usize, u64)>,
    pub(crate) acks: Vec<Acked>,
    /// What is wrong with what was seen.
    pub(crate) problems: Vec<String>,
}

impl View {
    /// Takes note of an exchange that the agent has answered.
    pub(crate) fn note(&mut self, request: &Message, answer: &Message) {
        match (request.path(), answer.status()) {
            (PULL_PATH, 200) => match Page::decode(answer.body.clone()) {
                Ok(page) => {
                    let pull: PullRequest = serde_json::from_slice(&request.body).unwrap();
                    self.page(pull.lease, page);
                }
                Err(error) => self.problems.push(format!("a page can't be read: {error}")),
            },
            (ACK_PATH, 204) => match serde_json::from_slice::<Ack>(&request.body) {
                Ok(ack) => self.ack(&ack),
                Err(error) => self.problems.push(format!("an ack can't be read: {error}")),
            },
            _ => {}
        }
    }

    fn page(&mut self, puller: LeaseId, page: Page) {
        let head = |share: Share| page.head.share(share);
        let is_last = Share::ALL.into_iter().all(|share| head(share).remaining_records == 0);
        // Of a share without records nothing is acknowledged.
        let end = |share| page.share(share).next().map_or(Cursor(0), |_| head(share).cursor);
        self.ends = is_last.then(|| Cursors { metrics: end(Share::Metrics), traces: end(Share::Traces) });
        self.was_empty |= is_last && page.records.is_empty();
        self.problems.extend(ledger::imbalance(&page.head.counts));
        let records = page.records.iter().map(|record| (place(record.kind.share()), record.sequence));
        let counters = page.head.counts.len() as u64;
        let handed = Handed { records: records.collect(), counters, is_stopping: page.head.stopping };
        self.handed.insert(puller, handed);
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
        let acked = self.acked_by(ack);
        self.acks.extend(acked);
    }

    /// `None` if the puller was handed out nothing.
    fn acked_by(&mut self, ack: &Ack) -> Option<Acked> {
        let handed = self.handed.get(&ack.lease)?;
        let is_delivered = |(share, sequence): &(usize, u64)| {
            let cursors = [ack.delivered.metrics, ack.delivered.traces];
            *sequence < cursors[*share].0
        };
        let named: BTreeSet<_> = handed.records.iter().copied().filter(is_delivered).collect();
        let contents = named.iter().map(|key| self.records[key].content.clone()).collect();
        let is_all_new = named.is_disjoint(&self.named);
        let is_new = !named.is_subset(&self.named);
        self.named.extend(&named);
        let Handed { counters, is_stopping, .. } = *handed;
        Some(Acked { contents, is_new, is_all_new, counters, is_stopping, told: ack.exported.clone() })
    }

    /// The samples of all that was handed out that only the agent knows.
    pub(crate) fn made(&self) -> impl Iterator<Item = &Sample> {
        self.records.values().flat_map(|record| &record.content.made)
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
        Kind::OtlpMetrics => {
            let points = points(&record.payload);
            content.samples = points.iter().filter_map(sample).collect();
            content.due = Due::of(&points, record.arrived.0);
        }
        Kind::Statsd => {
            let points = points(&record.payload);
            content.made = points.iter().filter_map(sample).collect();
            content.due = Due::of(&points, record.arrived.0);
        }
        Kind::Scrapes => (content.made, content.due.samples) = scraped(&record.payload),
        Kind::OtlpTraces => content.spans = spans(&record.payload),
        Kind::XraySegment => content.spans = vec![segment(&record.payload)],
    }
    content
}

impl Due {
    /// Of points that arrived at some time.
    fn of(points: &[NumberPoint], arrived: i64) -> Self {
        let count =
            |is_so: &dyn Fn(i64) -> bool| points.iter().map(millis).filter(|at| is_so(*at)).count() as u64;
        Self {
            samples: count(&|_| true),
            expired: count(&|at| at < arrived - ODD_MS / 2),
            ahead: count(&|at| at > arrived + ODD_MS / 2),
        }
    }
}

/// The samples of a block's texts, and how many samples it becomes: these, six that tell of each scrape and its target,
/// and markers where series end.
fn scraped(payload: &[u8]) -> (Vec<Sample>, u64) {
    let block = Block::decode(payload).unwrap();
    let mut has_series = block.before().is_some_and(|(_, _, has_series)| has_series);
    let (mut samples, mut markers, mut scrapes_made) = (Vec::new(), 0, 0);
    let mut scrapes = block.scrapes();
    while let Some(scrape) = scrapes.next().unwrap() {
        scrapes_made += 1;
        if let Outcome::Text(_, text) = scrape.outcome {
            let sample = |(key, value): (String, f64)| Sample { key, at: scrape.at.0, bits: value.to_bits() };
            samples.extend(exposed::read(text).into_iter().map(sample));
            has_series = true;
        } else if std::mem::take(&mut has_series) {
            markers += exposed::SAMPLES;
        }
    }
    let due = samples.len() as u64 + markers + 6 * scrapes_made;
    (samples, due)
}

fn segment(document: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(document).unwrap();
    document["id"].as_str().unwrap().to_owned()
}

fn points(payload: &[u8]) -> Vec<NumberPoint> {
    let request = MetricsRequest::decode(payload).unwrap_or_default();
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    scopes.flat_map(|scope| scope.metrics).flat_map(points_of).collect()
}

fn points_of(metric: Metric) -> Vec<NumberPoint> {
    match metric.data {
        Some(MetricData::Gauge(gauge)) => gauge.points,
        Some(MetricData::Sum(sum)) => sum.points,
        _ => Vec::new(),
    }
}

/// `None` of a point without a key.
fn sample(point: &NumberPoint) -> Option<Sample> {
    let value = match point.value? {
        NumberValue::Double(value) => value,
        NumberValue::Int(value) => value as f64,
    };
    let is_key = |attribute: &&KeyValue| attribute.key == "key";
    let Some(Value::String(key)) = point.attributes.iter().find(is_key)?.value() else { return None };
    Some(Sample { key: key.clone(), at: millis(point), bits: value.to_bits() })
}

fn millis(point: &NumberPoint) -> i64 {
    i64::try_from(point.time_unix_nano / 1_000_000).unwrap_or(i64::MAX)
}

fn spans(payload: &[u8]) -> Vec<String> {
    let request = TraceRequest::decode(payload).unwrap_or_default();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| hex(&span.span_id)).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
