//! What X-Ray's answer to PutTraceSegments means, for the call and for each document that it left out
//! (<https://docs.aws.amazon.com/xray/latest/api/API_PutTraceSegments.html>).

use serde::Deserialize;

pub use crate::remote_write::Verdict;
use crate::remote_write::verdict as by_status;

/// A document that X-Ray left out of a call that it took
/// (<https://docs.aws.amazon.com/xray/latest/api/API_UnprocessedTraceSegment.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Unprocessed {
    /// The segment's id, if X-Ray could read it.
    pub id: Option<String>,
    /// Why, in a word.
    pub error_code: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
}

impl Unprocessed {
    /// Whether it may be taken later. The other codes seen (`InvalidTraceId`, `MissingId`, `InvalidName`) judge the
    /// content; throttling is no judgement.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.error_code.as_deref().is_some_and(is_throttling)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    unprocessed_trace_segments: Option<Vec<Unprocessed>>,
}

/// What the answer to a call that was taken leaves out. None if it is no such answer: cut off, or not X-Ray's.
#[must_use]
pub fn unprocessed(answer: &[u8]) -> Option<Vec<Unprocessed>> {
    if answer.is_empty() {
        return Some(Vec::new());
    }
    let Answer { unprocessed_trace_segments } = serde_json::from_slice(answer).ok()?;
    Some(unprocessed_trace_segments.unwrap_or_default())
}

/// The verdict on a call, by status, and by `error_code` where one status means several things. `retry_after` is the
/// header's text, `answer` the body.
///
/// X-Ray refuses a call as a whole for one document: it goes in parts, so that the bad one costs no other.
#[must_use]
pub fn verdict(status: u16, retry_after: Option<&str>, error_code: &str, answer: &[u8]) -> Verdict {
    match status {
        200..=299 if unprocessed(answer).is_none() => Verdict::Retry { after: None },
        400.. if is_throttling(error_code) => by_status(429, retry_after),
        400 if error_code.is_empty() => Verdict::Split,
        400 if ["InvalidRequest", "Validation"].iter().any(|begin| error_code.starts_with(begin)) => {
            Verdict::Split
        }
        200..=299 | 413 | 429 | 500..=599 => by_status(status, retry_after),
        _ => Verdict::Misconfigured,
    }
}

fn is_throttling(error_code: &str) -> bool {
    error_code.contains("Throttl")
}

/// The code of an answer that is an error: of the header `x-amzn-errortype`, else of the body; empty if there is none
/// (<https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>).
#[must_use]
pub fn error_code(header: Option<&str>, answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Error {
        #[serde(rename = "__type")]
        kind: Option<String>,
        code: Option<String>,
    }
    let in_body = || {
        let Error { kind, code } = serde_json::from_slice(answer).ok()?;
        code.or(kind)
    };
    let whole = header.map(str::to_owned).or_else(in_body).unwrap_or_default();
    // Without the namespace before it and the address after it.
    let code = whole.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Verdict::*, *};
    use crate::remote_write::RetryAfter;

    #[test]
    fn only_throttled_documents_are_worth_a_retry() {
        for (code, throttled) in [
            (Some("ThrottledException"), true),
            (Some("ThrottlingException"), true),
            (Some("InvalidTraceId"), false),
            (Some("InvalidName"), false),
            (None, false),
        ] {
            let one = Unprocessed { error_code: code.map(str::to_owned), ..Unprocessed::default() };
            assert_eq!(one.is_throttled(), throttled, "{code:?}");
        }
    }

    #[test]
    fn documents_that_were_left_out_are_read() {
        let text = |text: &str| Some(text.to_owned());
        let one = Unprocessed { id: text("a"), error_code: text("InvalidName"), message: text("m") };
        for (answer, want) in [
            (
                r#"{"UnprocessedTraceSegments":[{"Id":"a","ErrorCode":"InvalidName","Message":"m"},{}]}"#,
                Some(vec![one, Unprocessed::default()]),
            ),
            (r#"{"UnprocessedTraceSegments":[]}"#, Some(vec![])),
            (r#"{"UnprocessedTraceSegments":null,"More":1}"#, Some(vec![])),
            ("{}", Some(vec![])),
            ("", Some(vec![])),
            (r#"{"UnprocessedTraceSegments":[{"Id""#, None),
            ("<html>", None),
        ] {
            assert_eq!(unprocessed(answer.as_bytes()), want, "{answer}");
        }
    }

    #[test]
    fn a_failed_call_is_passing_or_about_the_content_or_about_us() {
        let passing = Retry { after: None };
        for (status, code, want) in [
            (200, "", Stored),
            (503, "", passing),
            (500, "InvalidRequestException", passing),
            (429, "ThrottledException", passing),
            (400, "ThrottlingException", passing),
            (400, "InvalidRequestException", Split),
            (400, "ValidationException", Split),
            (400, "", Split),
            (413, "", Split),
            (403, "AccessDeniedException", Misconfigured),
            (400, "UnrecognizedClientException", Misconfigured),
            (404, "", Misconfigured),
            (302, "", Misconfigured),
        ] {
            assert_eq!(verdict(status, None, code, b"{}"), want, "{status} {code}");
        }
        assert_eq!(
            verdict(429, Some("3"), "", b""),
            Retry { after: Some(RetryAfter::In(Duration::from_secs(3))) }
        );
        assert_eq!(verdict(200, None, "", b"<html>"), passing, "a proxy, or cut off");
    }

    #[test]
    fn the_code_is_what_the_header_or_the_body_names() {
        for (header, body, want) in [
            (Some("InvalidRequestException"), "", "InvalidRequestException"),
            (
                Some("ThrottledException:http://internal.amazon.com/coral/"),
                r#"{"__type":"x"}"#,
                "ThrottledException",
            ),
            (
                None,
                r#"{"__type":"com.amazonaws.xray#InvalidRequestException","Message":"m"}"#,
                "InvalidRequestException",
            ),
            (None, r#"{"code":"ValidationException"}"#, "ValidationException"),
            (None, r#"{"message":"m"}"#, ""),
            (None, "<html>", ""),
        ] {
            assert_eq!(error_code(header, body.as_bytes()), want, "{header:?} {body}");
        }
    }
}
