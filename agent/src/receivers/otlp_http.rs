//! OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), protobuf. A request is checked and stored as
//! it came; nothing of it is rebuilt.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use log::warn;
use prost::Message;
use siphon_core::{otlp::check, wire::Kind};

use crate::{
    agent::Agent,
    ledger::Refused,
    logging::Throttle,
    net::{Answer, BodyError, Limits, WhenFull, answer, discard, read, text},
};

/// Exporters keep a connection between their exports, a minute apart or less.
pub const LIMITS: Limits = Limits {
    connections: 128,
    when_full: WhenFull::Wait,
    idle: Duration::from_secs(120),
    age: Duration::from_secs(3600),
};

/// A body must be whole by then. Exporters give up after as long.
const BODY_TIME: Duration = Duration::from_secs(10);

const PROTOBUF: &str = "application/x-protobuf";

/// `google.rpc.Status`, the body of every error answer to a protobuf request.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// A request that is answered with an error, and why.
struct Refusal {
    refused: Refused,
    message: String,
}

/// The receiver.
pub struct OtlpHttp {
    agent: Rc<Agent>,
    refusal_log: RefCell<Throttle>,
}

impl OtlpHttp {
    /// A receiver that stores in the agent's spool.
    #[must_use]
    pub const fn new(agent: Rc<Agent>) -> Self {
        Self { agent, refusal_log: RefCell::new(Throttle::new(Duration::from_secs(10))) }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let kind = match head.uri.path() {
            "/v1/traces" => Kind::OtlpTraces,
            "/v1/metrics" => Kind::OtlpMetrics,
            _ => {
                discard(body).await;
                return text(StatusCode::NOT_FOUND, "expected POST /v1/traces or POST /v1/metrics");
            }
        };
        if head.method != Method::POST {
            discard(body).await;
            return with(text(StatusCode::METHOD_NOT_ALLOWED, "expected POST"), header::ALLOW, "POST");
        }
        match self.receive(kind, &head.headers, body).await {
            Ok(()) => answer(StatusCode::OK, PROTOBUF, ""),
            Err(refusal) => self.refuse(kind, &refusal),
        }
    }

    async fn receive(&self, kind: Kind, headers: &HeaderMap, mut body: Incoming) -> Result<(), Refusal> {
        if let Err(refusal) = expected_form(headers) {
            discard(body).await;
            return Err(refusal);
        }
        let limit = self.agent.settings.otlp_max_body_bytes;
        let received = read(&mut body, limit, &self.agent.bodies, BODY_TIME).await;
        let stored = match &received {
            Ok(bytes) => self.store(kind, bytes),
            Err(error) => Err(unread(*error, limit)),
        };
        drop(received);
        if stored.is_err() {
            discard(body).await;
        }
        stored
    }

    fn store(&self, kind: Kind, bytes: &[u8]) -> Result<(), Refusal> {
        let checked = match kind {
            Kind::OtlpTraces => check::traces(bytes),
            _ => check::metrics(bytes),
        };
        let items = checked.map_err(|fault| Refusal {
            refused: Refused::Malformed,
            message: format!("body of {} bytes is not an OTLP request: {fault}", bytes.len()),
        })?;
        match kind {
            _ if items == 0 => {}
            Kind::OtlpMetrics => self.agent.store_metrics(bytes, items),
            _ => self.agent.store(kind, bytes, items),
        }
        Ok(())
    }

    fn refuse(&self, kind: Kind, refusal: &Refusal) -> Answer {
        self.agent.ledger.borrow_mut().refused_request(kind, refusal.refused);
        if let Some(suppressed) = self.refusal_log.borrow_mut().pass(Instant::now()) {
            let (kind, reason) = (kind.name(), refusal.refused.name());
            warn!(kind, reason, suppressed, error = refusal.message.as_str(); "OTLP request refused");
        }
        refusal.answer()
    }
}

impl Refusal {
    fn answer(&self) -> Answer {
        // The codes are those of google.rpc.Code.
        let (status, code) = match self.refused {
            Refused::Malformed => (StatusCode::BAD_REQUEST, 3),
            Refused::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3),
            Refused::Timeout => (StatusCode::REQUEST_TIMEOUT, 4),
            Refused::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 8),
            Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, 14),
            // Who does not speak protobuf would not read it either.
            Refused::ContentType => return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, &self.message),
        };
        let body = Status { code, message: self.message.clone() }.encode_to_vec();
        let answer = answer(status, PROTOBUF, body);
        if self.refused == Refused::Busy { with(answer, header::RETRY_AFTER, "1") } else { answer }
    }
}

/// Whether the body can be what is received here, as the headers have it.
fn expected_form(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?").trim());
    let content_type = value(header::CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(PROTOBUF) {
        let message = format!("content type {content_type:?} is not received; send {PROTOBUF}");
        return Err(Refusal { refused: Refused::ContentType, message });
    }
    match value(header::CONTENT_ENCODING) {
        None | Some("") => Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case("identity") => Ok(()),
        Some(encoding) => {
            let message = format!(
                "content encoding {encoding:?} is not received yet; send without compression \
                 (OTEL_EXPORTER_OTLP_COMPRESSION=none)"
            );
            Err(Refusal { refused: Refused::Encoding, message })
        }
    }
}

fn unread(error: BodyError, limit: usize) -> Refusal {
    let (refused, message) = match error {
        BodyError::TooLarge => (
            Refused::TooLarge,
            format!(
                "body is over {limit} bytes; send smaller batches, or raise SIPHON_OTLP_MAX_BODY_BYTES or \
                 SIPHON_SPOOL_MAX_BYTES (a share is half of it)"
            ),
        ),
        BodyError::Busy => (Refused::Busy, "too many large requests at once; send it again".to_owned()),
        BodyError::Timeout => {
            (Refused::Timeout, format!("body was not whole within {} s", BODY_TIME.as_secs()))
        }
        BodyError::Broken => (Refused::Malformed, "body ended before its announced length".to_owned()),
    };
    Refusal { refused, message }
}

fn with(mut answer: Answer, name: header::HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(header::HeaderName, &'static str)]) -> Option<Refused> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        expected_form(&headers.collect()).err().map(|refusal| refusal.refused)
    }

    #[test]
    fn protobuf_without_compression_is_received() {
        use header::{CONTENT_ENCODING, CONTENT_TYPE};
        for content_type in [PROTOBUF, "Application/X-Protobuf", "application/x-protobuf; charset=utf-8"] {
            assert_eq!(form(&[(CONTENT_TYPE, content_type)]), None, "{content_type}");
        }
        for content_type in ["", "application/json", "text/plain", "application/x-protobuf2"] {
            assert_eq!(form(&[(CONTENT_TYPE, content_type)]), Some(Refused::ContentType), "{content_type}");
        }
        assert_eq!(form(&[]), Some(Refused::ContentType));
        for (encoding, refused) in [
            ("", None),
            ("Identity", None),
            ("gzip", Some(Refused::Encoding)),
            ("x", Some(Refused::Encoding)),
        ] {
            assert_eq!(
                form(&[(CONTENT_TYPE, PROTOBUF), (CONTENT_ENCODING, encoding)]),
                refused,
                "{encoding}"
            );
        }
    }

    #[test]
    fn an_error_answer_is_a_status_that_tells_whether_to_retry() {
        let refusal = |refused| Refusal { refused, message: "why".to_owned() };
        let busy = refusal(Refused::Busy).answer();
        assert_eq!(
            (busy.status().as_u16(), &busy.headers()[header::RETRY_AFTER]),
            (503, &HeaderValue::from_static("1"))
        );
        let malformed = refusal(Refused::Malformed).answer();
        assert_eq!((malformed.status().as_u16(), malformed.headers().get(header::RETRY_AFTER)), (400, None));
        assert_eq!(Status { code: 3, message: "why".into() }.encode_to_vec(), b"\x08\x03\x12\x03why");
    }
}
