//! The segment document, field by field in the order of the text
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>).

use std::borrow::Cow;

use super::annotations::Annotations;
use super::ids::{SegmentId, TraceId};
use super::json::{Json, NativeMap, Object, Written};
use super::metadata::Metadata;

/// A segment, or a subsegment sent by itself.
pub(super) struct Segment<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) id: SegmentId,
    /// Seconds since the epoch, as all times here.
    pub(super) start_time: f64,
    pub(super) service: Option<&'a Written>,
    pub(super) origin: Option<&'static str>,
    pub(super) user: Option<&'a str>,
    pub(super) links: Vec<Link<'a>>,
    pub(super) trace_id: TraceId,
    pub(super) end_time: Option<f64>,
    /// Written if true, and then without an end.
    pub(super) in_progress: bool,
    pub(super) http: Option<Http<'a>>,
    /// The server's fault: 5xx.
    pub(super) fault: bool,
    /// The client's error: 4xx.
    pub(super) error: bool,
    /// The client was asked to slow down: 429.
    pub(super) throttle: bool,
    pub(super) cause: Option<Cause<'a>>,
    pub(super) aws: Option<Aws<'a>>,
    pub(super) annotations: Annotations<'a>,
    pub(super) metadata: Metadata<'a>,
    pub(super) namespace: Option<&'static str>,
    pub(super) parent_id: Option<SegmentId>,
    pub(super) kind: Option<&'static str>,
    pub(super) sql: Option<Sql<'a>>,
}

impl Json for Segment<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let when_true = |flag: bool| flag.then_some(&true);
        Object::begin(out)
            .field("name", &self.name)
            .field("id", &self.id)
            .field("start_time", &self.start_time)
            .some("service", self.service)
            .some("origin", self.origin)
            .some("user", self.user)
            .some("links", non_empty(&self.links))
            .field("trace_id", &self.trace_id)
            .some("end_time", self.end_time.as_ref())
            .some("in_progress", when_true(self.in_progress))
            .some("http", self.http.as_ref())
            .field("fault", &self.fault)
            .field("error", &self.error)
            .field("throttle", &self.throttle)
            .some("cause", self.cause.as_ref())
            .some("aws", self.aws.as_ref())
            .some("annotations", Some(&self.annotations).filter(|annotations| !annotations.is_empty()))
            .some("metadata", Some(&self.metadata).filter(|metadata| !metadata.is_empty()))
            .some("namespace", self.namespace)
            .some("parent_id", self.parent_id.as_ref())
            .some("type", self.kind)
            .some("sql", self.sql.as_ref())
            .end();
    }
}

/// Another span that this one refers to.
pub(super) struct Link<'a> {
    pub(super) trace_id: TraceId,
    pub(super) id: SegmentId,
    pub(super) attributes: Option<NativeMap<'a>>,
}

impl Json for Link<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("trace_id", &self.trace_id)
            .field("id", &self.id)
            .some("attributes", self.attributes.as_ref())
            .end();
    }
}

/// The HTTP exchange.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Http<'a> {
    pub(super) request: HttpRequest<'a>,
    pub(super) response: HttpResponse,
}

impl Json for Http<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out).field("request", &self.request).field("response", &self.response).end();
    }
}

/// What was asked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HttpRequest<'a> {
    /// Written if true: the client's address is what a header says, not the peer's.
    pub(super) x_forwarded_for: bool,
    pub(super) method: Option<&'a str>,
    pub(super) url: Option<Cow<'a, str>>,
    pub(super) user_agent: Option<&'a str>,
    pub(super) client_ip: Option<&'a str>,
}

impl Json for HttpRequest<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .some("x_forwarded_for", self.x_forwarded_for.then_some(&true))
            .some("method", self.method)
            .some("url", self.url.as_ref())
            .some("user_agent", self.user_agent)
            .some("client_ip", self.client_ip)
            .end();
    }
}

/// What was answered.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HttpResponse {
    pub(super) status: Option<i64>,
    /// Bytes; always written.
    pub(super) content_length: i64,
}

impl Json for HttpResponse {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .some("status", self.status.as_ref())
            .field("content_length", &self.content_length)
            .end();
    }
}

/// Why it failed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Cause<'a> {
    pub(super) exceptions: Vec<Exception<'a>>,
}

impl Json for Cause<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out).some("exceptions", non_empty(&self.exceptions)).end();
    }
}

/// One exception.
#[derive(Debug, PartialEq)]
pub(super) struct Exception<'a> {
    pub(super) id: SegmentId,
    pub(super) message: Cow<'a, str>,
    pub(super) kind: &'a str,
    /// Whether another service threw it, if known.
    pub(super) remote: Option<bool>,
    /// How many frames are missing from the stack; written if there are any.
    pub(super) truncated: u64,
    /// The id of the exception that caused this one.
    pub(super) cause: Option<SegmentId>,
    pub(super) stack: Vec<Frame<'a>>,
}

impl Json for Exception<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("id", &self.id)
            .field("message", &self.message)
            .field("type", self.kind)
            .some("remote", self.remote.as_ref())
            .some("truncated", Some(&self.truncated).filter(|frames| **frames > 0))
            .some("cause", self.cause.as_ref())
            .some("stack", non_empty(&self.stack))
            .end();
    }
}

/// A line of a stack trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) path: &'a str,
    /// 0 if unknown.
    pub(super) line: i64,
    pub(super) label: &'a str,
}

impl Json for Frame<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("path", self.path)
            .field("line", &self.line)
            .field("label", self.label)
            .end();
    }
}

/// Where it ran, and the call to AWS that it made.
#[derive(Debug, Default)]
pub(super) struct Aws<'a> {
    /// What the resource tells: the first fields, written once for all spans.
    pub(super) place: &'a [u8],
    pub(super) call: AwsCall<'a>,
}

impl Json for Aws<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { place, call } = self;
        Object::begin(out)
            .entries(place)
            .some("account_id", call.account_id)
            .some("operation", call.operation)
            .some("region", call.region)
            .some("request_id", call.request_id)
            .some("queue_url", call.queue_url)
            .some("table_name", call.table_name)
            .some("table_names", non_empty(&call.table_names))
            .end();
    }
}

/// The call to AWS.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AwsCall<'a> {
    pub(super) account_id: Option<&'a str>,
    pub(super) operation: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    pub(super) queue_url: Option<&'a str>,
    pub(super) table_name: Option<&'a str>,
    pub(super) table_names: Vec<&'a str>,
}

/// The statement that it ran.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sql<'a> {
    pub(super) connection_string: String,
    pub(super) url: &'a str,
    pub(super) sanitized_query: Option<&'a str>,
    pub(super) database_type: &'a str,
    pub(super) user: Option<&'a str>,
}

impl Json for Sql<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .field("connection_string", self.connection_string.as_str())
            .some("url", Some(self.url).filter(|url| !url.is_empty()))
            .some("sanitized_query", self.sanitized_query)
            .field("database_type", self.database_type)
            .some("user", self.user)
            .end();
    }
}

fn non_empty<T>(list: &[T]) -> Option<&[T]> {
    Some(list).filter(|list| !list.is_empty())
}
