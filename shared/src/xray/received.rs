//! Documents that an X-Ray SDK has made. They go to X-Ray as they came, byte for byte; what is looked at is what X-Ray
//! would refuse a document for, so that a broken one is named here, and its ids, by which X-Ray's answer names it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use super::json::within_text;
use super::{Document, Drop, NamedSpan, SegmentId, TraceId, Translation, shorten};

/// X-Ray takes no larger document: 64 kB by the documentation, read in the sender's favour, since what an SDK has made is
/// not shortened. X-Ray itself judges what lies between the two readings.
pub const MAX_RECEIVED_BYTES: usize = 64 << 10;

/// What every document has. All else is only checked to be JSON.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(rename = "start_time")]
    _start_time: f64,
}

/// Why bytes are no document that X-Ray would take.
#[derive(Debug, thiserror::Error)]
pub enum ReceivedError {
    /// Not text.
    #[error("segment document is not UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    /// Not a JSON object.
    #[error("segment document is not a JSON object")]
    NotAnObject,
    /// Not JSON, or without one of the fields that every document has.
    #[error("segment document: {0}")]
    Json(#[from] serde_json::Error),
    /// Not 16 hex digits.
    #[error("segment document: id is not 16 hex digits")]
    Id,
    /// Not `1-`, 8 hex digits, `-`, 24 hex digits.
    #[error("segment document: trace_id is not of the form 1-8-24 in hex digits")]
    TraceId,
}

/// The document, ready to be sent; dropped by name if it is too large.
///
/// # Errors
/// [`ReceivedError`]
pub fn received(payload: &[u8]) -> Result<Translation, ReceivedError> {
    let text = std::str::from_utf8(payload)?;
    // Without this, an array of the right values would do.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(ReceivedError::NotAnObject);
    }
    let fields: Fields<'_> = serde_json::from_str(text)?;
    let id = SegmentId::read(&fields.id).ok_or(ReceivedError::Id)?;
    let trace_id = TraceId::read(&fields.trace_id).ok_or(ReceivedError::TraceId)?;
    let mut out = Translation::default();
    if text.len() > MAX_RECEIVED_BYTES {
        let name = shorten::cut(&fields.name, 200).unwrap_or(&fields.name).to_owned();
        let (id, trace_id) = (fields.id.into_owned(), fields.trace_id.into_owned());
        Drop::add(&mut out.dropped, "document_too_large", || NamedSpan { name, id, trace_id });
    } else {
        out.documents.push(Document { id, trace_id, text: Bytes::from(within_text(text)) });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const GOOD: &str = "{\n\t\"name\": \"größe \\\"1\\\" \\\\ \\n\\u0041\",\r\n\"id\":\"70DE5b6f19ff9a0a\",\
        \"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"start_time\":1.5,\"more\":[{}]}\n";

    #[test]
    fn a_document_is_sent_byte_for_byte() {
        let made = received(GOOD.as_bytes()).unwrap();
        let [document] = &made.documents[..] else { panic!("{made:?}") };
        assert_eq!(
            (document.id.as_str(), document.trace_id.as_str()),
            ("70DE5b6f19ff9a0a", "1-581cf771-a006649127e371903a2de979")
        );
        assert_eq!(document.json(), GOOD);
        let call: Value = serde_json::from_slice(&super::super::body(&made.documents)).unwrap();
        assert_eq!(call["TraceSegmentDocuments"][0], GOOD);
    }

    #[test]
    fn what_x_ray_would_refuse_is_no_document() {
        let error = |payload: &[u8]| received(payload).unwrap_err().to_string();
        for (from, to, want) in [
            ("\"name\"", "\"nome\"", "missing field `name`"),
            ("\"id\"", "\"di\"", "missing field `id`"),
            ("\"trace_id\"", "\"trace\"", "missing field `trace_id`"),
            ("\"start_time\":1.5", "\"start\":1.5", "missing field `start_time`"),
            ("\"start_time\":1.5", "\"start_time\":\"now\"", "invalid type: string \"now\", expected f64"),
            ("70DE5b6f19ff9a0a", "70DE5b6f19ff9a0", "id is not 16 hex digits"),
            ("70DE5b6f19ff9a0a", "70DE5b6f19ff9a0g", "id is not 16 hex digits"),
            ("1-581cf771-", "2-581cf771-", "trace_id is not of the form"),
            ("1-581cf771-", "1-581cf77-1", "trace_id is not of the form"),
            ("{}]}", "{}]", "EOF while parsing"),
            ("[{}]", "[{}}", "expected `,` or `]`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let text = error(GOOD.replace(from, to).as_bytes());
            assert!(text.contains(want), "{text}, not {want}");
        }
        for (payload, want) in [
            (&b"[]"[..], "not a JSON object"),
            (br#"["n","70de5b6f19ff9a0a","1-581cf771-a006649127e371903a2de979",1]"#, "not a JSON object"),
            (b"", "not a JSON object"),
            (b"{\"a\":\"\xff\"}", "not UTF-8"),
            (b"{} {}", "missing field `name`"),
        ] {
            assert!(error(payload).contains(want), "{}", error(payload));
        }
        let twice = format!("{GOOD}{GOOD}");
        assert!(error(twice.as_bytes()).contains("trailing characters"));
    }

    #[test]
    fn a_document_over_the_limit_is_dropped_by_name_and_not_changed() {
        let of_size = |bytes: usize| {
            let filler = "x".repeat(bytes - GOOD.len() - 2);
            received(GOOD.replace("[{}]", &format!("[{{}}\"{filler}\"]").replace("}\"", "},\"")).as_bytes())
        };
        let whole = of_size(MAX_RECEIVED_BYTES - 1).unwrap();
        assert_eq!((whole.documents.len(), whole.documents[0].json().len()), (1, MAX_RECEIVED_BYTES));
        let made = of_size(MAX_RECEIVED_BYTES).unwrap();
        let [drop] = &made.dropped[..] else { panic!("{made:?}") };
        assert_eq!((made.documents.len(), drop.reason, drop.spans), (0, "document_too_large", 1));
        assert_eq!(drop.named[0].name, "größe \"1\" \\ \nA");
        assert_eq!(drop.named[0].id, "70DE5b6f19ff9a0a");
    }
}
