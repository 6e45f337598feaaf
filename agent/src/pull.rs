//! The pull port: believes, routes and signs. What is handed out is decided in [`crate::handout`]; the protocol is
//! [`siphon_core::wire`].

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use log::{debug, info, warn};
use siphon_core::wire::{
    ACK_PATH, MAX_HANDOVER_BYTES, PULL_PATH, Refusal, RefusalCode, SAMPLING_PATH, signature::SIGNATURE,
};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, spawn_local},
};

use crate::{
    agent::{Agent, now},
    auth::{Claim, Denied, Proof, authenticate},
    handout::Handout,
    health,
    logging::Throttle,
    net::{self, Answer, BodyError, Budget, Limits, Peer, WhenFull, answer, discard, discard_most, read},
    replay::Replay,
};

/// Pullers come and go. A dead one's page must not stay in memory for long.
pub const LIMITS: Limits = Limits {
    connections: 16,
    when_full: WhenFull::Close,
    per_remote_address: 8,
    remote_per_second: 20,
    idle: Duration::from_secs(5),
    age: Duration::from_secs(60),
};

/// A pull or an ack is a few hundred bytes.
const MAX_BODY_BYTES: usize = 8 << 10;
const BODY_TIME: Duration = Duration::from_secs(5);

/// The pull port's state.
pub struct Pulls {
    agent: Rc<Agent>,
    handout: Handout,
    replay: RefCell<Replay>,
    bodies: Rc<Budget>,
    /// Of hand-overs, which are far larger: one at a time.
    handovers: Rc<Budget>,
    denied_log: RefCell<Throttle>,
}

/// What a request asks for.
#[derive(Clone, Copy)]
enum Operation {
    Pull,
    Ack,
    Sampling,
}

impl Operation {
    fn of(head: &Parts) -> Option<Self> {
        match (&head.method, head.uri.path()) {
            (&Method::POST, PULL_PATH) => Some(Self::Pull),
            (&Method::POST, ACK_PATH) => Some(Self::Ack),
            (&Method::POST, SAMPLING_PATH) => Some(Self::Sampling),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Ack => "ack",
            Self::Sampling => "sampling",
        }
    }
}

/// Serves pulls until `closing` has turned true.
pub fn serve(agent: &Rc<Agent>, listener: TcpListener, closing: watch::Receiver<bool>) -> JoinHandle<()> {
    if let Ok(address) = listener.local_addr() {
        info!(address:%, tls = agent.settings.tls.is_some(); "answering pulls");
    }
    let pulls = Rc::new(Pulls::new(Rc::clone(agent)));
    let tls = agent.settings.tls.clone();
    let listener = agent.listener("pull", listener, LIMITS);
    spawn_local(net::serve(listener, tls, closing, move |peer, request| {
        let pulls = Rc::clone(&pulls);
        async move { pulls.handle(peer, request).await }
    }))
}

impl Pulls {
    /// Serves the agent's spool.
    #[must_use]
    pub fn new(agent: Rc<Agent>) -> Self {
        Self {
            handout: Handout::new(Rc::clone(&agent)),
            replay: RefCell::new(Replay::new(now())),
            bodies: Rc::new(Budget::new(2 * LIMITS.connections * MAX_BODY_BYTES)),
            handovers: Rc::new(Budget::new(MAX_HANDOVER_BYTES)),
            denied_log: RefCell::new(Throttle::new(Duration::from_secs(10))),
            agent,
        }
    }

    /// Answers one request. Who does not prove a key gets the same few bytes whatever is asked for, and learns nothing, not
    /// even which paths there are; nothing of such a request's body is kept.
    pub async fn handle(&self, peer: Peer, request: Request<Incoming>) -> Answer {
        let (head, mut body) = request.into_parts();
        if let Some(answer) = health::answer(&self.agent, peer, head.uri.path()) {
            return answer;
        }
        let operation = Operation::of(&head);
        let proof = match self.believe(&head) {
            Ok(proof) => proof,
            Err(denied) => {
                // As much as an honest puller with an older key sends, so that it sees the answer.
                discard_most(body, MAX_BODY_BYTES).await;
                let mut answer = self.refuse(peer, operation, &denied.refusal, denied.proof);
                // A stranger keeps no place.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return answer;
            }
        };
        let (limit, budget) = match operation {
            Some(Operation::Sampling) => (MAX_HANDOVER_BYTES, &self.handovers),
            _ => (MAX_BODY_BYTES, &self.bodies),
        };
        let obeyed = match read(&mut body, limit, budget, BODY_TIME).await {
            Ok(body) if proof.covers(&body) => self.obey(operation, &body),
            Ok(_) => Err(changed()),
            Err(error) => {
                discard(body).await;
                Err(unread(error, limit))
            }
        };
        match obeyed {
            Ok((status, body)) => self.reply(status, "application/octet-stream", body, Some(proof)),
            Err(refusal) => self.refuse(peer, operation, &refusal, Some(proof)),
        }
    }

    fn believe(&self, head: &Parts) -> Result<Proof<'_>, Denied<'_>> {
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let claim = Claim { method: head.method.as_str(), path, headers: &head.headers };
        authenticate(&claim, &self.agent.settings.keys, &mut self.replay.borrow_mut(), now())
    }

    fn obey(&self, operation: Option<Operation>, body: &[u8]) -> Result<(StatusCode, Bytes), Refusal> {
        match operation {
            Some(Operation::Pull) => Ok((StatusCode::OK, self.handout.pull(body)?)),
            Some(Operation::Ack) => {
                self.handout.ack(body)?;
                Ok((StatusCode::NO_CONTENT, Bytes::new()))
            }
            Some(Operation::Sampling) => {
                self.handout.take_sampling(body)?;
                Ok((StatusCode::NO_CONTENT, Bytes::new()))
            }
            None => Err(Refusal {
                code: RefusalCode::NotFound,
                message: format!("expected POST {PULL_PATH}, POST {ACK_PATH} or POST {SAMPLING_PATH}"),
            }),
        }
    }

    fn refuse(
        &self,
        peer: Peer,
        operation: Option<Operation>,
        refusal: &Refusal,
        proof: Option<Proof<'_>>,
    ) -> Answer {
        let operation = operation.map_or("unknown", Operation::name);
        self.agent.ledger.borrow_mut().refused_pull(operation, refusal.code);
        self.log(peer, refusal);
        let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_vec(refusal).unwrap_or_default();
        self.reply(status, "application/json", body.into(), proof)
    }

    fn log(&self, peer: Peer, refusal: &Refusal) {
        let (peer, code, why) = (peer.address, refusal.code.name(), refusal.message.as_str());
        if refusal.code.status() != RefusalCode::BadSignature.status() {
            debug!(peer:%, code, why; "request refused");
        } else if let Some(suppressed) = self.denied_log.borrow_mut().pass(Instant::now()) {
            warn!(peer:%, code, suppressed, why; "request not believed");
        }
    }

    /// An answer, signed if the request was.
    fn reply(
        &self,
        status: StatusCode,
        content_type: &'static str,
        body: Bytes,
        proof: Option<Proof<'_>>,
    ) -> Answer {
        let signature = proof.map(|proof| proof.sign_answer(status.as_u16(), &body).to_string());
        let mut answer = answer(status, content_type, body);
        if let Some(signature) = signature.and_then(|hex| HeaderValue::try_from(hex).ok()) {
            answer.headers_mut().insert(SIGNATURE, signature);
        }
        answer
    }
}

fn changed() -> Refusal {
    let message = "the body is not the one that was signed; was it changed on its way?".to_owned();
    Refusal { code: RefusalCode::BadRequest, message }
}

fn unread(error: BodyError, limit: usize) -> Refusal {
    let (code, message) = match error {
        BodyError::TooLarge => (RefusalCode::TooLarge, format!("body is over {limit} bytes")),
        BodyError::Busy => (RefusalCode::Busy, "too many requests at once; try again".to_owned()),
        BodyError::Timeout => {
            (RefusalCode::BadRequest, format!("body was not whole within {} s", BODY_TIME.as_secs()))
        }
        BodyError::Broken => (RefusalCode::BadRequest, "body ended before its announced length".to_owned()),
    };
    Refusal { code, message }
}
