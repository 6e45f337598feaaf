//! Why a span failed: the three flags and the `cause` block.

mod dotnet;
mod go;
mod java;
mod javascript;
mod python;

use std::borrow::Cow;

use super::attributes::{Attributes, find, int, text};
use super::document::{Cause, Exception, Frame};
use super::ids::{Derived, SegmentId};
use super::json::as_text;
use super::keys::Key;
use super::time::seconds_text;
use crate::otlp::SpanKind;
use crate::otlp::view::traces::{Event, Status};

/// Whose failure it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// The server's.
    pub(super) fault: bool,
    /// The client's.
    pub(super) error: bool,
    /// The client's, by asking too often.
    pub(super) throttle: bool,
}

impl Flags {
    /// An HTTP status from 400 to 599 outranks the span's own status.
    pub(super) fn of(attributes: Attributes<'_>, status: Status<'_>) -> Self {
        let code =
            attributes.first(Key::HttpStatusCode).or_else(|| attributes.first(Key::HttpResponseStatusCode));
        match code.map(int) {
            Some(code @ 400..=499) => Self { error: true, throttle: code == 429, fault: false },
            Some(500..=599) => Self { fault: true, ..Self::default() },
            _ => Self { fault: status.is_error(), ..Self::default() },
        }
    }
}

/// What the causes of one document are made from.
#[derive(Clone, Copy)]
pub(super) struct Failure<'a> {
    pub(super) events: &'a [Event<'a>],
    pub(super) status: Status<'a>,
    pub(super) kind: SpanKind,
    /// `telemetry.sdk.language` of the resource: the language of stack traces.
    pub(super) language: &'a str,
}

impl<'a> Failure<'a> {
    /// The exceptions recorded as events, whatever the status; else the message of a status that is an error.
    pub(super) fn cause(&self, attributes: Attributes<'a>, ids: &mut Derived) -> Option<Cause<'a>> {
        if self.has_exceptions(attributes) {
            return Some(Cause { exceptions: self.exceptions(is_aws_sdk(attributes), ids) });
        }
        if !self.status.is_error() {
            return None;
        }
        let message = match self.status.message {
            "" => attributes.last_text(Key::HttpStatusText)?,
            message => message,
        };
        let mut exceptions = Exceptions { list: Vec::with_capacity(1), ids };
        exceptions.push("", message.into(), None);
        Some(Cause { exceptions: exceptions.list })
    }

    /// Whether `http.status_text` was read as the message, and so is spent.
    pub(super) fn spends_status_text(&self, attributes: Attributes<'_>) -> bool {
        self.status.is_error() && !self.has_exceptions(attributes)
    }

    fn has_exceptions(&self, attributes: Attributes<'_>) -> bool {
        let aws_sdk = is_aws_sdk(attributes);
        self.events.iter().any(|event| event.name == EXCEPTION || aws_sdk && event.name == HTTP_FAILURE)
    }

    fn exceptions(&self, aws_sdk: bool, ids: &mut Derived) -> Vec<Exception<'a>> {
        let mut exceptions = Exceptions { list: Vec::with_capacity(1), ids };
        for event in self.events {
            if event.name == EXCEPTION {
                self.exception(event, &mut exceptions);
            } else if aws_sdk && event.name == HTTP_FAILURE {
                http_failure(event, &mut exceptions);
            }
        }
        exceptions.list
    }

    fn exception(&self, event: &Event<'a>, exceptions: &mut Exceptions<'a, '_>) {
        let get = |key| find(&event.attributes, key).map(text).unwrap_or_default();
        let remote = matches!(self.kind, SpanKind::Client | SpanKind::Producer);
        exceptions.push(get("exception.type"), get("exception.message").into(), Some(remote));
        let trace = get("exception.stacktrace");
        match self.language {
            // PHP's SDK writes stack traces as Java does.
            "java" | "php" => java::parse(trace, exceptions),
            "python" => python::parse(trace, exceptions),
            "javascript" => javascript::parse(trace, exceptions),
            "dotnet" => dotnet::parse(trace, exceptions),
            "go" => go::parse(trace, exceptions),
            _ => {}
        }
    }
}

/// The name of an exception's event.
const EXCEPTION: &str = "exception";
/// The name of the event by which an AWS SDK tells of one failed attempt.
const HTTP_FAILURE: &str = "HTTP request failure";

/// Whether an AWS SDK recorded the span.
pub(super) fn is_aws_sdk(attributes: Attributes<'_>) -> bool {
    attributes.first(Key::RpcSystem).is_some_and(|pair| text(pair) == "aws-api")
}

fn http_failure(event: &Event<'_>, exceptions: &mut Exceptions<'_, '_>) {
    let get = |key| find(&event.attributes, key);
    let (Some(status), Some(message)) = (get("http.response.status_code"), get("aws.http.error_message"))
    else {
        return;
    };
    let message = format!(
        "{}@{}@{}",
        as_text(status.value.as_ref()),
        seconds_text(event.time_unix_nano),
        text(message)
    );
    exceptions.push("aws.http.error.event", message.into(), Some(true));
}

/// Exceptions as they are found; a stack trace adds to the last.
struct Exceptions<'a, 'i> {
    list: Vec<Exception<'a>>,
    ids: &'i mut Derived,
}

impl<'a> Exceptions<'a, '_> {
    /// An exception that stands for itself.
    fn push(&mut self, kind: &'a str, message: Cow<'a, str>, remote: Option<bool>) {
        let id = SegmentId::new(self.ids.next());
        let stack = Vec::new();
        self.list.push(Exception { id, message, kind, remote, truncated: 0, cause: None, stack });
    }

    /// An exception that caused the last one.
    fn push_cause(&mut self, kind: &'a str, message: Cow<'a, str>) {
        let remote = self.list.last().and_then(|effect| effect.remote);
        self.push(kind, message, remote);
        if let [.., effect, cause] = self.list.as_mut_slice() {
            effect.cause = Some(cause.id);
        }
    }

    /// A line of the last exception's stack trace.
    fn frame(&mut self, path: &'a str, line: i64, label: &'a str) {
        if let Some(last) = self.list.last_mut() {
            last.stack.push(Frame { path, line, label });
        }
    }
}

/// A message without the space or the end of line between it and the colon after its type.
fn after_space(message: &str) -> &str {
    message.strip_prefix(|char: char| char.is_ascii_whitespace()).unwrap_or(message)
}

/// A line number; 0 if it is none.
fn line_number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{attributes, pair, pairs};
    use super::*;
    use crate::otlp::StatusCode;
    use crate::otlp::view::values::Attribute;

    /// What a parser finds: for each exception its type, message, whether it has a cause, and its frames.
    pub(super) fn parsed(
        parse: fn(&'static str, &mut Exceptions<'static, '_>),
        trace: &'static str,
    ) -> Vec<String> {
        let mut ids = Derived::new([1; 16], [2; 8]);
        let mut exceptions = Exceptions { list: Vec::new(), ids: &mut ids };
        exceptions.push("T", "m".into(), Some(false));
        parse(trace, &mut exceptions);
        let list = exceptions.list;
        for pair in list.windows(2) {
            assert_eq!(pair[0].cause, Some(pair[1].id), "the chain is whole");
        }
        assert_eq!(list.last().unwrap().cause, None);
        list.iter()
            .flat_map(|exception| {
                let frames =
                    exception.stack.iter().map(|at| format!("  {}|{}|{}", at.label, at.path, at.line));
                std::iter::once(format!("{}: {}", exception.kind, exception.message)).chain(frames)
            })
            .collect()
    }

    fn failure<'a>(events: &'a [Event<'a>], status: Status<'a>, language: &'a str) -> Failure<'a> {
        Failure { events, status, kind: SpanKind::Client, language }
    }

    fn event<'a>(name: &'a str, attributes: Vec<Attribute<'a>>) -> Event<'a> {
        Event { name, attributes, time_unix_nano: 1_700_000_000_250_000_000 }
    }

    #[test]
    fn the_http_status_outranks_the_spans() {
        for (code, status, expected) in [
            (None, StatusCode::Unset, (false, false, false)),
            (None, StatusCode::Error, (true, false, false)),
            (Some(200), StatusCode::Error, (true, false, false)),
            (Some(399), StatusCode::Ok, (false, false, false)),
            (Some(400), StatusCode::Error, (false, true, false)),
            (Some(429), StatusCode::Unset, (false, true, true)),
            (Some(499), StatusCode::Unset, (false, true, false)),
            (Some(500), StatusCode::Ok, (true, false, false)),
            (Some(599), StatusCode::Unset, (true, false, false)),
            (Some(600), StatusCode::Unset, (false, false, false)),
        ] {
            let pairs: Vec<_> = code.map(|code: i64| pair("http.status_code", code)).into_iter().collect();
            let flags = Flags::of(attributes(&pairs), Status { code: status as i32, message: "" });
            assert_eq!((flags.fault, flags.error, flags.throttle), expected, "{code:?} {status:?}");
        }
        let both = [pair("http.response.status_code", 500), pair("http.status_code", "text")];
        assert_eq!(Flags::of(attributes(&both), Status::default()), Flags::default());
    }

    #[test]
    fn exceptions_outrank_the_status_message() {
        let status = Status { code: StatusCode::Error as i32, message: "it failed" };
        let thrown = [event("log", vec![]), event(EXCEPTION, pairs(&[("exception.type", "E")]))];
        let mut ids = Derived::new([1; 16], [2; 8]);
        let found = |events: &[Event<'_>], status: Status<'_>, ids: &mut Derived| {
            let cause = failure(events, status, "").cause(Attributes::default(), ids);
            cause.map(|cause| {
                let exceptions = cause.exceptions.into_iter();
                exceptions.map(|e| (e.kind.to_owned(), e.message.into_owned(), e.remote)).collect::<Vec<_>>()
            })
        };
        let exception = vec![("E".into(), String::new(), Some(true))];
        assert_eq!(found(&thrown, status, &mut ids), Some(exception.clone()));
        assert_eq!(found(&thrown, Status::default(), &mut ids), Some(exception));
        let message = vec![(String::new(), "it failed".into(), None)];
        assert_eq!(found(&[], status, &mut ids), Some(message));
        assert_eq!(found(&[], Status { message: "", ..status }, &mut ids), None);
    }

    #[test]
    fn without_a_message_the_status_text_serves() {
        let error = Status { code: StatusCode::Error as i32, message: "" };
        let text = pairs(&[("http.status_text", "teapot")]);
        let mut ids = Derived::new([1; 16], [2; 8]);
        let failure = failure(&[], error, "");
        let cause = failure.cause(attributes(&text), &mut ids).unwrap();
        assert_eq!(cause.exceptions[0].message, "teapot");
        assert!(failure.spends_status_text(attributes(&text)));
        assert_eq!(failure.cause(Attributes::default(), &mut ids), None);
    }

    #[test]
    fn failed_attempts_of_an_aws_sdk_are_exceptions() {
        let complete =
            vec![pair("http.response.status_code", 503), pair("aws.http.error_message", "slow down")];
        let events = [event(HTTP_FAILURE, complete), event(HTTP_FAILURE, vec![])];
        let sdk = pairs(&[("rpc.system", "aws-api")]);
        let mut ids = Derived::new([1; 16], [2; 8]);
        let cause = failure(&events, Status::default(), "java").cause(attributes(&sdk), &mut ids).unwrap();
        assert_eq!(cause.exceptions.len(), 1);
        assert_eq!(cause.exceptions[0].message, "503@1700000000.250000@slow down");
        assert_eq!(failure(&events, Status::default(), "java").cause(Attributes::default(), &mut ids), None);
        let none = failure(&events[1..], Status::default(), "java").cause(attributes(&sdk), &mut ids);
        assert_eq!(none, Some(Cause::default()));
    }
}
