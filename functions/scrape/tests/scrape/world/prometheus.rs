//! A receiver of remote write: checks what every request owes, stores samples, fails as told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use siphon_core::{
    remote_write::{
        HEADERS, MAX_BODY_BYTES,
        v1::{TimeSeries, decode},
    },
    series::STALE,
};

use super::{Answer, answer, header, reset, serve_late};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Stored, 200.
    Store,
    /// Not stored, this status.
    Status(u16),
    /// Stored, but the connection breaks before the answer.
    StoreAndReset,
    /// 413 if it has more samples than this, else stored.
    AtMost(usize),
    /// Nothing, ever.
    Silence,
}

/// What it keeps of a request with a sample that it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Nothing, as Prometheus.
    Nothing,
    /// The good samples, as Amazon Managed Prometheus.
    Good,
}

#[derive(Default)]
pub(crate) struct State {
    /// If there, it refuses series with a label value `poison`, and samples that are older than the newest of their series.
    pub(crate) strict: Option<Keeps>,
    /// For the next requests; the last one for all after it.
    pub(crate) replies: VecDeque<Reply>,
    /// Requests wait up to so long before they are looked at.
    pub(crate) slowest: Duration,
    /// Headers of each request.
    pub(crate) heads: Vec<HeaderMap>,
    /// Bodies, in order of arrival.
    pub(crate) bodies: Vec<Bytes>,
    /// Label set and time -> how often it was stored.
    pub(crate) samples: BTreeMap<(String, i64), u32>,
    /// Label set -> times of stale markers, also among the samples.
    pub(crate) ends: BTreeMap<String, Vec<i64>>,
    /// `Retry-Attempt` of each request.
    pub(crate) attempts: Vec<Option<String>>,
}

pub(crate) struct Prometheus {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Prometheus {
    pub(crate) async fn start() -> Self {
        let state = Arc::default();
        let served = serve_late("127.0.0.1:0", &state, State::delay, State::respond).await;
        Self { state, url: format!("http://{}/workspaces/ws-1/api/v1/remote_write", served.address) }
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.state.lock().unwrap())
    }

    pub(crate) fn replies(&self, replies: &[Reply]) {
        self.edit(|state| state.replies = replies.iter().copied().collect());
    }

    /// Stored samples, and how often the most frequent one was stored.
    pub(crate) fn stored(&self) -> (usize, u32) {
        self.edit(|state| (state.samples.len(), state.samples.values().copied().max().unwrap_or(0)))
    }

    pub(crate) fn requests(&self) -> usize {
        self.edit(|state| state.bodies.len())
    }
}

impl State {
    /// As if by chance, but the same each time.
    fn delay(&mut self) -> Duration {
        let chance = self.heads.len().wrapping_add(1).wrapping_mul(0x9e37_79b9) >> 16 & 0xff;
        self.slowest.mul_f64(chance as f64 / 255.0)
    }

    fn respond(&mut self, head: &Parts, body: Bytes) -> Option<Answer> {
        for (name, value) in HEADERS {
            assert_eq!(header(head, name), value);
        }
        assert!(header(head, "user-agent").starts_with("siphon-scrape/"));
        let authorization = header(head, "authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=id/"), "{authorization}");
        assert!(authorization.contains("/eu-west-1/aps/aws4_request"), "{authorization}");
        assert_eq!(header(head, "x-amz-security-token"), "token");
        self.attempts.push(head.headers.get("retry-attempt").map(|n| n.to_str().unwrap().to_owned()));
        self.heads.push(head.headers.clone());
        let message = decode(&body, MAX_BODY_BYTES).unwrap();
        self.bodies.push(body);
        let reply = match self.replies.len() {
            0 => Reply::Store,
            1 => self.replies[0],
            _ => self.replies.pop_front().unwrap(),
        };
        match reply {
            Reply::Status(status) => return Some(answer(status, "told to")),
            Reply::Silence => return None,
            Reply::AtMost(most)
                if message.timeseries.iter().map(|s| s.samples.len()).sum::<usize>() > most =>
            {
                return Some(answer(413, "received message larger than max"));
            }
            Reply::Store | Reply::StoreAndReset | Reply::AtMost(_) => {}
        }
        match self.strict {
            Some(keeps) => {
                let answer = self.judge(&message.timeseries, keeps);
                return Some(if reply == Reply::StoreAndReset { reset() } else { answer });
            }
            None => self.store(&message.timeseries),
        }
        Some(if reply == Reply::StoreAndReset { reset() } else { answer(200, "") })
    }

    /// Stores what is good, as far as it keeps that; 400 if not all is.
    fn judge(&mut self, series: &[TimeSeries], keeps: Keeps) -> Answer {
        let (mut good, mut problem) = (Vec::new(), None);
        for one in series {
            if one.labels.iter().any(|label| label.value == "poison") {
                problem = problem.or(Some("label value too bad"));
                continue;
            }
            let newest =
                self.samples.keys().filter(|(labels, _)| *labels == text(one)).map(|(_, at)| *at).max();
            let (known, new): (Vec<_>, Vec<_>) = one
                .samples
                .iter()
                .cloned()
                .partition(|sample| newest.is_some_and(|newest| sample.timestamp < newest));
            if !known.is_empty() {
                problem = problem.or(Some("out of order sample"));
            }
            // The same sample again is taken without a word, and not stored.
            let new = new
                .into_iter()
                .filter(|sample| newest.is_none_or(|newest| sample.timestamp > newest))
                .collect();
            good.push(TimeSeries { samples: new, ..one.clone() });
        }
        if problem.is_none() || keeps == Keeps::Good {
            self.store(&good);
        }
        problem.map_or_else(|| answer(200, ""), |problem| answer(400, problem))
    }

    fn store(&mut self, series: &[TimeSeries]) {
        for one in series {
            let labels = text(one);
            for sample in &one.samples {
                *self.samples.entry((labels.clone(), sample.timestamp)).or_default() += 1;
                if sample.value.to_bits() == STALE.to_bits() {
                    self.ends.entry(labels.clone()).or_default().push(sample.timestamp);
                }
            }
        }
    }
}

fn text(series: &TimeSeries) -> String {
    let labels: Vec<_> = series.labels.iter().map(|l| format!("{}={:?}", l.name, l.value)).collect();
    assert!(labels.is_sorted());
    labels.join(",")
}
