//! The suite's table `TestProtocolCompliance`, and `TestHTTPMethod`.

use http::Method;

use crate::support::{Recorded, capture};

fn each(check: impl Fn(&Recorded)) {
    assert!(!capture().requests.is_empty());
    capture().requests.iter().for_each(check);
}

#[test]
fn content_type_protobuf() {
    each(|request| assert!(request.header("content-type").starts_with("application/x-protobuf")));
}

#[test]
fn content_type_with_proto_param() {
    let want = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    each(|request| assert_eq!(request.header("content-type"), want));
}

#[test]
fn content_encoding_snappy() {
    each(|request| assert_eq!(request.header("content-encoding"), "snappy"));
}

#[test]
fn version_header_present() {
    each(|request| assert!(!request.header("x-prometheus-remote-write-version").is_empty()));
}

#[test]
fn version_header_value() {
    each(|request| assert_eq!(request.header("x-prometheus-remote-write-version"), "2.0.0"));
}

#[test]
fn user_agent_present() {
    each(|request| {
        let (name, version) = request.header("user-agent").split_once('/').unwrap();
        assert_eq!((name, version), ("siphon-scrape", env!("CARGO_PKG_VERSION")));
    });
}

#[test]
fn snappy_block_format() {
    const FRAMED: &[u8] = b"\xff\x06\x00\x00sNaPpY";
    each(|request| {
        assert!(!request.body.starts_with(FRAMED));
        assert!(snap::raw::Decoder::new().decompress_vec(&request.body).is_ok());
    });
}

#[test]
fn protobuf_parseable() {
    each(|request| assert!(!request.v2().symbols.is_empty()));
}

#[test]
#[expect(non_snake_case, reason = "the suite's name")]
fn TestHTTPMethod() {
    each(|request| assert_eq!(request.method, Method::POST));
}
