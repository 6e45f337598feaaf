//! What OTLP over HTTP and over gRPC have in common: a request is checked and stored.
//!
//! **A request is taken whole or refused whole, but for delta points that have no total** (`dropped_points`): those are
//! answered as a partial success. Whatever is an OTLP request is taken: if the spool has no room, its oldest records go
//! (`dropped_records`, reason `spool_full`), because the newest telemetry is worth the most and a sender that tries again only
//! adds to the load. Refused is
//!
//! | what | reason | HTTP | gRPC | tried again by SDKs |
//! |---|---|---|---|---|
//! | no OTLP request | `malformed` | 400 | `INVALID_ARGUMENT` | no |
//! | one over the limit, compressed or not | `too_large` | 413 | `RESOURCE_EXHAUSTED`, no `RetryInfo` | no |
//! | another content type | `content_type` | 415 | 415 | no |
//! | another compression | `encoding` | 415 | `UNIMPLEMENTED` | no |
//! | logs, profiles | `unimplemented` | 501 | `UNIMPLEMENTED` | no |
//! | another path, or method of a service | `not_found` | 404 | `UNIMPLEMENTED` | no |
//! | another HTTP method | `method` | 405 | 415, as `content_type` | no |
//! | one that comes too slowly | `timeout` | 408 | `DEADLINE_EXCEEDED` | over gRPC |
//! | one too many at the same time | `busy` | 503, `Retry-After` | `UNAVAILABLE`, `RetryInfo` | yes |
//! | one that the spool on disk can't take | `disk` | 503, `Retry-After` | `UNAVAILABLE`, `RetryInfo` | yes |
//!
//! each counted as `refused_requests`, of kind `otlp` where it is about neither traces, metrics, logs nor profiles. Protobuf
//! is stored as it came, without compression; JSON is made protobuf first. One request at a time is unpacked, in memory that
//! it gives back before the next.

use std::{
    borrow::Cow,
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use log::warn;
use siphon_core::{
    compression::{self, DecompressError, Encoding},
    excerpt,
    otlp::{MetricsAnswer, check, delta::Drops, json},
    wire::Kind,
};

use crate::{agent::Agent, ledger::Refused, logging::Throttle, net::BodyError, spool::NotStored};

/// A request must be whole by then. Exporters give up after as long.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// After how long a request that came too many should come again.
pub const RETRY_SECONDS: u8 = 1;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records, which are not received.
    Logs,
    /// Profiles, which are not received.
    Profiles,
    /// What the path does not say.
    Unknown,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As in <https://protobuf.dev/programming-guides/encoding/>.
    Protobuf,
    /// As in <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.
    Json,
}

/// A request that is answered with an error, and why.
#[derive(Debug)]
pub struct Refusal {
    /// What it is counted as.
    pub refused: Refused,
    message: String,
}

/// Where both receivers bring their requests.
pub struct Intake {
    agent: Rc<Agent>,
    refusal_log: RefCell<Throttle>,
}

impl Signal {
    /// The kind of its records, or what the counter has for one.
    const fn name(self) -> &'static str {
        match self {
            Self::Traces => Kind::OtlpTraces.name(),
            Self::Metrics => Kind::OtlpMetrics.name(),
            Self::Logs => "otlp_logs",
            Self::Profiles => "otlp_profiles",
            Self::Unknown => "otlp",
        }
    }

    /// The kind of its records.
    ///
    /// # Errors
    /// A [`Refusal`] if it is not received; where it is not known what is asked for, that says what is `expected`.
    pub fn kind(self, expected: &str) -> Result<Kind, Refusal> {
        let (signal, exporter) = match self {
            Self::Traces => return Ok(Kind::OtlpTraces),
            Self::Metrics => return Ok(Kind::OtlpMetrics),
            Self::Logs => ("logs", "OTEL_LOGS_EXPORTER=none"),
            Self::Profiles => ("profiles", "leave out their exporter"),
            Self::Unknown => return Err(Refusal::new(Refused::NotFound, expected)),
        };
        let message =
            format!("{signal} are not received, only traces and metrics: switch them off ({exporter})");
        Err(Refusal::new(Refused::Unimplemented, message))
    }
}

impl Intake {
    /// Brings requests into the agent's spool.
    #[must_use]
    pub const fn new(agent: Rc<Agent>) -> Self {
        Self { agent, refusal_log: RefCell::new(Throttle::new(Duration::from_secs(10))) }
    }

    /// The agent that stores.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Takes a request, and says which points of it were not taken.
    ///
    /// # Errors
    /// A [`Refusal`] if it is none, too large when unpacked, or can't be stored.
    pub fn take(
        &self,
        kind: Kind,
        format: Format,
        encoding: Option<Encoding>,
        body: &[u8],
    ) -> Result<MetricsAnswer, Refusal> {
        let limit = self.agent.settings.otlp_max_body_bytes;
        let mut message = Cow::Borrowed(body);
        if let Some(encoding) = encoding {
            message = compression::decompress(encoding, &message, limit)
                .map_err(|error| packed(error, limit))?
                .into();
        }
        if format == Format::Json {
            message = from_json(kind, &message, limit)?.into();
        }
        self.store(kind, &message)
    }

    fn store(&self, kind: Kind, bytes: &[u8]) -> Result<MetricsAnswer, Refusal> {
        let checked = match kind {
            Kind::OtlpTraces => check::traces(bytes),
            _ => check::metrics(bytes),
        };
        let items = checked.map_err(|fault| Refusal::malformed(bytes.len(), fault))?;
        let stored = match kind {
            _ if items == 0 => Ok(Drops::default()),
            Kind::OtlpMetrics => self.agent.offer_metrics(bytes, items),
            _ => self.agent.offer(kind, bytes, items).map(|()| Drops::default()),
        };
        match stored {
            Ok(dropped) => Ok(MetricsAnswer::from(&dropped)),
            Err(NotStored::TooLarge(_)) => Err(Refusal::too_large(self.agent.settings.otlp_max_body_bytes)),
            Err(NotStored::Disk { .. }) => {
                Err(Refusal::new(Refused::Disk, "the agent's spool can't be written; send it again"))
            }
        }
    }

    /// Counts a request that is answered with an error.
    pub fn refused(&self, signal: Signal, refusal: &Refusal) {
        self.agent.ledger.borrow_mut().refused_request(signal.name(), refusal.refused);
        if let Some(suppressed) = self.refusal_log.borrow_mut().pass(Instant::now()) {
            let (kind, reason) = (signal.name(), refusal.refused.name());
            warn!(kind, reason, suppressed, error = refusal.message(); "OTLP request refused");
        }
    }
}

impl Refusal {
    /// Why a request is refused, and for people; that may quote what the sender sent.
    pub fn new(refused: Refused, message: impl Into<String>) -> Self {
        Self { refused, message: excerpt::message(message.into()) }
    }

    /// What the sender is told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Its code by <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self.refused {
            Refused::Malformed | Refused::ContentType | Refused::Method => 3,
            Refused::Timeout => 4,
            Refused::TooLarge => 8,
            Refused::Encoding | Refused::Unimplemented | Refused::NotFound => 12,
            Refused::Busy | Refused::Disk => 14,
        }
    }

    /// The compression that a header names, if any.
    ///
    /// # Errors
    /// A [`Refusal`] if it is not received.
    pub fn unless_received(encoding: &str) -> Result<Option<Encoding>, Self> {
        if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        let known = Encoding::by_name(encoding);
        known.map(Some).ok_or_else(|| {
            let message = format!(
                "compression {encoding:?} is not received; send {} or none (OTEL_EXPORTER_OTLP_COMPRESSION)",
                Encoding::NAMES
            );
            Self::new(Refused::Encoding, message)
        })
    }

    /// A body that could not be read.
    #[must_use]
    pub fn unread(error: BodyError, limit: usize) -> Self {
        match error {
            BodyError::TooLarge => Self::too_large(limit),
            BodyError::Busy => Self::new(Refused::Busy, "too many large requests at once; send it again"),
            BodyError::Timeout => {
                Self::new(Refused::Timeout, format!("request was not whole within {} s", BODY_TIME.as_secs()))
            }
            BodyError::Broken => Self::new(Refused::Malformed, "request ended before its announced length"),
        }
    }

    /// A request that is over the limit.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message = format!(
            "request is over {limit} bytes without compression; send smaller batches, or raise \
             SIPHON_OTLP_MAX_BODY_BYTES or SIPHON_SPOOL_MAX_BYTES (a share is half of it)"
        );
        Self::new(Refused::TooLarge, message)
    }

    fn malformed(bytes: usize, fault: impl std::fmt::Display) -> Self {
        let message = format!("body of {bytes} bytes is not an OTLP request: {fault}");
        Self::new(Refused::Malformed, message)
    }
}

fn packed(error: DecompressError, limit: usize) -> Refusal {
    match error {
        DecompressError::TooLarge => Refusal::too_large(limit),
        malformed => Refusal::new(Refused::Malformed, malformed.to_string()),
    }
}

fn from_json(kind: Kind, body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let made = match kind {
        Kind::OtlpTraces => json::traces(body, limit),
        _ => json::metrics(body, limit),
    };
    made.map_err(|error| match error {
        json::JsonError::TooLarge => Refusal::too_large(limit),
        fault => Refusal::malformed(body.len(), fault),
    })
}
