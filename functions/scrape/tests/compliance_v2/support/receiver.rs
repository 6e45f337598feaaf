//! A receiver of both versions that records what comes, and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Method, request::Parts};
use siphon_core::{
    remote_write::{MAX_BODY_BYTES, Written, v1, v2},
    series::{MetricKind, NAME},
};

use crate::world::{Answer, answer, reset, serve};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 204, with what is written of a request of 2.0.
    Written,
    /// This status, nothing written.
    Status(u16),
    /// This status, header and body.
    With(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    /// Nothing, ever.
    Silence,
    /// The connection breaks.
    Reset,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) at: Instant,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) message: Message,
    pub(crate) series: Vec<Seen>,
}

#[derive(Clone, Debug)]
pub(crate) enum Message {
    V1(v1::WriteRequest),
    V2(v2::Request),
}

/// A series of either version, with its references resolved.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) samples: Vec<v2::Sample>,
    pub(crate) histograms: Vec<v2::Histogram>,
    pub(crate) exemplars: Vec<SeenExemplar>,
    pub(crate) metadata: Option<SeenMetadata>,
}

#[derive(Clone, Debug)]
pub(crate) struct SeenExemplar {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    pub(crate) timestamp: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenMetadata {
    pub(crate) kind: MetricKind,
    pub(crate) help: String,
    pub(crate) unit: String,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    requests: Vec<Recorded>,
}

pub(crate) struct Receiver {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let state = Arc::default();
        let served = serve("127.0.0.1:0", &state, State::respond).await;
        Self { state, url: format!("http://{}/api/v1/write", served.address) }
    }

    /// For the next requests; the last one for all after it. Without any, [`Reply::Written`].
    pub(crate) fn replies(&self, replies: &[Reply]) {
        self.state.lock().unwrap().replies = replies.iter().cloned().collect();
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.state.lock().unwrap().requests.clone()
    }

    /// The version headers of all requests.
    pub(crate) fn versions(&self) -> Vec<String> {
        let version = |request: &Recorded| request.header("x-prometheus-remote-write-version").to_owned();
        self.requests().iter().map(version).collect()
    }
}

impl Recorded {
    fn new(head: &Parts, body: Bytes) -> Self {
        let is_v2 = head.headers["content-type"].to_str().unwrap().contains("write.v2");
        let (message, series) = if is_v2 {
            let request = v2::decode(&body, MAX_BODY_BYTES).unwrap();
            let series = request.timeseries.iter().map(|series| Seen::v2(&request, series)).collect();
            (Message::V2(request), series)
        } else {
            let request = v1::decode(&body, MAX_BODY_BYTES).unwrap();
            let series = request.timeseries.iter().cloned().map(Seen::v1).collect();
            (Message::V1(request), series)
        };
        let (at, method, headers) = (Instant::now(), head.method.clone(), head.headers.clone());
        Self { at, method, headers, body, message, series }
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}");
        values[0].to_str().unwrap()
    }

    pub(crate) fn v2(&self) -> &v2::Request {
        match &self.message {
            Message::V2(request) => request,
            Message::V1(_) => panic!("a request of 1.0"),
        }
    }

    pub(crate) fn v1(&self) -> &v1::WriteRequest {
        match &self.message {
            Message::V1(request) => request,
            Message::V2(_) => panic!("a request of 2.0"),
        }
    }

    fn count(&self, of: impl Fn(&Seen) -> usize) -> usize {
        self.series.iter().map(of).sum()
    }
}

fn owned<N: ToString, V: ToString>(labels: impl IntoIterator<Item = (N, V)>) -> Vec<(String, String)> {
    labels.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

impl Seen {
    fn v1(series: v1::TimeSeries) -> Self {
        let labels = |labels: &[v1::Label]| owned(labels.iter().map(|label| (&label.name, &label.value)));
        let exemplar = |exemplar: &v1::Exemplar| SeenExemplar {
            labels: labels(&exemplar.labels),
            value: exemplar.value,
            timestamp: exemplar.timestamp,
        };
        let sample = |sample: &v1::Sample| v2::Sample {
            value: sample.value,
            timestamp: sample.timestamp,
            start_timestamp: 0,
        };
        Self {
            labels: labels(&series.labels),
            samples: series.samples.iter().map(sample).collect(),
            exemplars: series.exemplars.iter().map(exemplar).collect(),
            histograms: series.histograms,
            metadata: None,
        }
    }

    fn v2(request: &v2::Request, series: &v2::TimeSeries) -> Self {
        let text = |reference| request.symbol(reference).unwrap().to_owned();
        let exemplar = |exemplar: &v2::Exemplar| SeenExemplar {
            labels: owned(request.labels(&exemplar.labels_refs).unwrap()),
            value: exemplar.value,
            timestamp: exemplar.timestamp,
        };
        let metadata = |told: v2::Metadata| SeenMetadata {
            kind: told.r#type.try_into().unwrap(),
            help: text(told.help_ref),
            unit: text(told.unit_ref),
        };
        Self {
            labels: owned(request.labels(&series.labels_refs).unwrap()),
            samples: series.samples.clone(),
            histograms: series.histograms.clone(),
            exemplars: series.exemplars.iter().map(exemplar).collect(),
            metadata: series.metadata.map(metadata),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.get(NAME).unwrap()
    }

    pub(crate) fn get(&self, label: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| name == label).map(|(_, value)| value.as_str())
    }

    /// The value of the only sample.
    pub(crate) fn value(&self) -> f64 {
        assert_eq!(self.samples.len(), 1, "{:?}", self.labels);
        self.samples[0].value
    }

    /// Times of its samples and native histograms.
    pub(crate) fn times(&self) -> impl Iterator<Item = i64> {
        let samples = self.samples.iter().map(|sample| sample.timestamp);
        samples.chain(self.histograms.iter().map(|histogram| histogram.timestamp))
    }

    /// Start, and own time, of its samples and native histograms; a start of 0 is unknown.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (i64, i64)> {
        let samples = self.samples.iter().map(|sample| (sample.start_timestamp, sample.timestamp));
        samples.chain(self.histograms.iter().map(|h| (h.start_timestamp, h.timestamp)))
    }
}

impl State {
    fn respond(&mut self, head: &Parts, body: Bytes) -> Option<Answer> {
        let request = Recorded::new(head, body);
        let written = [
            request.count(|series| series.samples.len()),
            request.count(|series| series.histograms.len()),
            request.count(|series| series.exemplars.len()),
        ];
        let is_v2 = matches!(request.message, Message::V2(_));
        self.requests.push(request);
        let reply = match self.replies.len() {
            0 => Reply::Written,
            1 => self.replies[0].clone(),
            _ => self.replies.pop_front().unwrap(),
        };
        Some(match reply {
            Reply::Written => {
                let mut answer = answer(204, "").unwrap();
                for (name, count) in Written::HEADERS.into_iter().zip(written).filter(|_| is_v2) {
                    answer.headers_mut().insert(name, count.into());
                }
                Ok(answer)
            }
            Reply::Status(status) => answer(status, "told to"),
            Reply::With(status, headers, body) => {
                let mut answer = answer(status, body).unwrap();
                for (name, value) in headers {
                    answer.headers_mut().insert(*name, value.parse().unwrap());
                }
                Ok(answer)
            }
            Reply::Silence => return None,
            Reply::Reset => reset(),
        })
    }
}
