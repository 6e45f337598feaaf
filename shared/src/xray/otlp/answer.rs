//! What the endpoint's answer means
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>).

use prost::Message;

pub use crate::remote_write::Verdict;
use crate::remote_write::verdict as by_status;

/// What the endpoint says, with status 400, where X-Ray keeps traces itself: with Transaction Search switched off.
const NO_TRANSACTION_SEARCH: &str = "Trace Segment Destination";

/// The verdict of `status`, as for remote write but for 400. `text` is the beginning of the answer's body.
///
/// OTLP gives 400 for data that can't be taken, and this endpoint refuses a request as a whole: for one span of its
/// ten thousand, or because the account lacks what the endpoint needs. In the first case the request goes in parts, so
/// that a bad span costs no other.
#[must_use]
pub fn verdict(status: u16, retry_after: Option<&str>, text: &str) -> Verdict {
    match status {
        400 if text.contains(NO_TRANSACTION_SEARCH) => Verdict::Misconfigured,
        400 => Verdict::Split,
        status => by_status(status, retry_after),
    }
}

/// What the endpoint left out of a request that it took: `ExportTracePartialSuccess`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PartialSuccess {
    /// How many spans, none of which is to be sent again.
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
    /// Why; without rejected spans a warning.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// Reads the body of a successful answer, an `ExportTraceServiceResponse`. Nothing to say is `None`, and so is what is
/// no such message: the status has said that the request was taken.
#[must_use]
pub fn partial_success(body: &[u8]) -> Option<PartialSuccess> {
    let said = Response::decode(body).ok()?.partial_success?;
    (said != PartialSuccess::default()).then_some(said)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Verdict::*, *};
    use crate::remote_write::RetryAfter;

    #[test]
    fn a_400_is_about_a_span_or_about_the_account() {
        let disabled = "The OTLP API is supported with CloudWatch Logs as a Trace Segment Destination.";
        for (status, retry_after, text, want) in [
            (200, None, "", Stored),
            (400, None, "", Split),
            (400, None, disabled, Misconfigured),
            (413, None, "", Split),
            (403, None, "", Misconfigured),
            (404, None, "", Misconfigured),
            (422, None, "", Rejected),
            (429, Some("3"), "", Retry { after: Some(RetryAfter::In(Duration::from_secs(3))) }),
            (503, None, disabled, Retry { after: None }),
        ] {
            assert_eq!(verdict(status, retry_after, text), want, "{status} {text}");
        }
    }

    #[test]
    fn rejected_spans_are_read() {
        let said = PartialSuccess { rejected_spans: 3, error_message: "too old".into() };
        let body = Response { partial_success: Some(said.clone()) }.encode_to_vec();
        assert_eq!(partial_success(&body), Some(said));
        let nothing = Response { partial_success: Some(PartialSuccess::default()) }.encode_to_vec();
        for body in [&nothing[..], &[], b"{}", b"\xff"] {
            assert_eq!(partial_success(body), None);
        }
    }
}
