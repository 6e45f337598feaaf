//! Undoes the compression of what senders send, within a limit: a small body that unpacks to a large one costs no more
//! memory than the limit.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A compression that is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP and gRPC call `deflate`.
    Zlib,
    /// RFC 8878.
    Zstd,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// It unpacks to more than the limit.
    #[error("it unpacks to more than the limit")]
    TooLarge,
    /// It is not in this form, or is cut off.
    #[error("body of {bytes} bytes is not {}: {why}", encoding.name())]
    Malformed {
        /// The form that it should have.
        encoding: Encoding,
        /// How long it is.
        bytes: usize,
        /// What is wrong.
        why: String,
    },
}

impl Encoding {
    /// All that are received, as HTTP's `Accept-Encoding` and gRPC's `grpc-accept-encoding` list them.
    pub const NAMES: &str = "gzip, deflate, zstd";

    /// By its name in HTTP's `Content-Encoding` or gRPC's `grpc-encoding`. `None` if it is not received.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let names =
            [("gzip", Self::Gzip), ("x-gzip", Self::Gzip), ("deflate", Self::Zlib), ("zstd", Self::Zstd)];
        names.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| encoding)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "deflate (zlib)",
            Self::Zstd => "zstd",
        }
    }
}

/// What `body` unpacks to, which is `limit` bytes at most. One zstd frame is a body, and any number of gzip members.
///
/// # Errors
/// [`DecompressError`]
pub fn decompress(encoding: Encoding, body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let unpacked = match encoding {
        Encoding::Gzip => read(MultiGzDecoder::new(body), limit),
        Encoding::Zlib => read(ZlibDecoder::new(body), limit),
        Encoding::Zstd => zstd(body, limit),
    };
    let unpacked = unpacked.map_err(|why| DecompressError::Malformed { encoding, bytes: body.len(), why })?;
    unpacked.filter(|unpacked| unpacked.len() <= limit).ok_or(DecompressError::TooLarge)
}

/// Reads to the end, or one byte too many.
fn read(decoder: impl Read, limit: usize) -> Result<Option<Vec<u8>>, String> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
    Ok(Some(unpacked))
}

/// The decoder takes memory for what it has unpacked, whatever window the frame announces.
fn zstd(mut body: &[u8], limit: usize) -> Result<Option<Vec<u8>>, String> {
    let mut decoder = FrameDecoder::new();
    decoder.init(&mut body).map_err(|error| error.to_string())?;
    let most = BlockDecodingStrategy::UptoBytes(limit.saturating_add(1));
    decoder.decode_blocks(&mut body, most).map_err(|error| error.to_string())?;
    if decoder.is_finished() && !body.is_empty() {
        return Err("bytes come after the frame's end".to_owned());
    }
    Ok(if decoder.is_finished() { decoder.collect() } else { None })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn compressed(encoding: Encoding, plain: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zstd => compress_to_vec(plain, CompressionLevel::Fastest),
        }
    }

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Zlib, Encoding::Zstd];

    #[test]
    fn a_body_is_unpacked_up_to_its_limit_and_no_further() {
        let plain: Vec<u8> = (0..30_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for encoding in ALL {
            for plain in [&plain[..], b"", b"a"] {
                let packed = compressed(encoding, plain);
                assert_eq!(decompress(encoding, &packed, plain.len()).unwrap(), plain, "{encoding:?}");
            }
            let packed = compressed(encoding, &plain);
            for limit in [0, 1, 1000, plain.len() - 1] {
                let error = decompress(encoding, &packed, limit).unwrap_err();
                assert!(matches!(error, DecompressError::TooLarge), "{encoding:?} {limit}: {error}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_or_is_another_form_is_malformed() {
        for encoding in ALL {
            let packed = compressed(encoding, &[7; 5000]);
            for end in 0..packed.len() {
                let error = decompress(encoding, &packed[..end], 10_000).unwrap_err();
                assert!(matches!(error, DecompressError::Malformed { .. }), "{encoding:?} {end}: {error}");
            }
            for other in ALL.into_iter().filter(|other| *other != encoding) {
                let error = decompress(other, &packed, 10_000).unwrap_err().to_string();
                assert!(error.contains(&format!("bytes is not {}: ", other.name())), "{error}");
            }
            let trailed = [&packed[..], b"x"].concat();
            assert!(
                encoding == Encoding::Zlib || decompress(encoding, &trailed, 10_000).is_err(),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn gzip_may_come_in_several_members() {
        let both = [compressed(Encoding::Gzip, b"one "), compressed(Encoding::Gzip, b"two")].concat();
        assert_eq!(decompress(Encoding::Gzip, &both, 7).unwrap(), b"one two");
        assert!(matches!(decompress(Encoding::Gzip, &both, 6), Err(DecompressError::TooLarge)));
    }

    #[test]
    fn names_are_those_of_http() {
        for name in Encoding::NAMES.split(", ") {
            assert!(Encoding::by_name(&name.to_uppercase()).is_some(), "{name}");
        }
        assert_eq!(Encoding::by_name("br"), None);
    }
}
