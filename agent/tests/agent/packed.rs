//! OTLP over HTTP, compressed.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use crate::{
    http::send,
    metadata::Metadata,
    process::Agent,
    receiving::{PROTOBUF, metrics, spans, status},
};

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A zstd frame of `length` zeros: blocks of one byte each, repeated.
fn zstd_zeros(length: u32) -> Vec<u8> {
    // Magic; a descriptor for no checksum and a window, which is 8 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3];
    let mut rest = length;
    while rest > 0 {
        let size = rest.min(128 << 10);
        rest -= size;
        let block = size << 3 | 1 << 1 | u32::from(rest == 0);
        frame.extend_from_slice(&[&block.to_le_bytes()[..3], &[0]].concat());
    }
    frame
}

/// A zstd frame that holds `plain` as it is.
fn zstd(plain: &[u8]) -> Vec<u8> {
    let length = u32::try_from(plain.len()).unwrap();
    // One segment, its length in four bytes; one block, the last.
    let head =
        [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &length.to_le_bytes(), &(length << 3 | 1).to_le_bytes()[..3]];
    [&head.concat()[..], plain].concat()
}

#[test]
fn bodies_are_unpacked_and_stored_plain() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let plain = spans(3, 1000);
    let packed = [
        ("gzip", gzip(&plain)),
        ("GZIP", gzip(&plain)),
        ("deflate", zlib(&plain)),
        ("zstd", zstd(&plain)),
        ("identity", plain.clone()),
    ];
    for (encoding, body) in &packed {
        let headers = [PROTOBUF, ("content-encoding", *encoding)];
        assert_eq!(send(agent.otlp, "POST", "/v1/traces", &headers, body).status, 200, "{encoding}");
    }
    let stored = puller.pull().unwrap().records.into_iter().filter(|record| record.payload == plain).count();
    assert_eq!(stored, packed.len());
}

#[test]
fn a_bomb_is_too_large_and_costs_no_more_memory_than_the_limit() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "100000")]);
    let post = |encoding: &str, body: &[u8]| {
        send(agent.otlp, "POST", "/v1/traces", &[PROTOBUF, ("content-encoding", encoding)], body)
    };
    post("gzip", &gzip(&spans(1, 50_000)));
    let before = agent.peak_kb();
    let zeros = vec![0; 9_000_000];
    for (encoding, bomb) in
        [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("zstd", zstd_zeros(2_000_000_000))]
    {
        assert!(bomb.len() < 100_000, "{encoding}: {}", bomb.len());
        let reply = post(encoding, &bomb);
        assert_eq!(reply.status, 413, "{encoding}: {}", status(&reply).2);
        assert!(status(&reply).2.contains("over 100000 bytes without compression"), "{encoding}");
    }
    let grown = agent.peak_kb() - before;
    assert!(grown < 1500, "{grown} KiB more");
    assert_eq!(puller.count("refused_requests", "otlp_traces", "too_large"), 3);
}

#[test]
fn what_is_not_compressed_as_it_says_is_malformed() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    for encoding in ["gzip", "deflate", "zstd"] {
        let headers = [PROTOBUF, ("content-encoding", encoding)];
        let reply = send(agent.otlp, "POST", "/v1/metrics", &headers, &metrics(3));
        let (code, grpc_code, message) = status(&reply);
        assert_eq!((code, grpc_code), (400, 3));
        assert!(message.contains(&format!(" is not {encoding}")), "{message}");
    }
    let reply = send(agent.otlp, "POST", "/v1/metrics", &[PROTOBUF, ("content-encoding", "br")], &metrics(3));
    assert_eq!(status(&reply).0, 415);
    assert!(status(&reply).2.contains("\"br\" is not received; send gzip, deflate, zstd or none"));
    assert_eq!(puller.count("refused_requests", "otlp_metrics", "malformed"), 3);
    assert_eq!(puller.count("refused_requests", "otlp_metrics", "encoding"), 1);
}
