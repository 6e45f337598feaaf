//! What the receiver says.

use std::fmt;

use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use siphon_core::remote_write::{Verdict, verdict};
use tracing::warn;

/// Bytes of the text that are read and logged.
const SHOWN_BYTES: usize = 512;

/// One answer. Its text is for people: decisions rest on the status alone.
pub(super) struct Answer {
    status: StatusCode,
    retry_after: Option<String>,
    text: String,
}

impl Answer {
    /// Reads no more of the body than is shown.
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let mut bytes = Vec::new();
        while bytes.len() < SHOWN_BYTES {
            let Some(Ok(frame)) = body.frame().await else { break };
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        bytes.truncate(SHOWN_BYTES);
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        Self { status: head.status, retry_after: retry_after.map(str::to_owned), text }
    }

    pub(super) fn verdict(&self) -> Verdict {
        verdict(self.status.as_u16(), self.retry_after.as_deref())
    }

    pub(super) fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }

    pub(super) fn doubts_credentials(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// Logs the rejection of `samples` and names it. After an attempt that may have been stored, the receiver may only
    /// be saying that it knows these samples.
    pub(super) fn rejection(&self, may_be_stored: bool, samples: usize) -> String {
        let reason = format!("{}{}", self.status.as_str(), if may_be_stored { "_or_stored" } else { "" });
        warn!(reason, samples, text = self.text, "Prometheus refused samples for good");
        reason
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}: {}", self.status.as_u16(), self.text)
    }
}
