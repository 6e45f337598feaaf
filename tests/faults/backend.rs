//! The receivers behind a layer of faults: Amazon Managed Prometheus, or a real Prometheus, and X-Ray.

use std::{
    collections::BTreeMap,
    io::Result,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::BytesMut;
use fastrand::Rng;
use siphon_core::{
    remote_write::{MAX_BODY_BYTES, v1::decode},
    wire::DEFAULT_PORT,
};
use siphon_local::receivers::{REMOTE_WRITE_PATH, Receivers};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    dice::Dice,
    function::FunctionSettings,
    http::Message,
    proxy::reset,
    trap::{Point, Trap},
};

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// Not stored: 429, with Retry-After in seconds or without.
    Throttle(Option<u32>),
    /// Not stored, 500 or 503.
    Fail(u16),
    /// Stored, and yet this status.
    StoreAndFail(u16),
    /// Not stored: the connection is reset after the body was read.
    Reset,
    /// Stored: the connection is reset in place of an answer.
    StoreAndReset,
    /// Not stored: no answer, ever.
    Stall,
    /// Stored: no answer, ever.
    StoreAndStall,
    /// Stored, and answered, late by so many milliseconds.
    Slow(u64),
}

impl Trouble {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u32(..9) {
            0 => Self::Throttle(Some(1)),
            1 => Self::Throttle(None),
            2 => Self::Fail(500),
            3 => Self::Fail(503),
            4 => Self::StoreAndFail(500),
            5 => Self::Reset,
            6 => Self::StoreAndReset,
            7 => [Self::Stall, Self::StoreAndStall][rng.usize(..2)],
            _ => Self::Slow(rng.u64(5..400)),
        }
    }

    const fn stores(self) -> bool {
        matches!(self, Self::StoreAndFail(_) | Self::StoreAndReset | Self::StoreAndStall | Self::Slow(_))
    }
}

/// What tells a request's version.
const VERSION: &str = "x-prometheus-remote-write-version";

/// Serves until it is dropped.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    receivers: Receivers,
    /// In place of the strict receiver of metrics.
    prometheus: Option<SocketAddr>,
    metrics: Dice<Trouble>,
    traces: Dice<Trouble>,
    trap: Arc<Trap>,
    order: Mutex<Order>,
}

/// Whether samples are offered in the order of their times, each series by itself.
#[derive(Default)]
struct Order {
    /// By labels and time, the bits.
    offered: BTreeMap<String, BTreeMap<i64, u64>>,
    problems: Vec<String>,
}

impl Backend {
    /// With `prometheus`, metrics go there.
    pub(crate) async fn start(
        prometheus: Option<SocketAddr>,
        metrics: Dice<Trouble>,
        traces: Dice<Trouble>,
        trap: Arc<Trap>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            receivers: Receivers::default(),
            prometheus,
            metrics,
            traces,
            trap,
            order: Mutex::default(),
        });
        let serve = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serve);
                tokio::spawn(async move { shared.serve(stream).await });
            }
        });
        Self { address, shared, serving }
    }

    /// Those of a function that writes here, and is told nothing else.
    pub(crate) fn settings(&self) -> FunctionSettings {
        let aws = format!("http://{}", self.address);
        FunctionSettings {
            prometheus: format!("{aws}{REMOTE_WRITE_PATH}"),
            aws,
            remote_write: "1.0".to_owned(),
            amp_limits: false,
            page_bytes: 1 << 20,
            concurrent_agents: 16,
            agent_port: DEFAULT_PORT,
        }
    }

    /// What the strict receivers stored.
    pub(crate) fn receivers(&self) -> &Receivers {
        &self.shared.receivers
    }

    /// All metrics, or all traces, or again only those that the dice say, meet this trouble.
    pub(crate) fn storm(&self, metrics: Option<Trouble>, traces: Option<Trouble>) {
        self.shared.metrics.storm(metrics);
        self.shared.traces.storm(traces);
    }

    /// No more troubles.
    pub(crate) fn calm(&self) {
        self.shared.metrics.calm();
        self.shared.traces.calm();
    }

    /// What was offered out of order, or twice with different values.
    pub(crate) fn disorder(&self) -> Vec<String> {
        self.shared.order.lock().unwrap().problems.clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = BytesMut::new();
        while let Ok(request) = Message::read(&mut stream, &mut buffer).await {
            let is_metrics = request.path() == REMOTE_WRITE_PATH;
            if is_metrics && request.header(VERSION) == Some("0.1.0") {
                self.order.lock().unwrap().note(&request);
            }
            self.trap.pass(Point::MidWrite).await;
            let trouble = if is_metrics { self.metrics.roll() } else { self.traces.roll() };
            let stored = if trouble.is_none_or(Trouble::stores) {
                let Ok(answer) = self.store(&request).await else { return };
                self.trap.pass(Point::AfterWrite).await;
                Some(answer)
            } else {
                None
            };
            let answer = match trouble {
                Some(Trouble::Throttle(after)) => throttled(after),
                Some(Trouble::Fail(status) | Trouble::StoreAndFail(status)) => {
                    Message::answer(status, &[], "told to")
                }
                Some(Trouble::Reset | Trouble::StoreAndReset) => return reset(stream),
                Some(Trouble::Stall | Trouble::StoreAndStall) => {
                    let _ = Message::read(&mut stream, &mut buffer).await; // until the scraper gives up
                    return;
                }
                Some(Trouble::Slow(ms)) => {
                    sleep(Duration::from_millis(ms)).await;
                    stored.unwrap()
                }
                None => stored.unwrap(),
            };
            if stream.write_all(&answer.bytes()).await.is_err() {
                return;
            }
            self.trap.pass(Point::AfterAnswer).await;
        }
    }

    async fn store(&self, request: &Message) -> Result<Message> {
        match self.prometheus {
            Some(address) if request.path() == REMOTE_WRITE_PATH => forward(request, address).await,
            _ => {
                let uri = request.path().parse().unwrap();
                let answer = self.receivers.answer(&uri, &request.headers(), &request.body).await;
                let headers = answer.headers().iter();
                let headers: Vec<_> = headers
                    .filter(|(name, _)| *name != "content-length")
                    .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                    .collect();
                Ok(Message::answer(answer.status().as_u16(), &headers, answer.body().clone()))
            }
        }
    }
}

fn throttled(after: Option<u32>) -> Message {
    let after = after.map(|seconds| seconds.to_string());
    let headers: Vec<_> = after.iter().map(|seconds| ("retry-after", seconds.as_str())).collect();
    Message::answer(429, &headers, "told to")
}

/// Writes to a real Prometheus.
async fn forward(request: &Message, address: SocketAddr) -> Result<Message> {
    let host = address.to_string();
    let mut headers = vec![("host", host.as_str()), ("connection", "close")];
    for name in ["content-type", "content-encoding", "user-agent", VERSION] {
        headers.extend(request.header(name).map(|value| (name, value)));
    }
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&Message::post("/api/v1/write", &headers, request.body.clone()).bytes()).await?;
    let answer = Message::read(&mut stream, &mut BytesMut::new()).await?;
    Ok(Message::answer(answer.status(), &[], answer.body))
}

impl Order {
    fn note(&mut self, request: &Message) {
        let Ok(request) = decode(&request.body, MAX_BODY_BYTES) else {
            self.problems.push("a request can't be decoded".to_owned());
            return;
        };
        for series in request.timeseries {
            let labels: Vec<_> = series.labels.iter().map(|l| format!("{}={}", l.name, l.value)).collect();
            let labels = labels.join(",");
            if labels.contains("poison") {
                continue;
            }
            let offered = self.offered.entry(labels.clone()).or_default();
            for sample in &series.samples {
                let (at, bits) = (sample.timestamp, sample.value.to_bits());
                let latest = offered.last_key_value().map_or(i64::MIN, |(at, _)| *at);
                match offered.get(&at) {
                    Some(before) if *before == bits => {}
                    Some(_) => self.problems.push(format!("{labels} at {at} has two values")),
                    None if at < latest => {
                        self.problems.push(format!("{labels} at {at} comes first after {latest}"));
                    }
                    None => _ = offered.insert(at, bits),
                }
            }
        }
    }
}
