//! The secret in AWS Secrets Manager: GetSecretValue, of the current version and of the one before it.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use aws_config::SdkConfig;
use http::{Uri, uri::InvalidUri};
use serde::Deserialize;
use serde_json::json;
use siphon_core::{
    remote_write::Verdict,
    wire::{Keys, signature::Key},
    xray::error_code,
};
use tracing::warn;

use crate::{
    clients::{HttpsClient, endpoint},
    post::{Answer, Headers, Outcome, PostError, Poster},
    time::Deadline,
};

/// AWS Secrets Manager, as signatures and endpoints name it.
const SERVICE: &str = "secretsmanager";

const HEADERS: Headers =
    &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];

/// The code of an answer that a version, or the whole secret, does not exist.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Why there are no keys. Quotes nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No answer in time.
    #[error(
        "AWS Secrets Manager did not answer in time: {0}; do the function's subnets have a way to it (interface endpoint \
         secretsmanager, or a NAT gateway)?"
    )]
    OutOfTime(String),
    /// The call is refused.
    #[error(
        "AWS Secrets Manager refuses the key's secret: {0}; check SIPHON_KEY_SECRET_ARN, and that the role allows \
         secretsmanager:GetSecretValue on it"
    )]
    Refused(String),
    /// The answer is none.
    #[error("AWS Secrets Manager's answer can't be read")]
    Unreadable,
    /// The secret is no key.
    #[error("version {0} of the key's secret is no key; as its text is expected: {accepted}", accepted = Key::ACCEPTED)]
    NoKey(&'static str),
}

impl From<PostError> for SecretError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::OutOfTime(problem) => Self::OutOfTime(problem),
            PostError::Misconfigured(problem) | PostError::Unsupported(problem) => Self::Refused(problem),
        }
    }
}

/// One secret, whose text is a key.
pub(super) struct Secret {
    poster: Poster,
    arn: String,
}

#[derive(Deserialize)]
struct SecretValue {
    #[serde(rename = "SecretString")]
    text: String,
}

impl Secret {
    /// The secret `arn`, fetched with the region and credentials of `aws`, `None` if it lacks either, at the `given`
    /// address or the one that `aws` gives.
    pub(super) fn new(
        client: HttpsClient,
        arn: &str,
        given: Option<&str>,
        aws: &SdkConfig,
    ) -> Result<Option<Self>, InvalidUri> {
        let endpoint: Uri = endpoint(aws, SERVICE, given, "/")?;
        let poster = Poster::new(client, endpoint, SERVICE, verdict, aws);
        Ok(poster.map(|poster| Self { poster, arn: arn.to_owned() }))
    }

    /// Today's key, and the one before it, which agents that started before a rotation still have.
    pub(super) async fn fetch(&self, deadline: Deadline) -> Result<Keys, SecretError> {
        let current = self.version("AWSCURRENT", deadline).await?;
        let current = current.ok_or_else(|| SecretError::Refused(NOT_FOUND.to_owned()))?;
        let previous = match self.version("AWSPREVIOUS", deadline).await {
            Err(error @ SecretError::NoKey(_)) => {
                warn!(%error, "agents that have it can't be pulled");
                None
            }
            previous => previous?,
        };
        Ok(Keys::new(current, previous))
    }

    /// None if there is no such version.
    async fn version(&self, stage: &'static str, deadline: Deadline) -> Result<Option<Key>, SecretError> {
        let body = json!({ "SecretId": self.arn, "VersionStage": stage }).to_string();
        let judged = self.poster.post(HEADERS, body.into(), deadline).await?;
        let answer = judged.answer;
        if judged.outcome == Outcome::Stored {
            // The error would quote the secret.
            let value: SecretValue =
                serde_json::from_slice(answer.body()).map_err(|_| SecretError::Unreadable)?;
            return Key::from_hex(value.text.trim()).map(Some).map_err(|_| SecretError::NoKey(stage));
        }
        match error_code(answer.header("x-amzn-errortype"), answer.body()).as_str() {
            NOT_FOUND => Ok(None),
            _ => Err(SecretError::Refused(answer.to_string())),
        }
    }
}

fn verdict(answer: &Answer) -> Verdict {
    let throttled = || error_code(answer.header("x-amzn-errortype"), answer.body()).contains("Throttl");
    match answer.status().as_u16() {
        200..=299 => Verdict::Stored,
        500.. => Verdict::Retry { after: None },
        _ if throttled() => Verdict::Retry { after: None },
        _ => Verdict::Rejected,
    }
}
