//! The segment document, field by field in the order of the text
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>).

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::annotations::Annotations;
use super::ids::SegmentId;
use super::json::NativeMap;
use super::metadata::Metadata;

/// A segment, or a subsegment sent by itself.
#[derive(Serialize)]
pub(super) struct Segment<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) id: SegmentId,
    /// Seconds since the epoch, as all times here.
    pub(super) start_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) links: Vec<Link<'a>>,
    pub(super) trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<f64>,
    /// Written if true, and then without an end.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) in_progress: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<Http<'a>>,
    /// The server's fault: 5xx.
    pub(super) fault: bool,
    /// The client's error: 4xx.
    pub(super) error: bool,
    /// The client was asked to slow down: 429.
    pub(super) throttle: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<Cause<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aws: Option<Aws<'a>>,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    pub(super) annotations: Annotations<'a>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub(super) metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_id: Option<SegmentId>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sql: Option<Sql<'a>>,
}

/// Another span that this one refers to.
#[derive(Serialize)]
pub(super) struct Link<'a> {
    pub(super) trace_id: String,
    pub(super) id: SegmentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<NativeMap<'a>>,
}

/// The HTTP exchange.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Http<'a> {
    pub(super) request: HttpRequest<'a>,
    pub(super) response: HttpResponse,
}

/// What was asked.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct HttpRequest<'a> {
    /// Written if true: the client's address is what a header says, not the peer's.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) x_forwarded_for: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_ip: Option<&'a str>,
}

/// What was answered.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct HttpResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<i64>,
    /// Bytes; always written.
    pub(super) content_length: i64,
}

/// Why it failed.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Cause<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) exceptions: Vec<Exception<'a>>,
}

/// One exception.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Exception<'a> {
    pub(super) id: SegmentId,
    pub(super) message: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    /// Whether another service threw it, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remote: Option<bool>,
    /// How many frames are missing from the stack; written if there are any.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) truncated: u64,
    /// The id of the exception that caused this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<SegmentId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stack: Vec<Frame<'a>>,
}

/// A line of a stack trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Frame<'a> {
    pub(super) path: &'a str,
    /// 0 if unknown.
    pub(super) line: i64,
    pub(super) label: &'a str,
}

/// Where it ran, and the call to AWS that it made. What the resource tells is written before, once for all spans.
#[derive(Debug, Default, Serialize)]
pub(super) struct Aws<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) elastic_beanstalk: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cloudwatch_logs: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ecs: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ec2: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) eks: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) xray: Option<&'a RawValue>,
    #[serde(flatten)]
    pub(super) call: AwsCall<'a>,
}

/// The call to AWS.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct AwsCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) table_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) table_names: Vec<&'a str>,
}

/// The statement that it ran.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Sql<'a> {
    pub(super) connection_string: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sanitized_query: Option<&'a str>,
    pub(super) database_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
