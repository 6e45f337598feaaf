//! Writes spans to X-Ray's OTLP endpoint, signed, until they are stored, refused, or time is over.

use aws_config::SdkConfig;
use http::Uri;
use siphon_core::xray::otlp::{HEADERS, Span, body, partial_success, verdict};
use tracing::{info, warn};

use super::{PutError, SERVICE};
use crate::{
    clients::HttpsClient,
    post::{Answer, Outcome, Poster},
    report::Tally,
    time::Deadline,
};

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
