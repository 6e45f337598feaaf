//! Spans as they came, for X-Ray's OTLP endpoint
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html>).
//!
//! ```text
//!   record ──read, with the task's identity──► Spans ──first_request, body──► gzip ──(POST)──► answer ──verdict──►
//! ```
//!
//! Segment documents know less than spans: of links, events, and large attributes much is lost on the way to them.
//! Here nothing is. Only a resource is taken apart, to give it the task's identity; the bytes of scopes and spans are
//! copied as they are, so that also what this crate's messages leave out (trace state, flags, dropped counts, schema
//! URLs, fields of later versions) arrives.

mod answer;
mod batch;
mod fields;
mod read;

pub use answer::{PartialSuccess, Verdict, partial_success, verdict};
pub use batch::{Limits, body, first_request};
pub use read::{Read, read};

use bytes::Bytes;

use super::NamedSpan;

/// Where the endpoint is, on X-Ray's address.
pub const PATH: &str = "/v1/traces";

/// The headers of every request, but for those that the sender fills in.
pub const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];

/// A span with what it shares with others, on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The fields of its `ResourceSpans` but for `scope_spans`.
    resource: Bytes,
    /// The fields of its `ScopeSpans` but for `spans`.
    scope: Bytes,
    /// The field of its `ScopeSpans` that it is: key, length, and the span itself.
    span: Bytes,
}

impl Span {
    /// How to find it in its application.
    #[must_use]
    pub fn named(&self) -> NamedSpan {
        let content = fields::fields(self.span.clone()).next().map(|field| field.content);
        NamedSpan::read(&content.unwrap_or_default())
    }
}

/// What `ExportTraceServiceRequest` calls `resource_spans`.
const RESOURCE_SPANS: u32 = 1;
/// What `ResourceSpans` calls `resource`.
const RESOURCE: u32 = 1;
/// What `ResourceSpans` calls `scope_spans`.
const SCOPE_SPANS: u32 = 2;
/// What `ScopeSpans` calls `spans`.
const SPANS: u32 = 2;
/// What `Resource` calls `attributes`.
const ATTRIBUTES: u32 = 1;
/// What `KeyValue` calls `key`.
const KEY: u32 = 1;
