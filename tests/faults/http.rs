//! HTTP/1.1 on a bare stream. The suite breaks connections at any byte, which no library lets it do.

use std::io::{Error, ErrorKind, Result};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A request or an answer.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// From the first line to the empty one.
    head: String,
    pub(crate) body: Bytes,
}

impl Message {
    /// A POST of `body`.
    pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self::new(&format!("POST {path} HTTP/1.1"), headers, body.into())
    }

    pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self::new(&format!("HTTP/1.1 {status} Told"), headers, body.into())
    }

    fn new(first: &str, headers: &[(&str, &str)], body: Bytes) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self { head: format!("{first}\r\n{headers}content-length: {}\r\n\r\n", body.len()), body }
    }

    /// Reads the next message. What comes behind it stays in `buffer`.
    ///
    /// # Errors
    /// The stream ends or breaks before the message is whole.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<Self> {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8_lossy(&buffer.split_to(end + 4)).into_owned();
            }
            more(stream, buffer).await?;
        };
        let mut message = Self { head, body: Bytes::new() };
        let length = message.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while buffer.len() < length {
            more(stream, buffer).await?;
        }
        message.body = buffer.split_to(length).freeze();
        Ok(message)
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// All headers, for who wants them parsed.
    pub(crate) fn headers(&self) -> HeaderMap {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let parsed = fields.filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        parsed.collect()
    }

    /// Puts `value` in the place of a header's.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        let replaced = self.head.lines().map(|line| match line.split_once(':') {
            Some((field, _)) if field.eq_ignore_ascii_case(name) => format!("{field}: {value}\r\n"),
            _ => format!("{line}\r\n"),
        });
        self.head = replaced.collect();
    }

    /// A request's path.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// An answer's status.
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

async fn more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(Error::new(ErrorKind::UnexpectedEof, "closed within a message")),
        _ => Ok(()),
    }
}
