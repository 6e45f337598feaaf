//! OTLP over gRPC (<https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>): unary calls over HTTP/2, without a framework.

mod reply;

use std::{rc::Rc, time::Duration};

use http::{HeaderMap, Method, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use reply::Reply;
use siphon_core::{
    compression::Encoding,
    otlp::{
        MetricsAnswer,
        grpc::{PREFIX_BYTES, message},
    },
    wire::Kind,
};

use super::otlp::{BODY_TIME, Format, Intake, Refusal, Signal};
use crate::{
    agent::Agent,
    ledger::Refused,
    net::{Limits, WhenFull, discard, read},
};

/// Clients keep a connection between their exports, a minute apart or less, and make a new one when it is ended.
pub const LIMITS: Limits = Limits {
    connections: 128,
    when_full: WhenFull::Wait,
    per_remote_address: 128,
    remote_per_second: 200,
    idle: Duration::from_secs(120),
    age: Duration::from_secs(3600),
};

const EXPECTED: &str = "expected Export of opentelemetry.proto.collector.trace.v1.TraceService or \
                        opentelemetry.proto.collector.metrics.v1.MetricsService";

/// The receiver.
pub struct OtlpGrpc {
    intake: Intake,
}

impl OtlpGrpc {
    /// A receiver that stores in the agent's spool.
    #[must_use]
    pub const fn new(agent: Rc<Agent>) -> Self {
        Self { intake: Intake::new(agent) }
    }

    /// Answers one call.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Reply> {
        let (head, mut body) = request.into_parts();
        let signal = signal(head.uri.path());
        let asked = asked(&head, signal);
        // The body may take its time: nothing of the head is kept meanwhile.
        drop(head);
        match self.receive(asked, &mut body).await {
            Ok(taken) => reply::success(&taken),
            Err(refusal) => {
                // A client of another service may wait for an answer before it ends its call.
                if signal != Signal::Unknown {
                    discard(body).await;
                }
                self.intake.refused(signal, &refusal);
                reply::error(&refusal)
            }
        }
    }

    async fn receive(
        &self,
        asked: Result<(Kind, Option<Encoding>), Refusal>,
        body: &mut Incoming,
    ) -> Result<MetricsAnswer, Refusal> {
        let (kind, encoding) = asked?;
        let agent = self.intake.agent();
        let limit = agent.settings.otlp_max_body_bytes;
        let received = read(body, limit + PREFIX_BYTES, &agent.bodies, BODY_TIME).await;
        let received = received.map_err(|error| Refusal::unread(error, limit))?;
        let message = message(&received).map_err(malformed)?;
        let encoding = match (message.is_compressed, encoding) {
            (false, _) => None,
            (true, Some(encoding)) => Some(encoding),
            (true, None) => {
                return Err(malformed("message is compressed, but grpc-encoding does not say how"));
            }
        };
        self.intake.take(kind, Format::Protobuf, encoding, message.bytes)
    }
}

fn signal(path: &str) -> Signal {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export" => Signal::Profiles,
        _ => Signal::Unknown,
    }
}

fn asked(head: &Parts, signal: Signal) -> Result<(Kind, Option<Encoding>), Refusal> {
    if head.method != Method::POST || !is_grpc(&head.headers) {
        return Err(Refusal::new(Refused::ContentType, "no gRPC call; expected POST of application/grpc"));
    }
    let kind = signal.kind(&format!("{} is not implemented; {EXPECTED}", head.uri.path()))?;
    Ok((kind, encoding(&head.headers)?))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+proto") || rest.starts_with(b";"))
}

fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Refusal> {
    let name = headers.get("grpc-encoding").map_or("", |value| value.to_str().unwrap_or("?"));
    Refusal::unless_received(name)
}

fn malformed(why: impl ToString) -> Refusal {
    Refusal::new(Refused::Malformed, why.to_string())
}
