//! What surrounds an OTLP message: gRPC's prefix, and compression. The prefix's first byte tells which one, so that one target
//! reaches all: 0 is plain, 1 gzip, 2 zlib, 3 zstd.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use siphon_core::{
    compression::{DecompressError, Encoding, decompress},
    otlp::grpc::{message, percent_encoded},
};

use crate::seeds::golden;

const LIMIT: usize = 1 << 18;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some((selector, rest)) = bytes.split_first() else { return false };
    let body = [&[u8::from(*selector > 0)], rest].concat();
    let message = match message(&body) {
        Ok(message) => message,
        Err(error) => {
            assert!(percent_encoded(&error.to_string()).is_ascii());
            return false;
        }
    };
    assert_eq!(message.bytes, rest.get(4..).unwrap_or_default());
    let encoding = match selector {
        0 => return !message.is_compressed,
        1 => Encoding::Gzip,
        2 => Encoding::Zlib,
        _ => Encoding::Zstd,
    };
    let unpacked = decompress(encoding, message.bytes, LIMIT);
    match &unpacked {
        Ok(unpacked) => {
            assert!(unpacked.len() <= LIMIT);
            let again = decompress(encoding, message.bytes, unpacked.len());
            assert!(again.is_ok_and(|again| again == *unpacked));
            let less = unpacked.len().checked_sub(1).map(|less| decompress(encoding, message.bytes, less));
            assert!(less.is_none_or(|less| matches!(less, Err(DecompressError::TooLarge))));
        }
        Err(error) => assert!(percent_encoded(&error.to_string()).is_ascii()),
    }
    unpacked.is_ok()
}

fn framed(selector: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a seed is small").to_be_bytes();
    [&[selector], &length[..], message].concat()
}

/// Golden requests in each form.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let forms = |(name, plain): (String, Vec<u8>)| {
        let zstd = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
        [
            (format!("{name}-plain"), framed(0, &plain)),
            (format!("{name}-gzip"), framed(1, &gzip(&plain))),
            (format!("{name}-zlib"), framed(2, &zlib(&plain))),
            (format!("{name}-zstd"), framed(3, &zstd)),
        ]
    };
    golden("traces", ".pb").into_iter().take(12).flat_map(forms).collect()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes all")
}
