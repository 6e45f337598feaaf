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
//! | their text | `document`, `metadata`, `json` |
//! | what X-Ray limits | `limits`, and for the size of a document `shorten` |
//! | documents into calls, and the answer | [`calls`], [`body`], [`verdict`], [`unprocessed`], [`renamed`] |
//!
//! Spans may also go to X-Ray as they are: [`otlp`]. Documents that an X-Ray SDK has made come in a [`datagram`] and go
//! out as they are: [`received()`]. What such SDKs ask X-Ray beside that is [`sampling`].
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
pub mod datagram;
mod document;
mod http;
mod ids;
mod json;
mod keys;
mod limits;
mod links;
mod metadata;
mod names;
mod origin;
pub mod otlp;
mod place;
mod received;
mod rename;
mod resource;
pub mod sampling;
mod segment;
mod shorten;
mod sql;
mod time;
mod translator;
mod url;

use std::collections::BTreeSet;

use bytes::Bytes;

pub use answer::{Unprocessed, Verdict, error_code, unprocessed, verdict};
pub use batch::{HEADERS, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, PATH, body, calls, group_by_trace};
pub use ids::{SegmentId, TraceId};
pub use received::{MAX_RECEIVED_BYTES, ReceivedError, received};
pub use rename::renamed;

pub use translator::{Rest, Translator};

use crate::otlp::view::traces::Span;
use crate::protobuf::read::Fields;

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
    /// The segment's id.
    pub id: SegmentId,
    /// The trace's id.
    pub trace_id: TraceId,
    /// As it is in a [`body`].
    text: Bytes,
}

impl Document {
    /// The document, at most [`MAX_DOCUMENT_BYTES`].
    #[must_use]
    pub fn json(&self) -> String {
        json::plain(&self.text)
    }
}

/// Spans that became no documents, by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// - `invalid_ids`: an id of a wrong length, or no span id: X-Ray would refuse the document;
    /// - `document_too_large`: a document that could not be made to fit [`MAX_DOCUMENT_BYTES`];
    /// - `span_too_large`: a span that the OTLP endpoint would refuse.
    pub reason: &'static str,
    /// How many.
    pub spans: u64,
    /// Which: the first [`MAX_NAMED`] of them.
    pub named: Vec<NamedSpan>,
}

impl Drop {
    /// Counts one more span.
    fn add(drops: &mut Vec<Self>, reason: &'static str, name: impl FnOnce() -> NamedSpan) {
        match drops.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.count(name),
            None => {
                let mut drop = Self { reason, spans: 0, named: Vec::new() };
                drop.count(name);
                drops.push(drop);
            }
        }
    }

    fn count(&mut self, name: impl FnOnce() -> NamedSpan) {
        self.spans += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(name());
        }
    }
}

/// The most spans that one [`Drop`] names: one broken sender must not fill a log.
pub const MAX_NAMED: usize = 20;

/// How to find a span in its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSpan {
    /// Its name, at most 200 characters of it.
    pub name: String,
    /// Its id as it came, hex, at most 32 bytes of it.
    pub id: String,
    /// Its trace's id, likewise.
    pub trace_id: String,
}

impl NamedSpan {
    /// That of an encoded span.
    fn read(span: &[u8]) -> Self {
        let mut view = Span::default();
        let _ = view.read(Fields::of(span)); // what comes before a fault is as good a name as any
        Self::of(&view)
    }

    fn of(span: &Span<'_>) -> Self {
        let id = |bytes: &[u8]| hex::encode(bytes.get(..32).unwrap_or(bytes));
        let name = shorten::cut(span.name, 200).unwrap_or(span.name).to_owned();
        Self { name, id: id(span.span_id), trace_id: id(span.trace_id) }
    }
}

/// What became of a request's spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// In the order of the spans. A span may become two: a subsegment, and the segment of the service around it.
    pub documents: Vec<Document>,
    /// How many of the documents had to be shortened to fit [`MAX_DOCUMENT_BYTES`]. Each says what it lost.
    pub shortened: u64,
    /// The rest, each reason once.
    pub dropped: Vec<Drop>,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::otlp::{AnyValue, KeyValue, Resource, ResourceSpans, ScopeSpans, Span, TraceRequest, Value};

    fn documents(request: &TraceRequest) -> Translation {
        Translator::new(&Options::default(), None).translate(&request.encode_to_vec()).unwrap()
    }

    fn pair(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }) }
    }

    fn span(id: u8) -> Span {
        Span { trace_id: vec![1; 16], span_id: vec![id; 8], ..Span::default() }
    }

    fn request(spans: Vec<Span>) -> TraceRequest {
        let scope_spans = vec![ScopeSpans { scope: None, spans }];
        TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] }
    }

    /// A resource whose identity alone is too much for a document.
    fn endless() -> Resource {
        let version = "x".repeat(MAX_DOCUMENT_BYTES);
        Resource { attributes: vec![pair("service.version", Value::String(version))] }
    }

    #[test]
    fn a_bad_span_costs_no_other() {
        let mut request = request(vec![
            span(1),
            Span { trace_id: vec![1; 15], name: "short".into(), ..span(2) },
            Span { span_id: vec![], ..span(3) },
            Span { parent_span_id: vec![1], name: "n".repeat(300), ..span(4) },
            span(5),
        ]);
        let scope_spans =
            vec![ScopeSpans { scope: None, spans: vec![Span { name: "big".into(), ..span(6) }] }];
        request.resource_spans.push(ResourceSpans { resource: Some(endless()), scope_spans });
        let translation = documents(&request);
        let ids: Vec<&str> = translation.documents.iter().map(|document| document.id.as_str()).collect();
        assert_eq!(ids, ["0101010101010101", "0505050505050505"]);
        let named = |name: &str, span: &[u8], trace: &[u8]| NamedSpan {
            name: name.into(),
            id: hex::encode(span),
            trace_id: hex::encode(trace),
        };
        let invalid = vec![
            named("short", &[2; 8], &[1; 15]),
            named("", &[], &[1; 16]),
            named(&"n".repeat(200), &[4; 8], &[1; 16]),
        ];
        let too_large = vec![named("big", &[6; 8], &[1; 16])];
        let dropped = [
            Drop { reason: "invalid_ids", spans: 3, named: invalid },
            Drop { reason: "document_too_large", spans: 1, named: too_large },
        ];
        assert_eq!(translation.dropped, dropped);
    }

    #[test]
    fn so_many_dropped_spans_are_named_and_all_are_counted() {
        let broken = vec![Span { span_id: vec![], ..span(1) }; MAX_NAMED + 5];
        let dropped = documents(&request(broken)).dropped;
        let [drop] = &dropped[..] else { panic!("{dropped:?}") };
        assert_eq!((drop.spans, drop.named.len()), (MAX_NAMED as u64 + 5, MAX_NAMED));
    }

    #[test]
    fn a_document_at_the_limit_is_whole_and_a_longer_one_is_shortened() {
        let of_size = |size: usize| {
            let text = "x".repeat(size);
            let attributes = vec![pair("k", Value::String(text))];
            documents(&request(vec![Span { attributes, ..span(1) }]))
        };
        let length = |translation: &Translation| translation.documents[0].json().len();
        let empty = length(&of_size(0));
        let whole = of_size(MAX_DOCUMENT_BYTES - empty);
        assert_eq!((length(&whole), whole.shortened), (MAX_DOCUMENT_BYTES, 0));
        let shortened = of_size(MAX_DOCUMENT_BYTES - empty + 1);
        let json: serde_json::Value = serde_json::from_str(&shortened.documents[0].json()).unwrap();
        assert_eq!(json["metadata"]["default"]["k"].as_str().map(str::len), Some(16_000));
        assert_eq!(json["metadata"]["siphon"]["truncated"], serde_json::json!(["metadata.default.k"]));
        assert_eq!((shortened.shortened, shortened.dropped), (1, vec![]));
    }

    #[test]
    fn a_document_has_its_fields_in_order_and_no_more() {
        let attributes = vec![pair("n", Value::Double(f64::NAN))];
        let span = Span { attributes, end_time_unix_nano: 1_500_000_000, ..span(10) };
        let expected = concat!(
            r#"{"name":"span","id":"0a0a0a0a0a0a0a0a","start_time":0,"trace_id":"1-01010101-010101010101010101010101","#,
            r#""end_time":1.5,"fault":false,"error":false,"throttle":false,"aws":{"xray":{"auto_instrumentation":false}},"#,
            r#""metadata":{"default":{"n":"NaN"}}}"#
        );
        assert_eq!(documents(&request(vec![span])).documents[0].json(), expected);
    }
}
