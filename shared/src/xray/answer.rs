//! What X-Ray's answer means for a document that it left out.

/// What to do with an unprocessed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it again, later.
    Retry,
    /// X-Ray does not want this content: count it, never send it again.
    Refused,
}

/// The verdict for an `ErrorCode` of `UnprocessedTraceSegments`
/// (<https://docs.aws.amazon.com/xray/latest/api/API_UnprocessedTraceSegment.html>).
///
/// The codes seen (`InvalidTraceId`, `MissingId`, `InvalidName`) judge the content. Throttling is no judgement.
#[must_use]
pub fn unprocessed(error_code: &str) -> Verdict {
    if error_code.contains("Throttl") { Verdict::Retry } else { Verdict::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_throttling_is_worth_a_retry() {
        for (code, verdict) in [
            ("ThrottledException", Verdict::Retry),
            ("ThrottlingException", Verdict::Retry),
            ("InvalidTraceId", Verdict::Refused),
            ("InvalidName", Verdict::Refused),
            ("", Verdict::Refused),
        ] {
            assert_eq!(unprocessed(code), verdict, "{code}");
        }
    }
}
