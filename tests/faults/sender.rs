//! An application: sends values that occur nowhere else, and notes what its agent took.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use prost::Message as _;
use siphon_core::{
    otlp::{
        AnyValue, Gauge, KeyValue, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue,
        ResourceMetrics, ResourceSpans, ScopeMetrics, ScopeSpans, Span, Sum, Temporality, TraceRequest,
        Value,
    },
    wire::Kind,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinHandle, time::sleep};

use crate::{
    agent::Agent,
    datagrams::Datagrams,
    http::Message,
    view::{Sample, hex},
};

/// What is further off any clock, AMP does not take: neither an hour old nor ten minutes ahead.
pub(crate) const ODD_MS: i64 = 2 * 60 * 60 * 1000;

/// How an application sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// Between two exports.
    pub(crate) pause: Duration,
    /// Gauges in each export of metrics; a counter goes with them.
    pub(crate) gauges: u32,
    /// Spans in each export of traces, which is every second one.
    pub(crate) spans: u32,
    /// What its clock is ahead.
    pub(crate) skew_ms: i64,
    /// Each export of metrics has a sample that receivers refuse beside the good ones.
    pub(crate) is_poisonous: bool,
    /// A segment document and StatsD lines go over UDP with each export.
    pub(crate) has_datagrams: bool,
    /// It exposes a text to be scraped.
    pub(crate) is_exposed: bool,
    /// Each export of metrics has what AMP does not take beside the good ones: a sample that is too old, one that is ahead of
    /// all clocks, and, with a good one, a label that is too long.
    pub(crate) is_odd: bool,
}

/// What the agent said to an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200.
    Taken,
    /// Anything else.
    Refused,
    /// None: it may be taken.
    None,
}

/// One request, or datagram.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Of the record that it becomes.
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
    pub(crate) samples: Vec<Sample>,
    /// Ids of spans.
    pub(crate) spans: Vec<String>,
}

/// Sends until it is stopped.
pub(crate) struct Sender {
    sent: Arc<Mutex<Vec<Sent>>>,
    packets: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Sender {
    /// To an agent. `id` is this application's alone.
    pub(crate) fn start(agent: &Agent, id: String, number: u32, habit: Habit) -> Self {
        let (sent, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let packets = Arc::default();
        let datagrams = agent.udp.map(|to| Datagrams::new(to, id.clone(), number, Arc::clone(&packets)));
        let mut application = Application {
            otlp: agent.otlp,
            datagrams,
            id,
            number,
            habit,
            exports: 0,
            begun: now(),
            latest: 0,
            connection: None,
            sent: Arc::clone(&sent),
        };
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) && application.exports < MOST_EXPORTS {
                application.export().await;
                sleep(habit.pause).await;
            }
        });
        Self { sent, packets, stop, task }
    }

    /// Returns when the last export is answered.
    pub(crate) async fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if !self.task.is_finished() {
            (&mut self.task).await.unwrap();
        }
    }

    /// How many packets of StatsD lines were sent so far.
    pub(crate) fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// All requests and documents so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

struct Application {
    otlp: SocketAddr,
    datagrams: Option<Datagrams>,
    id: String,
    number: u32,
    habit: Habit,
    exports: u32,
    /// Milliseconds since the epoch, by a right clock.
    begun: i64,
    /// The time of the latest samples.
    latest: i64,
    connection: Option<TcpStream>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// A task that lives on while others are waited for is not to make more and more of the work.
const MOST_EXPORTS: u32 = 600;

/// Answers come within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

impl Application {
    async fn export(&mut self) {
        self.exports += 1;
        // Two apart at least: the marker that ends a series comes one after its latest sample.
        self.latest = (now() + self.habit.skew_ms).max(self.latest + 2);
        let (request, samples) = self.metrics();
        self.send(Kind::OtlpMetrics, &request, samples, Vec::new()).await;
        if self.exports.is_multiple_of(2) && self.habit.spans > 0 {
            let (request, spans) = self.traces();
            self.send(Kind::OtlpTraces, &request, Vec::new(), spans).await;
        }
        if let Some(datagrams) = &self.datagrams {
            let document = datagrams.send(self.exports);
            self.sent.lock().unwrap().push(document);
        }
    }

    async fn send(&mut self, kind: Kind, body: &[u8], samples: Vec<Sample>, spans: Vec<String>) {
        let path = if kind == Kind::OtlpMetrics { "/v1/metrics" } else { "/v1/traces" };
        let request = Message::post(path, &[("content-type", "application/x-protobuf")], body.to_vec());
        let answer = tokio::time::timeout(PATIENCE, self.exchange(&request)).await;
        let answer = match answer {
            Ok(Ok(200)) => Answer::Taken,
            Ok(Ok(_)) => Answer::Refused,
            Ok(Err(_)) | Err(_) => Answer::None,
        };
        self.sent.lock().unwrap().push(Sent { kind, answer, samples, spans });
    }

    /// The answer's status. The connection is kept while it works.
    async fn exchange(&mut self, request: &Message) -> std::io::Result<u16> {
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => TcpStream::connect(self.otlp).await?,
        };
        connection.write_all(&request.bytes()).await?;
        let answer = Message::read(&mut connection, &mut BytesMut::new()).await?;
        self.connection = Some(connection);
        Ok(answer.status())
    }

    fn metrics(&self) -> (Vec<u8>, Vec<Sample>) {
        let gauges = (0..self.habit.gauges).map(|n| (format!("{}-{n}", self.id), self.value(n)));
        let gauges: Vec<_> = gauges.collect();
        let counter = (format!("{}-counter", self.id), f64::from(self.exports));
        let sample = |(key, value): &(String, f64)| Sample {
            key: key.clone(),
            at: self.latest,
            bits: value.to_bits(),
        };
        let samples = gauges.iter().chain([&counter]).map(sample).collect();
        let keyed = |(key, value): &(String, f64)| point("key", key, self.latest, *value);
        let mut points: Vec<_> = gauges.iter().map(keyed).collect();
        if self.habit.is_odd {
            points[0].attributes.push(attribute("long", &"x".repeat(3000)));
        }
        let gauge = MetricData::Gauge(Gauge { points });
        let sum = MetricData::Sum(Sum {
            points: vec![keyed(&counter)],
            temporality: Temporality::Cumulative.into(),
            monotonic: true,
        });
        let mut metrics = vec![metric("faults_gauge", gauge), metric("faults_counter", sum)];
        if self.habit.is_poisonous {
            // Always of the same time, each with another value: receivers take the first.
            let points = vec![point("poison", &self.id, self.begun, f64::from(self.exports))];
            metrics.push(metric("faults_poison", MetricData::Gauge(Gauge { points })));
        }
        if self.habit.is_odd {
            let points = [-ODD_MS, ODD_MS].map(|off| point("odd", &self.id, now() + off, 1.0));
            metrics.push(metric("faults_odd", MetricData::Gauge(Gauge { points: points.into() })));
        }
        let scope_metrics = vec![ScopeMetrics { scope: None, metrics }];
        let resource_metrics = vec![ResourceMetrics { resource: None, scope_metrics }];
        (MetricsRequest { resource_metrics }.encode_to_vec(), samples)
    }

    /// With all bits of its fraction in use; now and then one that is easily mistaken for another.
    fn value(&self, gauge: u32) -> f64 {
        match self.exports % 16 {
            0 => -0.0,
            1 => f64::MIN_POSITIVE,
            _ => (f64::from(self.number) * 1e6 + f64::from(self.exports * 10 + gauge)).sqrt(),
        }
    }

    fn traces(&self) -> (Vec<u8>, Vec<String>) {
        let id = |n: u32| {
            let within = self.exports * 100 + n;
            [self.number.to_be_bytes(), within.to_be_bytes()].concat()
        };
        let seconds = u32::try_from(self.begun / 1000).unwrap();
        // Dozens of spans a trace, as it is with real ones.
        let trace =
            [seconds.to_be_bytes(), self.number.to_be_bytes(), [7; 4], (self.exports / 80).to_be_bytes()];
        let nanos = u64::try_from(now()).unwrap() * 1_000_000;
        let span = |n| Span {
            trace_id: trace.concat(),
            span_id: id(n),
            name: format!("span {n}"),
            kind: 2,
            start_time_unix_nano: nanos,
            end_time_unix_nano: nanos + 1_000_000,
            ..Span::default()
        };
        let spans: Vec<_> = (0..self.habit.spans).map(span).collect();
        let ids = spans.iter().map(|span| hex(&span.span_id)).collect();
        let scope_spans = vec![ScopeSpans { scope: None, spans }];
        (
            TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] }
                .encode_to_vec(),
            ids,
        )
    }
}

fn metric(name: &str, data: MetricData) -> Metric {
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
}

fn attribute(key: &str, text: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::String(text.to_owned())) }) }
}

fn point(key: &str, text: &str, at: i64, value: f64) -> NumberPoint {
    NumberPoint {
        time_unix_nano: u64::try_from(at).unwrap() * 1_000_000,
        value: Some(NumberValue::Double(value)),
        attributes: vec![attribute(key, text)],
        ..NumberPoint::default()
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap()
}
