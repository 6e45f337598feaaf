//! What Prometheus and X-Ray answer. An input is a status (two bytes), then, a line each, `Retry-After`, a count of what is
//! written and the type of an error, then the body.

use siphon_core::{
    remote_write::{self, RetryAfter, Told, Verdict, Written},
    units::UnixMillis,
    xray,
};

/// Taken if the receivers could have said it: what is not theirs judges no data.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some((status, rest)) = bytes.split_first_chunk() else { return false };
    let status = u16::from_be_bytes(*status);
    let mut parts = rest.splitn(4, |byte| *byte == b'\n');
    let mut line = || std::str::from_utf8(parts.next()?).ok().filter(|text| !text.is_empty());
    let (retry_after, count, error_type) = (line(), line(), line());
    let body = parts.next().unwrap_or_default();

    let of_prometheus = remote_write::verdict(status, retry_after);
    let code = xray::error_code(error_type, body);
    assert!(!code.contains(['#', ':']), "without namespace and address: {code}");
    let of_xray = xray::verdict(status, retry_after, &code, body);
    for verdict in [of_prometheus, of_xray] {
        assert!(verdict != Verdict::Stored || (200..300).contains(&status), "an error is taken for stored");
        if let Verdict::Retry { after: Some(after) } = verdict {
            wait(after);
        }
    }
    assert!(
        of_xray != Verdict::Stored || xray::unprocessed(body).is_some(),
        "what was left out is not known"
    );

    let text = String::from_utf8_lossy(body);
    assert_eq!(Told::read(&text), Told::read(&text.to_ascii_uppercase()));
    for place in 0..Written::HEADERS.len() {
        let header = |name: &str| count.filter(|_| name == Written::HEADERS[place]);
        let number = count.and_then(|count| count.trim().parse::<u64>().ok());
        let sum = |Written { samples, histograms, exemplars }| samples + histograms + exemplars;
        assert_eq!(Written::read(header).map(sum), number, "alone, it is the sum");
    }
    of_prometheus != Verdict::Misconfigured || of_xray != Verdict::Misconfigured
}

/// Whoever waits begins at some time, and waits no longer from a later one.
fn wait(after: RetryAfter) {
    let waits = [i64::MIN, 0, 1_800_000_000_000, i64::MAX].map(|now| after.wait(UnixMillis(now)));
    assert!(waits.is_sorted_by(|earlier, later| earlier >= later), "{after:?}: {waits:?}");
}

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let unprocessed =
        r#"{"UnprocessedTraceSegments":[{"Id":"1","ErrorCode":"ThrottledException","Message":"m"}]}"#;
    let answer = |status: u16, text: &str| [&status.to_be_bytes()[..], text.as_bytes()].concat();
    [
        ("stored", answer(200, "\n7\n\n{}")),
        ("unprocessed", answer(200, &format!("\n\n\n{unprocessed}"))),
        ("seconds", answer(429, "30\n\nThrottlingException:http://internal\n")),
        ("date", answer(503, "Fri, 27 Nov 2026 17:00:00 GMT\n\n\n")),
        ("out-of-order", answer(400, "\n\n\nout of order sample")),
        ("invalid", answer(400, "\n\n\n{\"__type\":\"com.amazonaws.xray#InvalidRequestException\"}")),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into()
}
