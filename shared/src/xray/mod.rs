//! OTLP spans to X-Ray segment documents, and what X-Ray's answer means.
//!
//! The rules are those of the OpenTelemetry collector's `awsxray` exporter, so that names, groups, filters and
//! service maps stay as they are for whoever comes from it. The path of a span:
//!
//! | step | module |
//! |---|---|
//! | its attributes, by meaning | `keys`, `attributes` |
//! | what all spans of its resource share, once | `resource`, `place`, `origin` |
//! | one document or two, and their parts | `segment`, `names`, `http`, `url`, `sql`, `call`, `cause`, `links`, `annotations` |
//! | their text | `document`, `json` |
//! | documents into calls, and the answer | [`calls`], [`unprocessed`] |
//!
//! Where that exporter draws an id at random, this one derives it from trace and span; where it lets chance decide
//! between two attributes of one meaning, one order of preference holds.

mod annotations;
mod answer;
mod attributes;
mod batch;
mod call;
mod cause;
mod connection;
mod document;
mod http;
mod ids;
mod json;
mod keys;
mod links;
mod names;
mod origin;
mod place;
mod resource;
mod segment;
mod sql;
mod time;
mod url;

use std::collections::BTreeSet;

pub use answer::{Verdict, unprocessed};
pub use batch::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, calls};

use crate::otlp::{Span, TraceRequest};
use attributes::Attributes;
use ids::SpanIds;
use resource::Resource;
use segment::Source;

/// What to make of attributes. The default indexes nothing and names no log groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Attributes that become annotations; those of the resource by their key after `otel.resource.`.
    pub indexed_attributes: BTreeSet<String>,
    /// Whether all attributes become annotations.
    pub index_all: bool,
    /// Log groups of spans whose resource names none.
    pub log_groups: Vec<String>,
}

/// A segment document, ready for PutTraceSegments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The segment's id: 16 hex digits.
    pub id: String,
    /// The trace's id as X-Ray writes it: `1-`, 8 hex digits, `-`, 24 hex digits.
    pub trace_id: String,
    /// The document, at most [`MAX_DOCUMENT_BYTES`].
    pub json: String,
}

/// Spans that became no documents, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// - `invalid_ids`: an id of a wrong length, or no span id: X-Ray would refuse the document;
    /// - `document_too_large`: a document over [`MAX_DOCUMENT_BYTES`];
    /// - `not_json`: the document could not be written.
    pub reason: &'static str,
    /// How many.
    pub spans: u64,
}

/// What became of a request's spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// In the order of the spans. A span may become two: a subsegment, and the segment of the service around it.
    pub documents: Vec<Document>,
    /// The rest, each reason once.
    pub dropped: Vec<Drop>,
}

impl Translation {
    fn drop_span(&mut self, reason: &'static str) {
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.spans += 1,
            None => self.dropped.push(Drop { reason, spans: 1 }),
        }
    }
}

/// Translates every span of a request. The same request always gives the same documents.
#[must_use]
pub fn documents(request: &TraceRequest, options: &Options) -> Translation {
    let spans =
        request.resource_spans.iter().flat_map(|spans| &spans.scope_spans).map(|scope| scope.spans.len());
    let mut translation =
        Translation { documents: Vec::with_capacity(spans.sum()), ..Translation::default() };
    let mut attributes = Attributes::default();
    let mut text = Vec::new();
    for resource_spans in &request.resource_spans {
        let resource = resource_spans.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let resource = Resource::of(resource, options);
        for span in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            attributes.read(&span.attributes);
            let written = translate(span, &attributes, &resource, options, &mut text);
            match written {
                Ok((first, second)) => translation.documents.extend(std::iter::once(first).chain(second)),
                Err(reason) => translation.drop_span(reason),
            }
        }
    }
    translation
}

/// The span's documents, or why it has none.
fn translate<'a>(
    span: &'a Span,
    attributes: &Attributes<'a>,
    resource: &'a Resource<'a>,
    options: &'a Options,
    text: &mut Vec<u8>,
) -> Result<(Document, Option<Document>), &'static str> {
    let ids = SpanIds::check(&span.trace_id, &span.span_id, &span.parent_span_id).ok_or("invalid_ids")?;
    let (first, second) = Source { span, ids, attributes, resource, options }.segments();
    Ok((write(first, text)?, second.map(|second| write(second, text)).transpose()?))
}

/// The document of one segment. `text` is memory to write in.
fn write(segment: document::Segment<'_>, text: &mut Vec<u8>) -> Result<Document, &'static str> {
    text.clear();
    json::write(text, &segment).map_err(|_| "not_json")?;
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err("document_too_large");
    }
    let json = std::str::from_utf8(text).map_err(|_| "not_json")?.to_owned();
    Ok(Document { id: segment.id.as_str().to_owned(), trace_id: segment.trace_id, json })
}

#[cfg(test)]
mod tests {
    use super::attributes::tests::pair;
    use super::*;
    use crate::otlp::{ResourceSpans, ScopeSpans};

    fn span(id: u8) -> Span {
        Span { trace_id: vec![1; 16], span_id: vec![id; 8], ..Span::default() }
    }

    fn request(spans: Vec<Span>) -> TraceRequest {
        let scope_spans = vec![ScopeSpans { scope: None, spans }];
        TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] }
    }

    #[test]
    fn a_bad_span_costs_no_other() {
        let long = "x".repeat(MAX_DOCUMENT_BYTES);
        let spans = vec![
            span(1),
            Span { trace_id: vec![1; 15], ..span(2) },
            Span { span_id: vec![], ..span(3) },
            Span { attributes: vec![pair("long", long.as_str())], ..span(4) },
            Span { parent_span_id: vec![1], ..span(5) },
            span(6),
        ];
        let translation = documents(&request(spans), &Options::default());
        let ids: Vec<&str> = translation.documents.iter().map(|document| document.id.as_str()).collect();
        assert_eq!(ids, ["0101010101010101", "0606060606060606"]);
        let dropped =
            [Drop { reason: "invalid_ids", spans: 3 }, Drop { reason: "document_too_large", spans: 1 }];
        assert_eq!(translation.dropped, dropped);
    }

    #[test]
    fn a_document_at_the_limit_is_kept() {
        let of_size = |size: usize| {
            let text = "x".repeat(size);
            let attributes = vec![pair("k", text.as_str())];
            documents(&request(vec![Span { attributes, ..span(1) }]), &Options::default())
        };
        let empty = of_size(0).documents[0].json.len();
        assert_eq!(of_size(MAX_DOCUMENT_BYTES - empty).documents[0].json.len(), MAX_DOCUMENT_BYTES);
        assert_eq!(of_size(MAX_DOCUMENT_BYTES - empty + 1).dropped[0].reason, "document_too_large");
    }

    #[test]
    fn a_document_has_its_fields_in_order_and_no_more() {
        let span =
            Span { attributes: vec![pair("n", f64::NAN)], end_time_unix_nano: 1_500_000_000, ..span(10) };
        let expected = concat!(
            r#"{"name":"span","id":"0a0a0a0a0a0a0a0a","start_time":0,"trace_id":"1-01010101-010101010101010101010101","#,
            r#""end_time":1.5,"fault":false,"error":false,"throttle":false,"aws":{"xray":{"auto_instrumentation":false}},"#,
            r#""metadata":{"default":{"n":"NaN"}}}"#
        );
        assert_eq!(documents(&request(vec![span]), &Options::default()).documents[0].json, expected);
    }
}
