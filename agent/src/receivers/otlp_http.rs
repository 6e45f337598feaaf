//! OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), as protobuf and as JSON. An answer is in the form
//! of its request. Pages in browsers are not answered: CORS is off.

use std::{rc::Rc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use prost::Message as _;
use serde::Serialize;
use siphon_core::{
    compression::Encoding,
    otlp::{MetricsAnswer, PartialSuccess, grpc::Status},
    wire::Kind,
};

use super::otlp::{BODY_TIME, Format, Intake, RETRY_SECONDS, Refusal, Signal};
use crate::{
    agent::Agent,
    ledger::Refused,
    net::{Answer, Limits, WhenFull, answer, discard, read, text},
};

/// Exporters keep a connection between their exports, a minute apart or less.
pub const LIMITS: Limits = Limits {
    connections: 128,
    when_full: WhenFull::Wait,
    per_remote_address: 128,
    remote_per_second: 200,
    idle: Duration::from_secs(120),
    age: Duration::from_secs(3600),
};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// A `google.rpc.Status` in JSON.
#[derive(Serialize)]
struct JsonStatus<'a> {
    code: u8,
    message: &'a str,
}

/// A [`MetricsAnswer`] in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonAnswer {
    partial_success: JsonPartialSuccess,
}

/// A [`PartialSuccess`] in JSON, where a number of 64 bits is a text. What is not set is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonPartialSuccess {
    #[serde(skip_serializing_if = "String::is_empty")]
    rejected_data_points: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    error_message: String,
}

impl From<PartialSuccess> for JsonPartialSuccess {
    fn from(PartialSuccess { rejected_data_points, error_message }: PartialSuccess) -> Self {
        Self { rejected_data_points: rejected_data_points.to_string(), error_message }
    }
}

/// What a request's head says.
struct Asked {
    kind: Kind,
    format: Format,
    encoding: Option<Encoding>,
}

/// The receiver.
pub struct OtlpHttp {
    intake: Intake,
}

impl OtlpHttp {
    /// A receiver that stores in the agent's spool.
    #[must_use]
    pub const fn new(agent: Rc<Agent>) -> Self {
        Self { intake: Intake::new(agent) }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (head, mut body) = request.into_parts();
        let (signal, format) = (signal(&head), format(&head.headers));
        let asked = asked(&head, signal, format);
        // The body may take its time: nothing of the head is kept meanwhile.
        drop(head);
        match self.receive(asked, &mut body).await {
            Ok(taken) => success(format, taken),
            Err(refusal) => {
                discard(body).await;
                self.intake.refused(signal, &refusal);
                error(&refusal, format)
            }
        }
    }

    async fn receive(
        &self,
        asked: Result<Asked, Refusal>,
        body: &mut Incoming,
    ) -> Result<MetricsAnswer, Refusal> {
        let Asked { kind, format, encoding } = asked?;
        let agent = self.intake.agent();
        let limit = agent.settings.otlp_max_body_bytes;
        let received = read(body, limit, &agent.bodies, BODY_TIME).await;
        let received = received.map_err(|error| Refusal::unread(error, limit))?;
        self.intake.take(kind, format, encoding, &received)
    }
}

fn signal(head: &Parts) -> Signal {
    match head.uri.path() {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        "/v1development/profiles" => Signal::Profiles,
        _ => Signal::Unknown,
    }
}

fn asked(head: &Parts, signal: Signal, format: Option<Format>) -> Result<Asked, Refusal> {
    if signal != Signal::Unknown && head.method != Method::POST {
        return Err(Refusal::new(Refused::Method, "expected POST"));
    }
    let kind = signal.kind("expected POST /v1/traces or POST /v1/metrics")?;
    let format = format.ok_or_else(|| other_format(&head.headers))?;
    Ok(Asked { kind, format, encoding: encoding(&head.headers)? })
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).map_or("", |value| value.to_str().unwrap_or("?").trim())
}

/// The form of the body, if it is one that is received.
fn format(headers: &HeaderMap) -> Option<Format> {
    let media_type = text_of(headers, header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    let formats = [(PROTOBUF, Format::Protobuf), (JSON, Format::Json)];
    formats.into_iter().find(|(name, _)| media_type.eq_ignore_ascii_case(name)).map(|(_, format)| format)
}

fn other_format(headers: &HeaderMap) -> Refusal {
    let content_type = text_of(headers, header::CONTENT_TYPE);
    let message = format!("content type {content_type:?} is not received; send {PROTOBUF} or {JSON}");
    Refusal::new(Refused::ContentType, message)
}

fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Refusal> {
    Refusal::unless_received(text_of(headers, header::CONTENT_ENCODING))
}

fn success(format: Option<Format>, taken: MetricsAnswer) -> Answer {
    match format {
        Some(Format::Json) => {
            let body = JsonAnswer {
                partial_success: taken.partial_success.map(JsonPartialSuccess::from).unwrap_or_default(),
            };
            answer(StatusCode::OK, JSON, serde_json::to_vec(&body).unwrap_or_default())
        }
        _ => answer(StatusCode::OK, PROTOBUF, taken.encode_to_vec()),
    }
}

fn error(refusal: &Refusal, format: Option<Format>) -> Answer {
    let (status, code) = (status(refusal.refused), refusal.code());
    let message = refusal.message();
    let answer = match format {
        Some(Format::Protobuf) => {
            let body = Status { code: code.into(), message: message.to_owned(), details: Vec::new() };
            answer(status, PROTOBUF, body.encode_to_vec())
        }
        Some(Format::Json) => {
            answer(status, JSON, serde_json::to_vec(&JsonStatus { code, message }).unwrap_or_default())
        }
        // Who speaks neither would not read either.
        None => text(status, message),
    };
    match refusal.refused {
        Refused::Busy | Refused::Disk => with(answer, header::RETRY_AFTER, u16::from(RETRY_SECONDS).into()),
        Refused::Method => with(answer, header::ALLOW, HeaderValue::from_static("POST")),
        _ => answer,
    }
}

const fn status(refused: Refused) -> StatusCode {
    match refused {
        Refused::Malformed => StatusCode::BAD_REQUEST,
        Refused::Timeout => StatusCode::REQUEST_TIMEOUT,
        Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::Encoding | Refused::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refused::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Refused::NotFound => StatusCode::NOT_FOUND,
        Refused::Method => StatusCode::METHOD_NOT_ALLOWED,
        Refused::Busy | Refused::Disk => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn with(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn protobuf_and_json_are_received() {
        for (content_type, expected) in [
            (PROTOBUF, Some(Format::Protobuf)),
            ("Application/X-Protobuf", Some(Format::Protobuf)),
            ("application/json; charset=utf-8", Some(Format::Json)),
            ("", None),
            ("text/plain", None),
            ("application/x-protobuf2", None),
        ] {
            assert_eq!(format(&headers(header::CONTENT_TYPE, content_type)), expected, "{content_type}");
        }
        assert_eq!(format(&HeaderMap::new()), None);
    }

    #[test]
    fn an_error_answer_is_a_status_that_tells_whether_to_retry() {
        let answered = |refused, format| error(&Refusal::new(refused, "why"), format);
        let busy = answered(Refused::Busy, Some(Format::Protobuf));
        assert_eq!(
            (busy.status().as_u16(), &busy.headers()[header::RETRY_AFTER]),
            (503, &HeaderValue::from(1))
        );
        let malformed = answered(Refused::Malformed, Some(Format::Json));
        assert_eq!((malformed.status().as_u16(), malformed.headers().get(header::RETRY_AFTER)), (400, None));
        assert_eq!(malformed.headers()[header::CONTENT_TYPE], JSON);
        assert_eq!(answered(Refused::Unimplemented, None).status().as_u16(), 501);
    }
}
