//! What gRPC puts around an OTLP message, and how it tells of errors
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use std::fmt::Write;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use prost::Message as _;

/// Bytes before a message: whether it is compressed, and its length.
pub const PREFIX_BYTES: usize = 5;

/// A message with its prefix, not compressed. A message without bytes is one without fields.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// The one message of a unary call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whether it is compressed, as the headers say.
    pub is_compressed: bool,
    /// The message.
    pub bytes: &'a [u8],
}

/// Why bytes are not one message with its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than a prefix.
    #[error("request of {0} bytes has no message: a prefix of 5 bytes comes first")]
    NoPrefix(usize),
    /// The first byte is neither 0 nor 1.
    #[error("the first byte of a message is {0}: 0 stands for plain, 1 for compressed")]
    Flag(u8),
    /// The prefix announces another length.
    #[error("a message of {announced} bytes is announced, {received} came")]
    Length {
        /// What the prefix says.
        announced: u32,
        /// What came after it.
        received: usize,
    },
}

/// The message in a unary call's body.
///
/// # Errors
/// [`FrameError`]
pub fn message(body: &[u8]) -> Result<Message<'_>, FrameError> {
    let (prefix, bytes) = body.split_first_chunk::<PREFIX_BYTES>().ok_or(FrameError::NoPrefix(body.len()))?;
    let [flag, length @ ..] = *prefix;
    if flag > 1 {
        return Err(FrameError::Flag(flag));
    }
    let announced = u32::from_be_bytes(length);
    if usize::try_from(announced) != Ok(bytes.len()) {
        return Err(FrameError::Length { announced, received: bytes.len() });
    }
    Ok(Message { is_compressed: flag == 1, bytes })
}

/// A `grpc-message`: what is not printable ASCII, and `%`, as `%XX`.
#[must_use]
pub fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        let _ = match byte {
            b' '..=b'~' if byte != b'%' => encoded.write_char(byte.into()),
            _ => write!(encoded, "%{byte:02X}"),
        };
    }
    encoded
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// A `google.rpc.Code`.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// More, for programs.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Detail {
    /// What it is.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// A `grpc-status-details-bin` that asks to try again after so many seconds, which is how OTLP tells an overload that will
/// pass (<https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-throttling>).
#[must_use]
pub fn retry_info(code: u8, message: &str, seconds: u8) -> String {
    // RetryInfo has a Duration in field 1, which has seconds in field 1. A number below 128 is its own encoding.
    let value = vec![0x0a, 2, 0x08, seconds.min(0x7f)];
    let details = vec![Detail { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value }];
    let status = Status { code: code.into(), message: message.to_owned(), details };
    BASE64_STANDARD_NO_PAD.encode(status.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_message_of_the_length_that_it_announces() {
        assert_eq!(message(b"\0\0\0\0\x03abc"), Ok(Message { is_compressed: false, bytes: b"abc" }));
        assert_eq!(message(b"\x01\0\0\0\0"), Ok(Message { is_compressed: true, bytes: b"" }));
        assert_eq!(message(b"\0\0\0\0"), Err(FrameError::NoPrefix(4)));
        assert_eq!(message(b"\x02\0\0\0\0"), Err(FrameError::Flag(2)));
        let other_length = |announced, received| Err(FrameError::Length { announced, received });
        assert_eq!(message(b"\0\0\0\0\x03ab"), other_length(3, 2));
        assert_eq!(message(b"\0\0\0\0\x01a\0\0\0\0\x01b"), other_length(1, 7), "two messages");
        assert_eq!(message(b"\0\xff\xff\xff\xffab"), other_length(u32::MAX, 2));
    }

    #[test]
    fn what_is_framed_is_one_message() {
        for bytes in [&b""[..], b"abc"] {
            assert_eq!(message(&framed(bytes)), Ok(Message { is_compressed: false, bytes }));
        }
    }

    #[test]
    fn a_message_is_printable_whatever_is_in_it() {
        assert_eq!(percent_encoded("a b~\n\"100 %\" größe"), "a b~%0A\"100 %25\" gr%C3%B6%C3%9Fe");
    }

    #[test]
    fn retry_info_is_a_status_with_a_delay() {
        let bytes = BASE64_STANDARD_NO_PAD.decode(retry_info(14, "later", 1)).unwrap();
        let status = Status::decode(&bytes[..]).unwrap();
        assert_eq!((status.code, status.message.as_str(), status.details.len()), (14, "later", 1));
        assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(status.details[0].value, [0x0a, 2, 0x08, 1]);
    }
}
