//! `ExportTraceServiceRequest`: the agent's check, documents, and requests to the OTLP endpoint.

use std::{collections::BTreeSet, slice};

use bytes::Bytes;
use prost::Message;
use serde_json::Value as Json;
use siphon_core::{
    otlp::{TraceRequest, check},
    xray::{self, Document, MAX_DOCUMENT_BYTES, Translator},
};

use crate::seeds::golden;

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    golden("traces", ".pb")
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    let checked = check::traces(bytes);
    let decoded = TraceRequest::decode(bytes);
    assert_eq!(checked.is_ok(), decoded.is_ok(), "{checked:?} {decoded:?}");
    let (Ok(spans), Ok(request)) = (checked, decoded) else { return false };
    let plain = request.encode_to_vec();
    let documents = |options: &xray::Options| documents(bytes, &plain, spans, options);
    documents(&xray::Options::default());
    let indexed_attributes = BTreeSet::from(["a".to_owned(), "otel.resource.a".to_owned()]);
    let log_groups = vec!["group".to_owned()];
    documents(&xray::Options { indexed_attributes, index_all: false, log_groups });
    documents(&xray::Options { index_all: true, ..xray::Options::default() });
    as_they_are(bytes, spans);
    true
}

/// `plain` is the same request after decoding and encoding.
fn documents(bytes: &[u8], plain: &[u8], spans: u64, options: &xray::Options) {
    let translate = |request| Translator::new(options, None).translate(request).expect("as the check says");
    let made = translate(bytes);
    assert_eq!(made, translate(plain), "what is read in place is not what decoding reads");
    let dropped: u64 = made.dropped.iter().map(|drop| drop.spans).sum();
    let documents = made.documents.len() as u64;
    assert!(dropped <= spans && spans - dropped <= documents && documents <= 2 * spans, "spans are lost");
    assert_eq!(xray::calls(&made.documents).map(<[_]>::len).sum::<usize>(), made.documents.len());
    for document in &made.documents {
        check_document(document);
        if let Some(renamed) = xray::renamed(document) {
            check_document(&renamed);
        }
    }
}

/// What X-Ray demands of every document.
fn check_document(document: &Document) {
    let text = document.json();
    assert!(text.len() <= MAX_DOCUMENT_BYTES, "{} bytes", text.len());
    let json: Json = serde_json::from_str(&text).expect("a document is JSON");
    let body: Json = serde_json::from_slice(&xray::body(slice::from_ref(document))).expect("a call is JSON");
    assert_eq!(body["TraceSegmentDocuments"][0], text.as_str());
    let (id, trace_id) = (document.id.as_str(), document.trace_id.as_str());
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    assert!(id.len() == 16 && is_hex(id), "{id}");
    assert_eq!((json["id"].as_str(), json["trace_id"].as_str()), (Some(id), Some(trace_id)));
    let parts: Vec<_> = trace_id.split('-').map(str::len).collect();
    assert_eq!(parts, [1, 8, 24], "{trace_id}");
    let name = json["name"].as_str().expect("a segment has a name");
    assert!((1..=200).contains(&name.chars().count()), "{name:?}");
    // Any numbers: both are the application's.
    assert!(json["start_time"].is_number(), "{json}");
    assert!(json["end_time"].is_number() != (json["in_progress"] == true), "{json}");
    if let Some(annotations) = json["annotations"].as_object() {
        assert!(annotations.len() <= 50, "{} annotations", annotations.len());
    }
}

fn as_they_are(bytes: &[u8], spans: u64) {
    let limits = xray::otlp::Limits::default();
    let read = xray::otlp::read(&Bytes::copy_from_slice(bytes), None, &limits).expect("as the check says");
    let dropped: u64 = read.dropped.iter().map(|drop| drop.spans).sum();
    assert_eq!(read.spans.len() as u64 + dropped, spans, "spans are lost");
    let _ = xray::otlp::partial_success(bytes);
}
