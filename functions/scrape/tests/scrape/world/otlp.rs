//! X-Ray's OTLP endpoint: checks what every request owes, stores spans, fails as told.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::request::Parts;
use prost::Message;
use siphon_core::{
    otlp::{Resource, TraceRequest},
    xray::otlp::{HEADERS, PartialSuccess},
};

use super::{Answer, answer, header, serve};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Stored.
    Store,
    /// Stored but for one span, 200.
    AllButOne,
    /// Not stored: status, text.
    Refuse(u16, &'static str),
    /// 400 if it has this span, else stored.
    RefuseWith(u64),
    /// 413 if it has more spans than this, else stored.
    AtMost(usize),
}

#[derive(Default)]
pub(crate) struct State {
    /// For the next requests; the last one for all after it.
    pub(crate) replies: VecDeque<Reply>,
    /// Spans of each request.
    pub(crate) requests: Vec<usize>,
    /// Id -> how often it was stored.
    pub(crate) spans: BTreeMap<u64, u32>,
    /// Of each resource of the last request.
    pub(crate) resources: Vec<Resource>,
}

pub(crate) struct Otlp {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Otlp {
    pub(crate) async fn start() -> Self {
        let state = Arc::default();
        let served = serve("127.0.0.1:0", &state, State::respond).await;
        Self { state, url: format!("http://{}/v1/traces", served.address) }
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.state.lock().unwrap())
    }

    pub(crate) fn replies(&self, replies: &[Reply]) {
        self.edit(|state| state.replies = replies.iter().cloned().collect());
    }

    /// Spans stored, and how often the most frequent one was.
    pub(crate) fn stored(&self) -> (usize, u32) {
        self.edit(|state| (state.spans.len(), state.spans.values().copied().max().unwrap_or(0)))
    }

    pub(crate) fn requests(&self) -> Vec<usize> {
        self.edit(|state| state.requests.clone())
    }
}

impl State {
    fn respond(&mut self, head: &Parts, body: Bytes) -> Option<Answer> {
        assert_eq!(head.uri.path(), "/v1/traces");
        for (name, value) in HEADERS {
            assert_eq!(header(head, name), value);
        }
        assert!(header(head, "authorization").contains("/eu-west-1/xray/aws4_request"));
        let mut message = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut message).unwrap();
        let request = TraceRequest::decode(&message[..]).unwrap();
        let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
        let ids = scopes.flat_map(|scope| &scope.spans);
        let mut ids: Vec<_> =
            ids.map(|span| u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap())).collect();
        self.requests.push(ids.len());
        self.resources = request.resource_spans.into_iter().filter_map(|group| group.resource).collect();
        let reply = match self.replies.len() {
            0 => Reply::Store,
            1 => self.replies[0].clone(),
            _ => self.replies.pop_front().unwrap(),
        };
        let mut said = Vec::new();
        match reply {
            Reply::Refuse(status, text) => return Some(answer(status, text)),
            Reply::RefuseWith(span) if ids.contains(&span) => return Some(answer(400, "told to")),
            Reply::AtMost(most) if ids.len() > most => return Some(answer(413, "told to")),
            Reply::Store | Reply::RefuseWith(_) | Reply::AtMost(_) => {}
            Reply::AllButOne => {
                ids.pop();
                let one = PartialSuccess { rejected_spans: 1, error_message: "told to".to_owned() };
                prost::encoding::message::encode(1, &one, &mut said);
            }
        }
        for id in ids {
            *self.spans.entry(id).or_default() += 1;
        }
        Some(answer(200, said))
    }
}
