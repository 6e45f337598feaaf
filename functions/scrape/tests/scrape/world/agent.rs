//! An agent: the real wire, a spool that is a list.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http_body_util::Full;
use prost::Message;
use siphon_core::{
    otlp::{AnyValue, KeyValue, Resource, ResourceSpans, ScopeSpans, Span, TraceRequest, Value},
    shard::Target,
    units::UnixMillis,
    wire::{
        ACK_PATH, Ack, BootId, Count, Cursor, Cursors, Kind, LeaseId, MAX_PAGE_BYTES, PULL_PATH, Page,
        PageHead, PullRequest, Reading, Record, Refusal, RefusalCode, SAMPLING_PATH, SamplingHandover,
        SamplingHead, Share, ShareHead,
        signature::{self, BodyDigest, Key, Nonce, SignedRequest},
    },
};
use siphon_scrape::time::now;
use tokio::task::AbortHandle;

use super::{Answer, KEY, Served, answer, header, reset, seconds_ago, serve};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Manner {
    #[default]
    Honest,
    /// Closes the connection after each answer.
    Closing,
    /// Signs with another key.
    OtherKey,
    /// Signs, but what it sends is no page.
    Garbage,
    /// Sends more than any page may have.
    TooLarge,
    /// Refuses with more words than anybody needs.
    Talkative,
    /// Refuses with this code.
    Refusing(RefusalCode),
    /// Never answers.
    Silent,
    /// Closes the connection in place of an answer to an ack.
    DeafToAcks,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) manner: Manner,
    pub(crate) records: Vec<Record>,
    pub(crate) counts: Vec<Count>,
    /// What its pages say.
    pub(crate) stopping: bool,
    /// Most records of one page.
    pub(crate) page_records: Option<usize>,
    /// Whether a page has records of one share, in turn, as where what is repeated leaves no room.
    pub(crate) share_after_share: bool,
    /// What its pages say of sampling.
    pub(crate) sampling: Option<SamplingHead>,
    /// What it was handed over.
    pub(crate) handovers: Vec<serde_json::Value>,
    /// What is acknowledged.
    pub(crate) acked: Cursors,
    /// What was handed out.
    handed_out: Cursors,
    /// What the acks say became of the records.
    pub(crate) exported: Vec<Count>,
    pub(crate) pulls: Vec<PullRequest>,
    pub(crate) acks: usize,
    /// Whose they were.
    pub(crate) acks_of: Vec<LeaseId>,
    /// Its key, hex, if that is not [`KEY`].
    pub(crate) key: Option<&'static str>,
    /// Requests that were signed with another one.
    pub(crate) strangers: usize,
    task_arn: String,
    lease: Option<LeaseId>,
}

pub(crate) struct Agent {
    state: Arc<Mutex<State>>,
    target: Target,
    accepting: AbortHandle,
}

const BOOT: BootId = BootId([7; 16]);

impl Agent {
    pub(crate) async fn start(task: &str) -> Self {
        Self::start_on("127.0.0.1:0", task).await
    }

    pub(crate) async fn start_on(address: &str, task: &str) -> Self {
        let task_arn = arn(task);
        let state = Arc::new(Mutex::new(State { task_arn: task_arn.clone(), ..State::default() }));
        let Served { address, accepting } = serve(address, &state, State::respond).await;
        Self { state, target: Target { task_arn, address: address.ip(), port: address.port() }, accepting }
    }

    /// Ends: nobody listens any more.
    pub(crate) fn end(&self) {
        self.accepting.abort();
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.state.lock().unwrap())
    }

    /// Adds `n` readings, the first `age` seconds old, one each millisecond. Each has eight series.
    pub(crate) fn readings(&self, n: usize, age: i64) {
        let payload = self.edit(|state| Reading::encode(task_json(&state.task_arn).as_bytes(), b"{}"));
        for n in 0..n {
            self.record(Kind::Ecs, seconds_ago(age).plus(n as i64), payload.clone());
        }
    }

    /// Adds one record of spans with these ids.
    pub(crate) fn spans(&self, ids: &[u64]) {
        self.spans_of(None, ids.iter().map(|id| span(*id)).collect());
    }

    /// Adds one record of spans.
    pub(crate) fn spans_of(&self, resource: Option<Resource>, spans: Vec<Span>) {
        let resource_spans =
            vec![ResourceSpans { resource, scope_spans: vec![ScopeSpans { scope: None, spans }] }];
        self.record(Kind::OtlpTraces, seconds_ago(1), TraceRequest { resource_spans }.encode_to_vec());
    }

    pub(crate) fn record(&self, kind: Kind, arrived: UnixMillis, payload: impl Into<Bytes>) {
        self.edit(|state| {
            let sequence = state.records.iter().filter(|r| r.kind.share() == kind.share()).count() as u64;
            state.records.push(Record { kind, sequence, arrived, payload: payload.into() });
        });
    }

    /// What is acknowledged: metrics, traces.
    pub(crate) fn acked(&self) -> (u64, u64) {
        self.edit(|state| (state.acked.metrics.0, state.acked.traces.0))
    }
}

pub(crate) fn span(id: u64) -> Span {
    Span {
        trace_id: [&1_700_000_000u32.to_be_bytes()[..], &[9; 12]].concat(),
        span_id: id.to_be_bytes().to_vec(),
        name: "GET /".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_500_000_000,
        ..Span::default()
    }
}

pub(crate) fn attribute(key: &str, text: impl Into<String>) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::String(text.into())) });
    KeyValue { key: key.to_owned(), value }
}

pub(crate) fn arn(task: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task/shop/{task}")
}

fn task_json(arn: &str) -> String {
    format!(
        r#"{{"Cluster":"shop","TaskARN":"{arn}","Family":"web","Revision":"3","Limits":{{"CPU":0.25,"Memory":512}},
        "Containers":[]}}"#
    )
}

impl State {
    /// As after the time that it was given for.
    pub(crate) fn give_up_lease(&mut self) {
        self.lease = None;
    }

    fn respond(&mut self, head: &Parts, body: Bytes) -> Option<Answer> {
        let Some(nonce) = self.check(head, &body) else {
            self.strangers += 1;
            let (status, body) = refusal(RefusalCode::BadSignature);
            return Some(answer(status, body));
        };
        let (status, body) = match (self.manner, head.uri.path()) {
            (Manner::Silent, _) => return None,
            (Manner::DeafToAcks, ACK_PATH) => return Some(reset()),
            (Manner::Refusing(code), _) => refusal(code),
            (Manner::Garbage, _) => (200, b"no page".to_vec()),
            (Manner::TooLarge, _) => (200, vec![0; MAX_PAGE_BYTES + 1]),
            (Manner::Talkative, _) => (503, vec![b'!'; (64 << 10) + 1]),
            (_, PULL_PATH) => self.pull(serde_json::from_slice(&body).unwrap()),
            (_, ACK_PATH) => self.ack(&serde_json::from_slice(&body).unwrap()),
            (_, SAMPLING_PATH) => self.take_sampling(&body),
            (_, other) => panic!("unexpected path {other}"),
        };
        Some(self.sign(status, nonce, body))
    }

    /// The nonce, if the request is signed with this agent's key.
    fn check(&self, head: &Parts, body: &[u8]) -> Option<Nonce> {
        let nonce = header(head, signature::NONCE).parse().unwrap();
        let time = UnixMillis(header(head, signature::TIME).parse().unwrap());
        let digest = BodyDigest::of(body);
        assert_eq!(header(head, signature::DIGEST), digest.to_string());
        let request = SignedRequest { method: "POST", path: head.uri.path(), time, nonce, digest };
        self.key().accepts_request(&request, header(head, signature::SIGNATURE)).then_some(nonce)
    }

    fn key(&self) -> Key {
        Key::from_hex(self.key.unwrap_or(KEY)).unwrap()
    }

    fn sign(&self, status: u16, nonce: Nonce, body: Vec<u8>) -> Answer {
        let key = match self.manner {
            Manner::OtherKey => Key::from_hex(&"0c".repeat(32)).unwrap(),
            _ => self.key(),
        };
        // What is too large is given up before its signature is looked at; making one takes this thread, which is the
        // function's too, for seconds.
        let signed = if self.manner == Manner::TooLarge { &[][..] } else { &body };
        let signature = key.sign_answer(status, nonce, signed).to_string();
        let mut response: http::Response<Full<Bytes>> = answer(status, body)?;
        response.headers_mut().insert(signature::SIGNATURE, signature.parse().unwrap());
        if self.manner == Manner::Closing {
            response.headers_mut().insert("connection", "close".parse().unwrap());
        }
        Ok(response)
    }

    fn pull(&mut self, pull: PullRequest) -> (u16, Vec<u8>) {
        self.pulls.push(pull.clone());
        if pull.task_arn != self.task_arn {
            return refusal(RefusalCode::OtherTask);
        }
        if self.lease.is_some_and(|held| held != pull.lease) {
            return refusal(RefusalCode::Leased);
        }
        // What was handed out is repeated as it was.
        let waiting = |record: &&Record| {
            let share = record.kind.share();
            let (acked, handed_out) = (self.acked.get(share).0, self.handed_out.get(share).0);
            record.sequence >= acked && (acked >= handed_out || record.sequence < handed_out)
        };
        let turn = Share::ALL[(self.pulls.len() + 1) % 2];
        let has_turn = |record: &&Record| !self.share_after_share || record.kind.share() == turn;
        let most = self.page_records.unwrap_or(usize::MAX);
        let records: Vec<_> =
            self.records.iter().filter(waiting).filter(has_turn).take(most).cloned().collect();
        self.lease = (!records.is_empty() || pull.keep_lease).then_some(pull.lease);
        let share = |share: Share| {
            let of_share = |record: &&Record| record.kind.share() == share;
            let cursor =
                records.iter().rfind(of_share).map_or(self.acked.get(share), |r| Cursor(r.sequence + 1));
            let remaining = self.records.iter().filter(of_share).filter(|r| r.sequence >= cursor.0).count();
            ShareHead {
                cursor,
                remaining_records: remaining as u64,
                handed_out_before: self.handed_out.get(share),
            }
        };
        let head = PageHead {
            version: "test".to_owned(),
            boot: BOOT,
            now: now(),
            container: String::new(),
            stopping: self.stopping,
            metrics: share(Share::Metrics),
            traces: share(Share::Traces),
            counts: self.counts.clone(),
            sampling: self.sampling.clone(),
        };
        for share in Share::ALL {
            let cursor = self.handed_out.get_mut(share);
            *cursor = (*cursor).max(head.share(share).cursor);
        }
        (200, Page { head, task: task_json(&self.task_arn).into(), records }.encode().unwrap())
    }

    /// Checks what the real agent does.
    fn take_sampling(&mut self, body: &[u8]) -> (u16, Vec<u8>) {
        let handover: SamplingHandover<'_> = serde_json::from_slice(body).unwrap();
        assert_eq!((handover.boot, handover.task_arn.as_ref()), (BOOT, self.task_arn.as_str()));
        self.handovers.push(serde_json::from_slice(body).unwrap());
        (204, Vec::new())
    }

    fn ack(&mut self, ack: &Ack) -> (u16, Vec<u8>) {
        assert_eq!((ack.boot, Some(ack.lease)), (BOOT, self.lease));
        for share in Share::ALL {
            let cursor = self.acked.get_mut(share);
            *cursor = (*cursor).max(ack.delivered.get(share));
        }
        self.exported.extend(ack.exported.iter().cloned());
        self.acks += 1;
        self.acks_of.push(ack.lease);
        self.lease = self.lease.filter(|_| ack.keep_lease);
        (204, Vec::new())
    }
}

fn refusal(code: RefusalCode) -> (u16, Vec<u8>) {
    (code.status(), serde_json::to_vec(&Refusal { code, message: "told to".to_owned() }).unwrap())
}
