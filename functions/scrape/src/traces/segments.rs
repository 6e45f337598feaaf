//! Writes segment documents: PutTraceSegments until each is taken, refused, or time is over.
//!
//! The call is made here and not by the AWS SDK, which copies every document twice on its way into the body, escapes it
//! byte by byte, and spends more on a call than translating its documents costs.

use std::collections::{HashMap, HashSet};

use aws_config::SdkConfig;
use http::Uri;
use siphon_core::xray::{Document, HEADERS, Unprocessed, body, error_code, renamed, unprocessed, verdict};
use tracing::{info, warn};

use super::{PutError, SERVICE};
use crate::{
    backoff::Backoff,
    clients::HttpsClient,
    post::{Answer, Outcome, Poster},
    report::Tally,
    time::Deadline,
};

/// The sender.
pub struct Segments {
    poster: Poster,
}

impl Segments {
    /// Sends to `endpoint` with the region and credentials of `aws`; `None` if `aws` lacks either.
    #[must_use]
    pub fn new(client: HttpsClient, endpoint: Uri, aws: &SdkConfig) -> Option<Self> {
        let verdict = |answer: &Answer| {
            verdict(answer.status().as_u16(), answer.retry_after(), &code(answer), answer.body())
        };
        Some(Self { poster: Poster::new(client, endpoint, SERVICE, verdict, aws)? })
    }

    /// Sends the documents of one call, in parts if X-Ray refuses the call for its content. A document that X-Ray refuses
    /// goes once more under a cleaned name, if that may be what X-Ray minds. Counts what is taken and what is refused for
    /// good.
    ///
    /// # Errors
    /// [`PutError`]: some may be taken, but all stay with the agent.
    pub async fn put(
        &self,
        documents: Vec<Document>,
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Result<(), PutError> {
        let mut backoff = Backoff::new(deadline);
        let mut parts = vec![documents];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let judged = self.poster.post(&HEADERS, body(&part).into(), deadline).await?;
            match judged.outcome {
                Outcome::Stored => {
                    let sorted = sort_out(part, &unprocessed(judged.answer.body()).unwrap_or_default());
                    tally.segments += sorted.taken;
                    parts.push(refuse(sorted.refused, tally));
                    parts.push(throttled(sorted.again, &mut backoff).await?);
                }
                Outcome::Split if part.len() > 1 => {
                    let code = code(&judged.answer);
                    info!(code, documents = part.len(), "X-Ray refused a call: sending it in halves");
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]); // the first is popped first
                }
                Outcome::Split | Outcome::Rejected => {
                    let code = code(&judged.answer);
                    let code =
                        if code.is_empty() { judged.answer.status().as_str().to_owned() } else { code };
                    let refused = part.into_iter().map(|document| Refused::new(&code, document));
                    parts.push(refuse(refused.collect(), tally));
                }
            }
        }
        Ok(())
    }
}

fn code(answer: &Answer) -> String {
    error_code(answer.header("x-amzn-errortype"), answer.body())
}

/// Waits until documents that X-Ray throttled may go again.
async fn throttled(again: Vec<Document>, backoff: &mut Backoff) -> Result<Vec<Document>, PutError> {
    let problem = "documents throttled";
    if !again.is_empty() {
        if !backoff.wait(None).await {
            return Err(PutError::OutOfTime(problem.to_owned()));
        }
        info!(retries = backoff.retries(), documents = again.len(), problem, "sending to X-Ray again");
    }
    Ok(again)
}

/// What became of the documents of a call that went through.
struct Sorted {
    taken: u64,
    refused: Vec<Refused>,
    again: Vec<Document>,
}

/// A document that X-Ray does not take.
struct Refused {
    code: String,
    /// What X-Ray says of it.
    detail: String,
    /// `None` if X-Ray names none.
    document: Option<Document>,
}

impl Refused {
    fn new(code: &str, document: Document) -> Self {
        Self { code: code.to_owned(), detail: String::new(), document: Some(document) }
    }
}

/// Gives those that are worth sending again, under a cleaned name; counts the others.
fn refuse(refused: Vec<Refused>, tally: &mut Tally) -> Vec<Document> {
    let mut again = Vec::new();
    for Refused { code, detail, document } in refused {
        let id = document.as_ref().map_or("", |document| document.id.as_str());
        match document.as_ref().and_then(renamed) {
            Some(renamed) => {
                info!(code, detail, id, "X-Ray refused a document: sending it under a cleaned name");
                tally.segments_renamed += 1;
                again.push(renamed);
            }
            None => {
                let trace_id = document.as_ref().map_or("", |document| document.trace_id.as_str());
                warn!(code, detail, id, trace_id, "X-Ray refused a document for good");
                tally.segments_rejected.add(code, 1);
            }
        }
    }
    again
}

/// Parts the documents of a call by what its answer says of them. A throttled entry that names no document could be any:
/// then all that the answer doesn't name go again, since X-Ray overwrites what it has.
fn sort_out(documents: Vec<Document>, entries: &[Unprocessed]) -> Sorted {
    let sent = documents.len();
    let (mut throttled, mut refused, mut any) = (HashSet::new(), Vec::new(), false);
    let mut named: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        let code = entry.error_code.as_deref().unwrap_or("unknown");
        let retry = entry.is_throttled();
        match entry.id.as_deref() {
            Some(id) if retry => _ = throttled.insert(id),
            None if retry => any = true,
            id => {
                named.extend(id.map(|id| (id, refused.len())));
                let detail = entry.message.clone().unwrap_or_default();
                refused.push(Refused { code: code.to_owned(), detail, document: None });
            }
        }
    }
    let mut again = Vec::new();
    for document in documents {
        let id = document.id.as_str();
        let refused = named.get(id).and_then(|at| refused.get_mut(*at));
        if throttled.contains(id) || (any && refused.is_none()) {
            again.push(document);
        } else if let Some(refused) = refused {
            refused.document = Some(document);
        }
    }
    let taken = sent.saturating_sub(again.len() + refused.len()) as u64;
    Sorted { taken, refused, again }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use siphon_core::{
        otlp::{ResourceSpans, ScopeSpans, Span, TraceRequest},
        xray::{Options, Translator},
    };

    use super::*;

    /// Four, with the ids 1 to 4.
    fn documents() -> Vec<Document> {
        let span =
            |id: u64| Span { trace_id: vec![1; 16], span_id: id.to_be_bytes().into(), ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: (1..=4).map(span).collect(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let request = TraceRequest { resource_spans }.encode_to_vec();
        Translator::new(&Options::default(), None).translate(&request).unwrap().documents
    }

    fn entry(id: Option<u64>, code: &str) -> Unprocessed {
        let id = id.map(|id| format!("{id:016x}"));
        Unprocessed { id, error_code: Some(code.into()), message: None }
    }

    fn sorted(entries: &[Unprocessed]) -> (u64, Vec<String>, Vec<u64>) {
        let sorted = sort_out(documents(), entries);
        let refused = sorted.refused.into_iter().map(|refused| refused.code).collect();
        let again = sorted.again.iter();
        let again = again.map(|document| u64::from_str_radix(document.id.as_str(), 16).unwrap());
        (sorted.taken, refused, again.collect())
    }

    #[test]
    fn only_throttled_documents_go_again() {
        assert_eq!(sorted(&[]), (4, vec![], vec![]));
        let mixed = [entry(Some(2), "InvalidName"), entry(Some(3), "ThrottledException")];
        assert_eq!(sorted(&mixed), (2, vec!["InvalidName".into()], vec![3]));
        assert_eq!(sorted(&[entry(None, "MissingId")]), (3, vec!["MissingId".into()], vec![]));
        let nameless = [entry(None, "ThrottledException"), entry(Some(1), "InvalidName")];
        assert_eq!(sorted(&nameless), (0, vec!["InvalidName".into()], vec![2, 3, 4]));
    }
}
