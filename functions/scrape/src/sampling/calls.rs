//! GetSamplingRules and GetSamplingTargets, each tried until it is answered or its time is over.

use aws_config::SdkConfig;
use bytes::Bytes;
use http::{Uri, uri::InvalidUri};
use serde::de::DeserializeOwned;
use siphon_core::{
    remote_write::Verdict,
    wire::{MAX_RULES_BYTES, SamplingStatistics},
    xray::{
        self, HEADERS, error_code,
        sampling::{RULES_PATH, RulesAnswer, TARGETS_PATH, TargetsAnswer, rules_body, targets_body},
    },
};

use crate::{
    clients::HttpsClient,
    post::{Answer, Outcome, PostError, Poster},
    time::Deadline,
    traces::SERVICE,
};

/// Why X-Ray has said nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("X-Ray did not answer in time: {0}")]
    OutOfTime(String),
    #[error(
        "X-Ray refuses this function: {0}; check that the role allows xray:GetSamplingRules and xray:GetSamplingTargets"
    )]
    Misconfigured(String),
    /// It will always refuse this call.
    #[error("X-Ray refused what a call says: {0}")]
    Invalid(String),
    /// Throttled, as a rule.
    #[error("X-Ray refused a call: {answer}")]
    Refused { reason: String, answer: String },
    #[error("X-Ray's answer can't be read")]
    Unreadable(#[source] serde_json::Error),
    #[error("all rules together are over {MAX_RULES_BYTES} bytes")]
    TooLarge,
}

impl CallError {
    /// The name in the report.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::OutOfTime(_) => "unavailable".to_owned(),
            Self::Misconfigured(_) => "misconfigured".to_owned(),
            Self::Invalid(_) => "invalid".to_owned(),
            Self::Refused { reason, .. } => reason.clone(),
            Self::Unreadable(_) => "unreadable".to_owned(),
            Self::TooLarge => "rules_too_large".to_owned(),
        }
    }
}

impl From<PostError> for CallError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::OutOfTime(problem) => Self::OutOfTime(problem),
            PostError::Misconfigured(problem) | PostError::Unsupported(problem) => {
                Self::Misconfigured(problem)
            }
        }
    }
}

/// Both calls.
pub(super) struct Calls {
    rules: Poster,
    targets: Poster,
}

impl Calls {
    pub(super) fn new(
        client: &HttpsClient,
        endpoint: impl Fn(&str) -> Result<Uri, InvalidUri>,
        aws: &SdkConfig,
    ) -> Result<Option<Self>, InvalidUri> {
        let (rules, targets) = (endpoint(RULES_PATH)?, endpoint(TARGETS_PATH)?);
        let poster = |endpoint| Poster::new(client.clone(), endpoint, SERVICE, verdict, aws);
        let rules = poster(rules).map(|poster| poster.reading(MAX_RULES_BYTES));
        Ok(rules.zip(poster(targets)).map(|(rules, targets)| Self { rules, targets }))
    }

    pub(super) async fn rules(
        &self,
        token: Option<&str>,
        deadline: Deadline,
    ) -> Result<RulesAnswer, CallError> {
        call(&self.rules, rules_body(token).into(), deadline).await
    }

    /// `statistics` are one client's.
    pub(super) async fn targets(
        &self,
        statistics: &[SamplingStatistics],
        deadline: Deadline,
    ) -> Result<TargetsAnswer, CallError> {
        let body = targets_body(statistics).map_err(|error| CallError::Misconfigured(error.to_string()))?;
        call(&self.targets, body.into(), deadline).await
    }
}

async fn call<T: DeserializeOwned>(poster: &Poster, body: Bytes, deadline: Deadline) -> Result<T, CallError> {
    let judged = poster.post(&HEADERS, body, deadline).await?;
    if judged.outcome == Outcome::Stored {
        return serde_json::from_slice(judged.answer.body()).map_err(CallError::Unreadable);
    }
    let code = error_code(judged.answer.header("x-amzn-errortype"), judged.answer.body());
    // As of segments: what would go in parts is bad in itself.
    if xray::verdict(judged.answer.status().as_u16(), None, &code, judged.answer.body()) == Verdict::Split {
        return Err(CallError::Invalid(judged.answer.to_string()));
    }
    let reason = if code.is_empty() { judged.answer.status().as_str().to_owned() } else { code };
    Err(CallError::Refused { reason, answer: judged.answer.to_string() })
}

/// A refusal is not tried again: the next scrape asks anew, and the agent has an answer until then.
fn verdict(answer: &Answer) -> Verdict {
    match answer.status().as_u16() {
        200..=299 => Verdict::Stored,
        401 | 403 => Verdict::Misconfigured,
        _ => Verdict::Rejected,
    }
}
