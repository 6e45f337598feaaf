//! Writes to Amazon Managed Prometheus: remote write 1.0, signed, until it is stored, refused, or time is over.

mod answer;
mod credentials;
mod signature;
mod split;

use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy;
use siphon_core::remote_write::{self, HEADERS, Verdict};
use tokio::time::timeout_at;
use tracing::info;

use crate::{backoff::Backoff, clients::HttpsClient, describe, report::Tally, time::Deadline};
use answer::Answer;
use signature::Signer;

/// For one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Names this sender to the receiver.
const USER_AGENT: &str = concat!("siphon-scrape/", env!("CARGO_PKG_VERSION"));

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

/// The sender.
pub struct Amp {
    client: HttpsClient,
    endpoint: Uri,
    signer: Signer,
}

impl Amp {
    /// Sends to `endpoint` with the region and credentials of `aws`; `None` if `aws` lacks either.
    #[must_use]
    pub fn new(client: HttpsClient, endpoint: Uri, aws: &SdkConfig) -> Option<Self> {
        Some(Self { client, endpoint, signer: Signer::new(aws)? })
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
            match self.write_part(&part, deadline).await? {
                Outcome::Stored => tally.samples += part.samples as u64,
                Outcome::Rejected(reason) => tally.samples_rejected.add(reason, part.samples as u64),
                Outcome::TooLarge => match split::halves(&part) {
                    Some((first, second)) => parts.extend([second, first]), // the first is popped first
                    None => tally.samples_rejected.add("413", part.samples as u64),
                },
            }
        }
        Ok(())
    }

    async fn write_part(
        &self,
        part: &remote_write::Request,
        deadline: Deadline,
    ) -> Result<Outcome, WriteError> {
        let body = Bytes::copy_from_slice(&part.body);
        let mut backoff = Backoff::new(deadline);
        let mut may_be_stored = false;
        let mut renewed = false;
        loop {
            let (problem, asked) = match self.attempt(&body, backoff.retries(), deadline).await {
                Err(AttemptError::Setup(problem)) => return Err(WriteError::Misconfigured(problem)),
                Err(AttemptError::NoAnswer { problem, sent }) => {
                    may_be_stored |= sent;
                    (problem, None)
                }
                Ok(answer) => match answer.verdict() {
                    Verdict::Stored => return Ok(Outcome::Stored),
                    Verdict::Split => return Ok(Outcome::TooLarge),
                    Verdict::Rejected => {
                        return Ok(Outcome::Rejected(answer.rejection(may_be_stored, part.samples)));
                    }
                    // Credentials may have been renewed behind our back: read them once more.
                    Verdict::Misconfigured if answer.doubts_credentials() && !renewed => {
                        renewed = true;
                        self.signer.forget_credentials().await;
                        continue;
                    }
                    Verdict::Misconfigured => return Err(WriteError::Misconfigured(answer.to_string())),
                    Verdict::Retry { after } => {
                        may_be_stored |= answer.is_server_error();
                        (answer.to_string(), after)
                    }
                },
            };
            if !backoff.wait(asked).await {
                return Err(WriteError::OutOfTime(problem));
            }
            info!(retries = backoff.retries(), problem, "writing to Prometheus again");
        }
    }

    async fn attempt(&self, body: &Bytes, retries: u32, deadline: Deadline) -> Result<Answer, AttemptError> {
        let request = self.request(body, retries).await?;
        let end = deadline.at().min(Deadline::after(ATTEMPT_TIMEOUT).at());
        let exchange = async { Ok(Answer::read(self.client.request(request).await?).await) };
        match timeout_at(end, exchange).await {
            Ok(answer) => answer.map_err(|error: legacy::Error| AttemptError::NoAnswer {
                sent: !error.is_connect(),
                problem: describe(&error),
            }),
            Err(_) => Err(AttemptError::NoAnswer { sent: true, problem: "no answer in time".to_owned() }),
        }
    }

    async fn request(&self, body: &Bytes, retries: u32) -> Result<Request<Full<Bytes>>, AttemptError> {
        let setup = |error: &dyn std::fmt::Display| AttemptError::Setup(error.to_string());
        let mut request = Request::builder().method(Method::POST).uri(&self.endpoint);
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        request = request.header(header::USER_AGENT, USER_AGENT);
        if retries > 0 {
            request = request.header("retry-attempt", retries);
        }
        let mut request = request.body(Full::new(body.clone())).map_err(|error| setup(&error))?;
        self.signer.sign(&mut request, body).await.map_err(|error| setup(&error))?;
        Ok(request)
    }
}

/// What became of a part.
enum Outcome {
    Stored,
    Rejected(String),
    TooLarge,
}

/// Why an attempt got no answer.
enum AttemptError {
    /// The request could not be made.
    Setup(String),
    /// It may have got there if it was `sent`.
    NoAnswer { problem: String, sent: bool },
}
