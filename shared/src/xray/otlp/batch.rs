//! Spans into the bodies of requests.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

use super::fields::{head_length, put_head};
use super::{RESOURCE_SPANS, SCOPE_SPANS, Span};

/// The most bytes of one span: 200 KB by the documentation, which leaves open whether 200,000 or 204,800.
pub(super) const MAX_SPAN_BYTES: usize = 200_000;

/// The most that one request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes before compression: 5 MB by the documentation.
    pub body_bytes: usize,
    /// Spans.
    pub spans: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 5_000_000, spans: 10_000 }
    }
}

/// How many of the first `spans` fit one request; at least one, if there is one.
#[must_use]
pub fn first_request(spans: &[Span], limits: &Limits) -> usize {
    let mut bytes = 0;
    let mut before: Option<&Span> = None;
    let fits = spans.iter().take(limits.spans).take_while(|span| {
        bytes += match before.replace(span) {
            Some(before) if before.resource != span.resource => request_bytes(span),
            Some(before) if before.scope != span.scope => scope_bytes(span),
            Some(_) => span.span.len(),
            None => request_bytes(span),
        };
        bytes <= limits.body_bytes
    });
    fits.count().max(1).min(spans.len())
}

/// The bytes of a request with this span alone, or a few more.
pub(super) fn request_bytes(span: &Span) -> usize {
    MOST_OF_HEAD + span.resource.len() + scope_bytes(span)
}

fn scope_bytes(span: &Span) -> usize {
    MOST_OF_HEAD + span.scope.len() + span.span.len()
}

/// Key and length of a message in a request of the usual size.
const MOST_OF_HEAD: usize = 6;

/// The body of one request with `spans`: an `ExportTraceServiceRequest`, compressed. Neighbours that share their
/// resource or scope share it in the request.
///
/// # Errors
/// Never: compression has all the memory that there is.
pub fn body(spans: &[Span]) -> io::Result<Vec<u8>> {
    let message = message(spans);
    let mut gzip = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
    gzip.write_all(&message)?;
    gzip.finish()
}

fn message(spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::new();
    for group in spans.chunk_by(|a, b| a.resource == b.resource) {
        let resource = group.first().map_or(&[][..], |span| &span.resource);
        let scopes = || group.chunk_by(|a, b| a.scope == b.scope);
        let length = scopes().map(scope_length).map(|length| head_length(length) + length);
        put_head(&mut out, RESOURCE_SPANS, resource.len() + length.sum::<usize>());
        out.extend_from_slice(resource);
        for scope in scopes() {
            put_head(&mut out, SCOPE_SPANS, scope_length(scope));
            out.extend_from_slice(scope.first().map_or(&[][..], |span| &span.scope));
            scope.iter().for_each(|span| out.extend_from_slice(&span.span));
        }
    }
    out
}

fn scope_length(scope: &[Span]) -> usize {
    let spans = scope.iter().map(|span| span.span.len());
    scope.first().map_or(0, |span| span.scope.len()) + spans.sum::<usize>()
}
