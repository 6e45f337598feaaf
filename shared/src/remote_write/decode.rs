//! Bodies to messages, as a receiver reads them.

/// A body is not a remote-write request.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Refused before anything was decompressed.
    #[error("remote-write body says that it holds {declared} bytes, more than the limit of {max}")]
    TooLarge {
        /// What the body says of itself.
        declared: usize,
        /// The limit.
        max: usize,
    },
    /// Not a snappy block.
    #[error("remote-write body is not a snappy block: {0}")]
    Snappy(#[source] snap::Error),
    /// Not the message.
    #[error("remote-write body is not the message that it should be: {0}")]
    Protobuf(#[source] prost::DecodeError),
    /// The message breaks a rule of version 2.0.
    #[error("remote-write 2.0: {problem}, series {series}")]
    Series {
        /// Place of the series in the request, from 0.
        series: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The symbol table of a request of version 2.0 does not begin with the empty string.
    #[error("remote-write 2.0: symbol 0 is not the empty string")]
    Symbols,
}

/// Reads a message from a snappy block of at most `max_decoded` bytes. The length that the block declares is checked
/// before anything is decompressed.
pub(super) fn message<M: prost::Message + Default>(
    body: &[u8],
    max_decoded: usize,
) -> Result<M, DecodeError> {
    let declared = snap::raw::decompress_len(body).map_err(DecodeError::Snappy)?;
    if declared > max_decoded {
        return Err(DecodeError::TooLarge { declared, max: max_decoded });
    }
    let message = snap::raw::Decoder::new().decompress_vec(body).map_err(DecodeError::Snappy)?;
    M::decode(message.as_slice()).map_err(DecodeError::Protobuf)
}
