//! What an X-Ray SDK sends: a datagram, and in it a segment document.

use std::slice;

use serde_json::Value;
use siphon_core::xray::{self, datagram};

const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// Taken if there is a document. It is read as `scrape` reads it, and, if X-Ray would take it, goes out as it came.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(document) = datagram::document(bytes) else { return false };
    assert!(bytes.ends_with(document) && !document.is_empty());
    let Ok(made) = xray::received(document) else { return true };
    assert_eq!(made.documents.len() + made.dropped.len(), 1);
    for sent in &made.documents {
        assert_eq!(sent.json().as_bytes(), document);
        let call: Value = serde_json::from_slice(&xray::body(slice::from_ref(sent))).expect("a call is JSON");
        assert_eq!(call["TraceSegmentDocuments"][0].as_str().map(str::as_bytes), Some(document));
        let _ = xray::renamed(sent);
    }
    true
}

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let least = r#"{"name":"shop","id":"70de5b6f19ff9a0a","trace_id":"1-581cf771-a006649127e371903a2de979","start_time":1.5}"#;
    let more = "\n{ \"subsegments\": [{}],\t\"name\":\"\\u00fc|\\\"\",\"in_progress\":true,\"id\":\"70DE5b6f19ff9a0a\",\
        \"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"start_time\":1e9}\r\n";
    [("least", least), ("more", more), ("none", "x")]
        .map(|(name, document)| (name.to_owned(), [HEADER, document.as_bytes()].concat()))
        .into()
}
