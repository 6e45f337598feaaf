//! The rules for a request as a whole: signature, headers, size, encoding.

use axum::http::{HeaderMap, StatusCode, Uri};
use siphon_core::{
    remote_write::v1::{DecodeError, WriteRequest, decode},
    units::UnixMillis,
};

use crate::aws::signature;

/// AMP's request size, which this receiver holds the compressed and the decoded bytes to.
const MAX_BYTES: usize = 1_000_000;

/// The whole request is refused: nothing of it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

pub(super) fn read(
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    now: UnixMillis,
) -> Result<WriteRequest, Refusal> {
    signature::verify("POST", uri, headers, body, "aps", now)
        .map_err(|error| Refusal::new(StatusCode::FORBIDDEN, format!("{{\"message\":\"{error}\"}}")))?;
    check_headers(headers)?;
    if body.len() > MAX_BYTES {
        return Err(too_large(body.len()));
    }
    decode(body, MAX_BYTES).map_err(|error| match error {
        DecodeError::TooLarge { declared, .. } => too_large(declared),
        error => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
    })
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let expected = [
        ("content-type", "application/x-protobuf", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("content-encoding", "snappy", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("x-prometheus-remote-write-version", "0.1.0", StatusCode::BAD_REQUEST),
    ];
    for (name, value, status) in expected {
        let got: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        if got != [value.as_bytes()] {
            return Err(Refusal::new(status, format!("header {name} must be there once, as {value}")));
        }
    }
    let agent = headers.get("user-agent").is_some_and(|value| !value.is_empty());
    if agent {
        Ok(())
    } else {
        Err(Refusal::new(StatusCode::BAD_REQUEST, "header user-agent must name the sender"))
    }
}

fn too_large(bytes: usize) -> Refusal {
    let text = format!("received message larger than max ({bytes} vs {MAX_BYTES})");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use siphon_core::remote_write::{
        HEADERS,
        v1::{Label, TimeSeries},
    };

    use super::*;
    use crate::aws::{REMOTE_WRITE_PATH, signature::tests::signed};

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
    const AGENT: (&str, &str) = ("user-agent", "siphon/0.1.0");

    /// A body that decodes to about `bytes`, with little repetition so that it stays large.
    fn body(bytes: usize) -> Vec<u8> {
        let value: String = std::iter::repeat_with(fastrand::alphanumeric).take(bytes).collect();
        let labels = vec![Label { name: "__name__".into(), value }];
        let series =
            TimeSeries { labels, samples: Vec::new(), exemplars: Vec::new(), histograms: Vec::new() };
        snappy(&WriteRequest { timeseries: vec![series], metadata: Vec::new() }.encode_to_vec())
    }

    fn snappy(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).unwrap()
    }

    fn send(headers: &[(&'static str, &str)], body: &[u8]) -> Result<WriteRequest, Refusal> {
        let headers = signed("aps", REMOTE_WRITE_PATH, body, headers, NOW);
        read(&Uri::from_static(REMOTE_WRITE_PATH), &headers, body, NOW)
    }

    fn all() -> Vec<(&'static str, &'static str)> {
        HEADERS.into_iter().chain([AGENT]).collect()
    }

    #[test]
    fn a_good_request_is_read() {
        assert_eq!(send(&all(), &body(10)).unwrap().timeseries.len(), 1);
    }

    #[test]
    fn each_header_must_be_there_and_right() {
        for (n, (name, _)) in all().into_iter().enumerate() {
            let mut missing = all();
            missing.remove(n);
            assert!(send(&missing, &body(10)).unwrap_err().text.contains(name), "{name} missing");
        }
        let mut wrong = all();
        wrong[0].1 = "application/json";
        assert_eq!(send(&wrong, &body(10)).unwrap_err().status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let mut wrong = all();
        wrong[2].1 = "2.0.0";
        assert_eq!(send(&wrong, &body(10)).unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_bad_signature_is_forbidden() {
        let body = body(10);
        let mut headers = signed("aps", REMOTE_WRITE_PATH, &body, &all(), NOW);
        headers.remove("x-amz-security-token");
        let refusal = read(&Uri::from_static(REMOTE_WRITE_PATH), &headers, &body, NOW).unwrap_err();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn size_counts_before_and_after_decoding() {
        assert!(send(&all(), &body(990_000)).is_ok());
        let refusal = send(&all(), &body(1_000_001)).unwrap_err();
        assert!(refusal.text.contains("received message larger than max"), "{refusal:?}");
        let bomb = snappy(&vec![0; 1_000_001]); // small on the wire
        assert!(bomb.len() < 100_000);
        assert_eq!(send(&all(), &bomb).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn what_is_no_snappy_block_or_no_protobuf_is_refused() {
        for body in [&b"\xff\xff\xff"[..], &snappy(b"\xff\xff\xff"), b""] {
            assert_eq!(send(&all(), body).unwrap_err().status, StatusCode::BAD_REQUEST, "{body:?}");
        }
    }
}
