//! Writes to Amazon Managed Prometheus: remote write 1.0, signed, until it is stored, refused, or time is over.

mod split;

use aws_config::SdkConfig;
use bytes::Bytes;
use http::Uri;
use siphon_core::remote_write::{self, HEADERS, verdict};
use tracing::warn;

use crate::{
    clients::HttpsClient,
    post::{Judged, Outcome, PostError, Poster},
    report::Tally,
    time::Deadline,
};

/// Amazon Managed Prometheus, as signatures name it.
const SERVICE: &str = "aps";

/// Why samples are still with their agent. Refused samples are no error: they are counted, and gone.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The receiver did not take them in time. They are written again next time.
    #[error("Prometheus did not take the samples in time; the last attempt: {0}")]
    OutOfTime(String),
    /// The receiver refuses us, not the samples.
    #[error(
        "Prometheus refuses this function: {0}; check AWS_PROMETHEUS_ENDPOINT, AWS_REGION, and that the role allows \
         aps:RemoteWrite"
    )]
    Misconfigured(String),
}

impl From<PostError> for WriteError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::OutOfTime(problem) => Self::OutOfTime(problem),
            PostError::Misconfigured(problem) => Self::Misconfigured(problem),
        }
    }
}

/// The sender.
pub struct Amp {
    poster: Poster,
}

impl Amp {
    /// Sends to `endpoint` with the region and credentials of `aws`; `None` if `aws` lacks either. The status alone
    /// decides: the specification of remote write forbids to go by an answer's text.
    #[must_use]
    pub fn new(client: HttpsClient, endpoint: Uri, aws: &SdkConfig) -> Option<Self> {
        let poster = Poster::new(
            client,
            endpoint,
            SERVICE,
            &HEADERS,
            |answer| verdict(answer.status().as_u16(), answer.retry_after()),
            aws,
        );
        Some(Self { poster: poster? })
    }

    /// Writes one request, in parts if the receiver finds it too large. Counts what is stored and what is refused for
    /// good.
    ///
    /// # Errors
    /// [`WriteError`]: part of it may be stored, but all of it stays with the agent.
    pub async fn write(
        &self,
        request: remote_write::Request,
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Result<(), WriteError> {
        let mut parts = vec![request];
        while let Some(part) = parts.pop() {
            let samples = part.samples as u64;
            let judged = self.poster.post(Bytes::copy_from_slice(&part.body), deadline).await?;
            match judged.outcome {
                Outcome::Stored => tally.samples += samples,
                Outcome::Rejected => tally.samples_rejected.add(rejection(&judged, samples), samples),
                Outcome::Split => match split::halves(&part) {
                    Some((first, second)) => parts.extend([second, first]), // the first is popped first
                    None => tally.samples_rejected.add("413", samples),
                },
            }
        }
        Ok(())
    }
}

/// Logs the rejection of `samples` and names it. After an attempt that may have been stored, the receiver may only be
/// saying that it knows these samples.
fn rejection(judged: &Judged, samples: u64) -> String {
    let Judged { answer, may_be_stored, .. } = judged;
    let reason = format!("{}{}", answer.status().as_str(), if *may_be_stored { "_or_stored" } else { "" });
    warn!(reason, samples, text = answer.text(), "Prometheus refused samples for good");
    reason
}
