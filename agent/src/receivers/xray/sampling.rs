//! What X-Ray SDKs, and OpenTelemetry's samplers for X-Ray, ask their daemon over HTTP: `POST /GetSamplingRules` and
//! `POST /SamplingTargets`. The daemon forwards any call to X-Ray; the agent, which has no credentials, answers these two
//! by itself and forwards nothing.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use log::warn;
use serde_json::json;
use siphon_core::{
    excerpt,
    xray::sampling::{RULES_PATH, TARGETS_PATH, TargetsCall},
};

use crate::{
    agent::Agent,
    logging::Throttle,
    net::{Answer, BodyError, Budget, Limits, WhenFull, answer, discard, read},
};

/// SDKs ask every ten seconds; one process has a connection or two.
pub const LIMITS: Limits = Limits {
    connections: 32,
    when_full: WhenFull::Wait,
    per_remote_address: 32,
    remote_per_second: 100,
    idle: Duration::from_secs(20),
    age: Duration::from_secs(3600),
};

/// Statistics of some hundred rules; X-Ray takes 25 in one call, but not all SDKs keep to that.
const MAX_BODY_BYTES: usize = 64 << 10;
const BODY_TIME: Duration = Duration::from_secs(5);

/// A call that is answered with an error.
struct Refusal {
    /// In the counter.
    reason: &'static str,
    status: StatusCode,
    /// As X-Ray names it.
    code: &'static str,
    message: String,
}

/// The server's state.
pub struct SamplingServer {
    agent: Rc<Agent>,
    bodies: Rc<Budget>,
    refusal_log: RefCell<Throttle>,
}

impl SamplingServer {
    /// Answers from what the agent was handed over.
    #[must_use]
    pub fn new(agent: Rc<Agent>) -> Self {
        Self {
            agent,
            bodies: Rc::new(Budget::new(4 * MAX_BODY_BYTES)),
            refusal_log: RefCell::new(Throttle::new(Duration::from_secs(10))),
        }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (head, mut body) = request.into_parts();
        let respond = match (&head.method, head.uri.path()) {
            (&Method::POST, RULES_PATH) => Self::rules,
            (&Method::POST, TARGETS_PATH) => Self::targets,
            _ => {
                discard(body).await;
                return self.refuse(&unknown());
            }
        };
        let received = read(&mut body, MAX_BODY_BYTES, &self.bodies, BODY_TIME).await;
        let answered = match &received {
            Ok(body) => respond(self, body),
            Err(error) => Err(unread(*error)),
        };
        match answered {
            Ok(json) => answer(StatusCode::OK, "application/json", json),
            Err(refusal) => {
                drop(received);
                discard(body).await;
                self.refuse(&refusal)
            }
        }
    }

    fn rules(&self, _: &[u8]) -> Result<Bytes, Refusal> {
        Ok(self.agent.sampling.borrow_mut().rules(Instant::now()))
    }

    fn targets(&self, body: &[u8]) -> Result<Bytes, Refusal> {
        let call = TargetsCall::read(body).map_err(malformed)?;
        let boost = call.boost_statistics();
        let (json, lost) = self.agent.sampling.borrow_mut().targets(call.statistics, Instant::now());
        let mut ledger = self.agent.ledger.borrow_mut();
        ledger.dropped_statistics("too_many", lost);
        ledger.dropped_statistics("boost", boost);
        Ok(json.into())
    }

    fn refuse(&self, refusal: &Refusal) -> Answer {
        let Refusal { reason, status, code, message } = refusal;
        self.agent.ledger.borrow_mut().refused_sampling(reason);
        if let Some(suppressed) = self.refusal_log.borrow_mut().pass(Instant::now()) {
            warn!(reason, suppressed, error = message.as_str(); "call to X-Ray refused");
        }
        let json = json!({ "__type": code, "message": message });
        let mut answer = answer(*status, "application/json", json.to_string());
        answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
        answer
    }
}

fn unknown() -> Refusal {
    Refusal {
        reason: "unknown_operation",
        status: StatusCode::NOT_FOUND,
        code: "UnknownOperationException",
        message: format!(
            "only POST {RULES_PATH} and POST {TARGETS_PATH} are answered here: this agent has no credentials, and \
             forwards nothing to AWS"
        ),
    }
}

fn malformed(message: String) -> Refusal {
    let (status, code) = (StatusCode::BAD_REQUEST, "InvalidRequestException");
    Refusal { reason: "malformed", status, code, message: excerpt::message(message) }
}

fn unread(error: BodyError) -> Refusal {
    let (reason, status, code, message) = match error {
        BodyError::TooLarge => (
            "too_large",
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            format!("body is over {MAX_BODY_BYTES} bytes"),
        ),
        BodyError::Busy => (
            "busy",
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            "too many calls at once; try again".to_owned(),
        ),
        BodyError::Timeout => (
            "timeout",
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeoutException",
            format!("body was not whole within {} s", BODY_TIME.as_secs()),
        ),
        BodyError::Broken => return malformed("body ended before its announced length".to_owned()),
    };
    Refusal { reason, status, code, message }
}
