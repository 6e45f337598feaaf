//! An X-Ray: takes PutTraceSegments, fails as told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};

use super::{Answer, answer, header, serve};

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Taken.
    Take,
    /// Refused as a whole: status, code.
    Refuse(u16, &'static str),
    /// Refused as a whole if it has this document, else taken.
    RefuseWith(u64),
    /// Taken but for these: id, code.
    Unprocessed(Vec<(u64, &'static str)>),
}

#[derive(Default)]
pub(crate) struct State {
    /// For the next calls; the last one for all after it.
    pub(crate) replies: VecDeque<Reply>,
    /// Documents of each call.
    pub(crate) calls: Vec<usize>,
    /// The calls as they came.
    pub(crate) requests: Vec<(Parts, Bytes)>,
    /// Id -> how often it was taken.
    pub(crate) documents: BTreeMap<String, u32>,
    /// Each answer to GetSamplingRules: status and body.
    pub(crate) rules: VecDeque<(u16, String)>,
    /// Each answer to GetSamplingTargets, likewise; the last one for all after it.
    pub(crate) targets: VecDeque<(u16, String)>,
    /// The bodies of those calls, by path.
    pub(crate) sampling_calls: Vec<(String, Value)>,
    /// Id -> name that it was last taken under.
    pub(crate) names: BTreeMap<String, String>,
}

pub(crate) struct XRay {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl XRay {
    pub(crate) async fn start() -> Self {
        let state = Arc::default();
        let served = serve("127.0.0.1:0", &state, State::respond).await;
        Self { state, url: format!("http://{}", served.address) }
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.state.lock().unwrap())
    }

    pub(crate) fn replies(&self, replies: &[Reply]) {
        self.edit(|state| state.replies = replies.iter().cloned().collect());
    }

    /// Documents taken, and how often the most frequent one was.
    pub(crate) fn taken(&self) -> (usize, u32) {
        self.edit(|state| (state.documents.len(), state.documents.values().copied().max().unwrap_or(0)))
    }

    pub(crate) fn calls(&self) -> Vec<usize> {
        self.edit(|state| state.calls.clone())
    }
}

pub(crate) fn id(span: u64) -> String {
    format!("{span:016x}")
}

impl State {
    fn sampling(&mut self, path: &str, body: &[u8]) -> Option<Answer> {
        self.sampling_calls.push((path.to_owned(), serde_json::from_slice(body).unwrap()));
        let answers = match path {
            "/GetSamplingRules" => &mut self.rules,
            "/SamplingTargets" => &mut self.targets,
            other => panic!("unexpected path {other}"),
        };
        let (status, body) = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }?;
        Some(answer(status, body))
    }

    fn respond(&mut self, head: &Parts, body: Bytes) -> Option<Answer> {
        assert!(header(head, "authorization").contains("/eu-west-1/xray/aws4_request"));
        match head.uri.path() {
            "/TraceSegments" => {}
            path => return self.sampling(path, &body),
        }
        self.requests.push((head.clone(), body.clone()));
        let body: Value = serde_json::from_slice(&body).unwrap();
        let texts =
            body["TraceSegmentDocuments"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        let documents: Vec<Value> = texts.map(|text| serde_json::from_str(text).unwrap()).collect();
        let text = |document: &Value, field| document[field].as_str().unwrap().to_owned();
        let ids: Vec<String> = documents.iter().map(|document| text(document, "id")).collect();
        assert!(ids.len() <= 50);
        self.calls.push(ids.len());
        let reply = match self.replies.len() {
            0 => Reply::Take,
            1 => self.replies[0].clone(),
            _ => self.replies.pop_front().unwrap(),
        };
        let unprocessed = match reply {
            Reply::Refuse(status, code) => return Some(refuse(status, code)),
            Reply::RefuseWith(span) if ids.contains(&id(span)) => {
                return Some(refuse(400, "InvalidRequestException"));
            }
            Reply::Take | Reply::RefuseWith(_) => Vec::new(),
            Reply::Unprocessed(spans) => spans,
        };
        let is_taken = |taken: &str| unprocessed.iter().all(|(span, _)| id(*span) != taken);
        for (taken, document) in ids.iter().zip(&documents).filter(|(taken, _)| is_taken(taken)) {
            *self.documents.entry(taken.clone()).or_default() += 1;
            self.names.insert(taken.clone(), text(document, "name"));
        }
        let unprocessed: Vec<_> =
            unprocessed.iter().map(|(span, code)| json!({ "Id": id(*span), "ErrorCode": code })).collect();
        Some(answer(200, json!({ "UnprocessedTraceSegments": unprocessed }).to_string()))
    }
}

fn refuse(status: u16, code: &str) -> Answer {
    let mut response = answer(status, json!({ "message": "told to" }).to_string())?;
    response.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
    Ok(response)
}
