//! Signed POSTs: the same bytes again, until the receiver has judged them, refuses us, or time is over.

mod answer;
mod credentials;
mod signature;

use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy;
use siphon_core::remote_write::Verdict;
use tokio::time::timeout_at;
use tracing::info;

use crate::{
    backoff::Backoff,
    clients::HttpsClient,
    describe,
    time::{Deadline, now},
};
pub use answer::Answer;
use signature::Signer;

/// For one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of an answer that are read, unless the poster is told otherwise.
const READ_BYTES: usize = 65_536;

/// Names this sender to the receiver.
const USER_AGENT: &str = concat!("siphon-scrape/", env!("CARGO_PKG_VERSION"));

/// Why the receiver has not judged the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum PostError {
    /// It could not, in time. They may be stored.
    OutOfTime(String),
    /// It refuses us, not them.
    Misconfigured(String),
    /// It doesn't know what they are: status 415.
    Unsupported(String),
}

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored.
    Stored,
    /// Refused as they are; in parts they may be stored.
    Split,
    /// Refused for good.
    Rejected,
}

/// A judgement.
pub struct Judged {
    /// In a word.
    pub outcome: Outcome,
    /// In full.
    pub answer: Answer,
    /// Whether an attempt before may have been stored.
    pub may_be_stored: bool,
}

/// Where to, and as whom.
pub struct Poster {
    client: HttpsClient,
    endpoint: Uri,
    signer: Signer,
    verdict: fn(&Answer) -> Verdict,
    read_bytes: usize,
}

/// Headers of a request, besides those that every request has.
pub type Headers = &'static [(&'static str, &'static str)];

impl Poster {
    /// Posts to `endpoint`, an address of the AWS `service` (its signing name), with the region and credentials of `aws`,
    /// and judges answers by `verdict`. `None` if `aws` lacks either.
    #[must_use]
    pub fn new(
        client: HttpsClient,
        endpoint: Uri,
        service: &'static str,
        verdict: fn(&Answer) -> Verdict,
        aws: &SdkConfig,
    ) -> Option<Self> {
        Some(Self { client, endpoint, signer: Signer::new(service, aws)?, verdict, read_bytes: READ_BYTES })
    }

    /// Reads so many bytes of an answer.
    #[must_use]
    pub fn reading(self, read_bytes: usize) -> Self {
        Self { read_bytes, ..self }
    }

    /// Posts until `body` is judged.
    ///
    /// # Errors
    /// [`PostError`]
    pub async fn post(&self, headers: Headers, body: Bytes, deadline: Deadline) -> Result<Judged, PostError> {
        let mut backoff = Backoff::new(deadline);
        let mut may_be_stored = false;
        let mut renewed = false;
        loop {
            let (problem, asked) = match self.attempt(headers, &body, backoff.retries(), deadline).await {
                Err(AttemptError::Setup(problem)) => return Err(PostError::Misconfigured(problem)),
                Err(AttemptError::NoAnswer { problem, sent }) => {
                    may_be_stored |= sent;
                    (problem, None)
                }
                Ok(answer) => {
                    let judged = |outcome, answer| Ok(Judged { outcome, answer, may_be_stored });
                    match (self.verdict)(&answer) {
                        Verdict::Stored => return judged(Outcome::Stored, answer),
                        Verdict::Split => return judged(Outcome::Split, answer),
                        Verdict::Rejected => return judged(Outcome::Rejected, answer),
                        // Credentials may have been renewed behind our back: read them once more.
                        Verdict::Misconfigured if answer.doubts_credentials() && !renewed => {
                            renewed = true;
                            self.signer.forget_credentials().await;
                            continue;
                        }
                        Verdict::Misconfigured if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                            return Err(PostError::Unsupported(answer.to_string()));
                        }
                        Verdict::Misconfigured => return Err(PostError::Misconfigured(answer.to_string())),
                        Verdict::Retry { after } => {
                            may_be_stored |= answer.is_server_error();
                            (answer.to_string(), after.map(|after| after.wait(now())))
                        }
                    }
                }
            };
            if !backoff.wait(asked).await {
                return Err(PostError::OutOfTime(problem));
            }
            info!(retries = backoff.retries(), host = self.endpoint.host(), problem, "sending again");
        }
    }

    async fn attempt(
        &self,
        headers: Headers,
        body: &Bytes,
        retries: u32,
        deadline: Deadline,
    ) -> Result<Answer, AttemptError> {
        let request = self.request(headers, body, retries).await?;
        let end = deadline.at().min(Deadline::after(ATTEMPT_TIMEOUT).at());
        let exchange = async {
            let response = self.client.request(request).await?;
            Ok::<_, AttemptError>(Answer::read(response, self.read_bytes).await?)
        };
        match timeout_at(end, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(AttemptError::NoAnswer { sent: true, problem: "no answer in time".to_owned() }),
        }
    }

    async fn request(
        &self,
        headers: Headers,
        body: &Bytes,
        retries: u32,
    ) -> Result<Request<Full<Bytes>>, AttemptError> {
        let setup = |error: &dyn std::fmt::Display| AttemptError::Setup(error.to_string());
        let mut request = Request::builder().method(Method::POST).uri(&self.endpoint);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        request = request.header(header::USER_AGENT, USER_AGENT);
        if retries > 0 {
            request = request.header("retry-attempt", retries); // remote write knows it, others need not
        }
        let mut request = request.body(Full::new(body.clone())).map_err(|error| setup(&error))?;
        self.signer.sign(&mut request, body).await.map_err(|error| setup(&error))?;
        Ok(request)
    }
}

/// Why an attempt got no answer.
enum AttemptError {
    /// The request could not be made.
    Setup(String),
    /// It may have got there if it was `sent`.
    NoAnswer { problem: String, sent: bool },
}

impl From<legacy::Error> for AttemptError {
    fn from(error: legacy::Error) -> Self {
        Self::NoAnswer { sent: !error.is_connect(), problem: describe(&error) }
    }
}

impl From<hyper::Error> for AttemptError {
    fn from(error: hyper::Error) -> Self {
        Self::NoAnswer { sent: true, problem: format!("the answer broke off: {}", describe(&error)) }
    }
}
