//! Writes spans to X-Ray's OTLP endpoint, signed, until they are stored, refused, or time is over.

use aws_config::SdkConfig;
use http::{Uri, uri::InvalidUri};
use siphon_core::xray::otlp::{HEADERS, Span, body, partial_success, verdict};
use tracing::{info, warn};

use super::PutError;
use crate::{
    clients::HttpsClient,
    post::{Answer, Outcome, Poster},
    report::Tally,
    time::Deadline,
};

/// X-Ray, as signatures name it.
const SERVICE: &str = "xray";

/// Where the endpoint is on X-Ray's address.
const PATH: &str = "/v1/traces";

/// The most requests that may be refused on the way to what is bad in the spans of one.
const MOST_REFUSALS: usize = 64;

/// The sender.
pub struct Otlp {
    poster: Poster,
}

impl Otlp {
    /// Sends to `endpoint` with the region and credentials of `aws`; `None` if `aws` lacks either.
    #[must_use]
    pub fn new(client: HttpsClient, endpoint: Uri, aws: &SdkConfig) -> Option<Self> {
        let verdict = |answer: &Answer| {
            verdict(answer.status().as_u16(), answer.retry_after(), &String::from_utf8_lossy(answer.body()))
        };
        Some(Self { poster: Poster::new(client, endpoint, SERVICE, verdict, aws)? })
    }

    /// The endpoint of the region of `aws`, or on the address that the environment gives for all of AWS.
    ///
    /// # Errors
    /// If that is no address.
    pub fn endpoint(aws: &SdkConfig) -> Result<Uri, InvalidUri> {
        let region = aws.region().map_or("us-east-1", AsRef::as_ref);
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let address = aws.endpoint_url().map(|url| url.trim_end_matches('/').to_owned());
        let address = address.unwrap_or_else(|| format!("https://{SERVICE}.{region}.{suffix}"));
        format!("{address}{PATH}").parse()
    }

    /// Sends the spans of one request, in parts if X-Ray refuses the request for its content. Counts what is taken and
    /// what is refused for good.
    ///
    /// # Errors
    /// [`PutError`]: some may be taken, but all stay with the agent.
    pub async fn put(&self, spans: Vec<Span>, deadline: Deadline, tally: &mut Tally) -> Result<(), PutError> {
        let mut parts = vec![spans];
        let mut refusals = 0;
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let body = body(&part).map_err(|error| PutError::Misconfigured(error.to_string()))?;
            let judged = self.poster.post(&HEADERS, body.into(), deadline).await?;
            match judged.outcome {
                Outcome::Stored => stored(&part, &judged.answer, tally),
                Outcome::Split if part.len() > 1 && refusals < MOST_REFUSALS => {
                    refusals += 1;
                    let (spans, text) = (part.len(), judged.answer.text());
                    info!(spans, text, "X-Ray refused a request: sending it in halves");
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]); // the first is popped first
                }
                Outcome::Split | Outcome::Rejected => rejected(&part, &judged.answer, tally),
            }
        }
        Ok(())
    }
}

/// Counts spans of which the answer may leave out some.
fn stored(spans: &[Span], answer: &Answer, tally: &mut Tally) {
    let said = partial_success(answer.body()).unwrap_or_default();
    let left_out = u64::try_from(said.rejected_spans).unwrap_or(0).min(spans.len() as u64);
    if left_out > 0 || !said.error_message.is_empty() {
        warn!(spans = left_out, text = said.error_message, "X-Ray took a request but for some spans");
    }
    tally.spans += spans.len() as u64 - left_out;
    tally.spans_rejected.add("partial_success", left_out);
}

/// Counts spans that X-Ray refuses for good, and names the first.
fn rejected(spans: &[Span], answer: &Answer, tally: &mut Tally) {
    let (reason, text) = (answer.status().as_str().to_owned(), answer.text());
    if let Some(first) = spans.first().map(Span::named) {
        let (name, id, trace_id) = (first.name, first.id, first.trace_id);
        warn!(
            reason,
            text,
            spans = spans.len(),
            span_name = name,
            id,
            trace_id,
            "X-Ray refused spans for good"
        );
    }
    tally.spans_rejected.add(reason, spans.len() as u64);
}
