//! Documents into calls of PutTraceSegments
//! (<https://docs.aws.amazon.com/xray/latest/api/API_PutTraceSegments.html>).

use super::{Document, TraceId};

/// Where calls go, on X-Ray's address.
pub const PATH: &str = "/TraceSegments";

/// The headers of every call, but for those that the sender fills in.
pub const HEADERS: [(&str, &str); 1] = [("content-type", "application/json")];

/// The most documents that X-Ray takes in one call; more are refused with an InvalidRequestException.
pub const MAX_DOCUMENTS: usize = 50;

/// The most bytes of one document: 64 kB by the documentation, which leaves open whether 64,000 or 65,536.
pub const MAX_DOCUMENT_BYTES: usize = 64_000;

/// The most bytes of documents in one call. X-Ray documents no limit; a call of this size is sent well within
/// a client's usual time.
const MAX_CALL_BYTES: usize = 1_000_000;

/// Brings the documents of each trace together, in the order that they have.
pub fn group_by_trace(documents: &mut [Document]) {
    documents.sort_by_key(|document| document.trace_id);
}

/// The documents in order, in calls within the limits. A document that is over the limit by itself gets a call of its
/// own. Neighbours of one trace go out together, unless no call would hold them: X-Ray shows a trace as its segments
/// come in, so that one in two calls is for a while, or after an outage for long, half a trace.
pub fn calls(documents: &[Document]) -> impl Iterator<Item = &[Document]> {
    let mut rest = documents;
    std::iter::from_fn(move || {
        let (call, later) = rest.split_at(first_call(rest));
        rest = later;
        (!call.is_empty()).then_some(call)
    })
}

/// The body of one call: documents are texts in it.
#[must_use]
pub fn body(documents: &[Document]) -> Vec<u8> {
    let (begin, end) = (br#"{"TraceSegmentDocuments":["#, b"]}");
    let bytes = documents.iter().map(|document| document.text.len() + 3);
    let mut body = Vec::with_capacity(begin.len() + bytes.sum::<usize>() + end.len());
    body.extend_from_slice(begin);
    for (at, document) in documents.iter().enumerate() {
        body.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
        body.extend_from_slice(&document.text);
        body.push(b'"');
    }
    body.extend_from_slice(end);
    body
}

fn first_call(documents: &[Document]) -> usize {
    let mut bytes = 0;
    let fits = documents.iter().take(MAX_DOCUMENTS).take_while(|document| {
        bytes += document.text.len();
        bytes <= MAX_CALL_BYTES
    });
    let most = fits.count().max(1).min(documents.len());
    documents.get(most).map_or(most, |next| before_trace(documents, most, next.trace_id))
}

/// A cut at `most` or before it that does not part the neighbours of `trace`, which go on after it; `most` if all before
/// it are of that trace.
fn before_trace(documents: &[Document], most: usize, trace: TraceId) -> usize {
    let before = documents.iter().take(most).rposition(|document| document.trace_id != trace);
    before.map_or(most, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{SegmentId, json::Written};
    use super::*;

    fn document(bytes: usize) -> Document {
        Document {
            id: SegmentId::new([1; 8]),
            trace_id: TraceId::new([2; 16]),
            text: vec![b'x'; bytes].into(),
        }
    }

    fn sizes(documents: &[Document]) -> Vec<usize> {
        calls(documents).map(<[Document]>::len).collect()
    }

    #[test]
    fn calls_hold_at_most_fifty_documents() {
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&vec![document(1); 50]), [50]);
        assert_eq!(sizes(&vec![document(1); 101]), [50, 50, 1]);
    }

    #[test]
    fn calls_hold_at_most_a_million_bytes() {
        assert_eq!(sizes(&vec![document(MAX_DOCUMENT_BYTES); 50]), [15, 15, 15, 5]);
        assert_eq!(sizes(&[document(1), document(MAX_CALL_BYTES + 1), document(1)]), [1, 1, 1]);
    }

    /// One document a letter, of the trace that it names.
    fn of_traces(traces: &str) -> Vec<Document> {
        traces.bytes().map(|trace| Document { trace_id: TraceId::new([trace; 16]), ..document(1) }).collect()
    }

    #[test]
    fn a_trace_goes_out_together_where_a_call_holds_it() {
        let runs = |runs: &[(&str, usize)]| -> String {
            runs.iter().map(|(trace, documents)| trace.repeat(*documents)).collect()
        };
        for (traces, want) in [
            (runs(&[("a", 45), ("b", 10)]), vec![45, 10]),
            (runs(&[("a", 45), ("b", 5), ("c", 5)]), vec![50, 5]),
            (runs(&[("a", 60), ("b", 50), ("c", 1)]), vec![50, 10, 50, 1]),
        ] {
            assert_eq!(sizes(&of_traces(&traces)), want, "{traces}");
        }
    }

    #[test]
    fn documents_of_a_trace_are_brought_together_in_their_order() {
        let mut documents = of_traces("cabcab");
        for (at, document) in documents.iter_mut().enumerate() {
            document.id = SegmentId::new((at as u64).to_be_bytes());
        }
        group_by_trace(&mut documents);
        let ids = documents.iter().map(|document| document.id.as_str().trim_start_matches('0'));
        assert_eq!(ids.collect::<Vec<_>>(), ["1", "4", "2", "5", "", "3"]);
    }

    #[test]
    fn a_body_carries_documents_as_texts() {
        let documents = [json!({ "name": "a \\ \"b\"", "é": 1 }), json!({})];
        let want = json!({ "TraceSegmentDocuments": documents.each_ref().map(Value::to_string) });
        let written =
            documents.map(|json| Document { text: Written::of(&json).into_bytes().into(), ..document(0) });
        assert_eq!(body(&written), want.to_string().as_bytes());
        assert_eq!(body(&[]), br#"{"TraceSegmentDocuments":[]}"#);
    }

    #[test]
    fn nothing_is_lost_or_reordered() {
        let documents: Vec<Document> = (0..173).map(|at| document(at * 331)).collect();
        let sent: Vec<&Document> = calls(&documents).flatten().collect();
        assert_eq!(sent, documents.iter().collect::<Vec<_>>());
    }
}
