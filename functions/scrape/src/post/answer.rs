//! What a receiver says.

use std::fmt;

use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Bytes of it that are logged.
const SHOWN_BYTES: usize = 512;

/// One answer.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Reads no more of the body than `most` bytes.
    ///
    /// # Errors
    /// The body broke off. What its rest would have said may be that something is not stored.
    pub(super) async fn read(response: Response<Incoming>, most: usize) -> Result<Self, hyper::Error> {
        let (head, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        while body.len() < most {
            let Some(frame) = incoming.frame().await.transpose()? else { break };
            body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        body.truncate(most);
        Ok(Self { status: head.status, headers: head.headers, body })
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What the header of this name holds, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the header `Retry-After` holds.
    #[must_use]
    pub fn retry_after(&self) -> Option<&str> {
        self.header(header::RETRY_AFTER.as_str())
    }

    /// The beginning of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The beginning of the body, for a log.
    #[must_use]
    pub fn text(&self) -> String {
        let shown = self.body.get(..SHOWN_BYTES).unwrap_or(&self.body);
        String::from_utf8_lossy(shown).trim().to_owned()
    }

    pub(super) fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }

    pub(super) const fn doubts_credentials(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}: {}", self.status.as_u16(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Empty;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What is read of an answer whose connection ends after `text`.
    async fn read(text: &'static [u8]) -> Result<Answer, hyper::Error> {
        let (ours, mut theirs) = duplex(4096);
        tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 1024]).await;
            theirs.write_all(text).await.unwrap();
        });
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(Request::new(Empty::<Bytes>::new())).await.unwrap();
        Answer::read(response, 8).await
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_none_and_a_long_one_is_cut() {
        for broken in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"[..],
            b"HTTP/1.1 400 \r\ncontent-length: 6\r\n\r\nout",
        ] {
            assert!(read(broken).await.is_err());
        }
        let whole = read(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789").await.unwrap();
        assert_eq!(whole.body(), b"01234567");
    }
}
