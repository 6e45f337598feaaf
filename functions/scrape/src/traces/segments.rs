//! Writes segment documents: PutTraceSegments until each is taken, refused, or time is over.

use std::collections::{HashMap, HashSet};

use aws_sdk_xray::{
    Client,
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::put_trace_segments::PutTraceSegmentsError,
    types::UnprocessedTraceSegment,
};
use siphon_core::xray::{Document, Verdict, renamed, unprocessed};
use tokio::time::timeout_at;
use tracing::{info, warn};

use super::PutError;
use crate::{backoff::Backoff, report::Tally, time::Deadline};

/// The sender.
pub struct Segments {
    client: Client,
}

impl Segments {
    /// Sends through `client`, which must not retry by itself.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
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
            let problem = match self.call(&part, deadline).await {
                Ok(entries) => {
                    let sorted = sort_out(part, &entries);
                    tally.segments += sorted.taken;
                    parts.push(refuse(sorted.refused, tally));
                    part = sorted.again;
                    if part.is_empty() {
                        continue;
                    }
                    "documents throttled".to_owned()
                }
                Err(Failure::Passing(problem)) => problem,
                Err(Failure::Misconfigured(problem)) => return Err(PutError::Misconfigured(problem)),
                Err(Failure::Content(code)) if part.len() > 1 => {
                    info!(code, documents = part.len(), "X-Ray refused a call: sending it in halves");
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]); // the first is popped first
                    continue;
                }
                Err(Failure::Content(code)) => {
                    let refused = part.into_iter().map(|document| Refused::new(&code, document));
                    parts.push(refuse(refused.collect(), tally));
                    continue;
                }
            };
            if !backoff.wait(None).await {
                return Err(PutError::OutOfTime(problem));
            }
            info!(retries = backoff.retries(), documents = part.len(), problem, "sending to X-Ray again");
            parts.push(part);
        }
        Ok(())
    }

    async fn call(
        &self,
        documents: &[Document],
        deadline: Deadline,
    ) -> Result<Vec<UnprocessedTraceSegment>, Failure> {
        let texts = documents.iter().map(|document| document.json.clone()).collect();
        let call = self.client.put_trace_segments().set_trace_segment_documents(Some(texts)).send();
        match timeout_at(deadline.at(), call).await {
            Ok(Ok(answer)) => Ok(answer.unprocessed_trace_segments.unwrap_or_default()),
            Ok(Err(error)) => Err(Failure::new(&error)),
            Err(_) => Err(Failure::Passing("no answer in time".to_owned())),
        }
    }
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
        let id = document.as_ref().map_or("", |document| &document.id);
        match document.as_ref().and_then(renamed) {
            Some(renamed) => {
                info!(code, detail, id, "X-Ray refused a document: sending it under a cleaned name");
                tally.segments_renamed += 1;
                again.push(renamed);
            }
            None => {
                let trace_id = document.as_ref().map_or("", |document| &document.trace_id);
                warn!(code, detail, id, trace_id, "X-Ray refused a document for good");
                tally.segments_rejected.add(code, 1);
            }
        }
    }
    again
}

/// Parts the documents of a call by what its answer says of them. A throttled entry that names no document could be any:
/// then all that the answer doesn't name go again, since X-Ray overwrites what it has.
fn sort_out(documents: Vec<Document>, entries: &[UnprocessedTraceSegment]) -> Sorted {
    let sent = documents.len();
    let (mut throttled, mut refused, mut any) = (HashSet::new(), Vec::new(), false);
    let mut named: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        let code = entry.error_code().unwrap_or("unknown");
        let retry = unprocessed(code) == Verdict::Retry;
        match entry.id() {
            Some(id) if retry => _ = throttled.insert(id),
            None if retry => any = true,
            id => {
                named.extend(id.map(|id| (id, refused.len())));
                let detail = entry.message().unwrap_or_default().to_owned();
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

/// A call that failed as a whole.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// A later attempt may succeed.
    Passing(String),
    /// It is about the documents; the code.
    Content(String),
    /// It is about us.
    Misconfigured(String),
}

impl Failure {
    fn new(error: &SdkError<PutTraceSegmentsError, HttpResponse>) -> Self {
        let text = DisplayErrorContext(error).to_string();
        match error {
            SdkError::ConstructionFailure(_) => Self::Misconfigured(text),
            SdkError::ServiceError(service) => {
                Self::of_answer(service.raw().status().as_u16(), service.err().code(), text)
            }
            SdkError::ResponseError(response) => {
                Self::of_answer(response.raw().status().as_u16(), None, text)
            }
            _ => Self::Passing(text),
        }
    }

    /// By status, and by code where one status means several things.
    fn of_answer(status: u16, code: Option<&str>, text: String) -> Self {
        let code = code.unwrap_or_default();
        match status {
            429 | 500..=599 => Self::Passing(text),
            _ if code.contains("Throttl") => Self::Passing(text),
            413 => Self::Content("413".to_owned()),
            400 if code.is_empty()
                || code.starts_with("InvalidRequest")
                || code.starts_with("Validation") =>
            {
                Self::Content(if code.is_empty() { "400".to_owned() } else { code.to_owned() })
            }
            200..=299 => Self::Passing(text), // unreadable: a proxy, or cut off
            _ => Self::Misconfigured(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(ids: &[&str]) -> Vec<Document> {
        let one = |id: &&str| Document { id: (*id).into(), trace_id: String::new(), json: String::new() };
        ids.iter().map(one).collect()
    }

    fn entry(id: Option<&str>, code: &str) -> UnprocessedTraceSegment {
        UnprocessedTraceSegment::builder().set_id(id.map(Into::into)).error_code(code).build()
    }

    fn sorted(entries: &[UnprocessedTraceSegment]) -> (u64, Vec<String>, Vec<String>) {
        let sorted = sort_out(documents(&["a", "b", "c", "d"]), entries);
        let refused = sorted.refused.into_iter().map(|refused| refused.code).collect();
        (sorted.taken, refused, sorted.again.into_iter().map(|document| document.id).collect())
    }

    #[test]
    fn only_throttled_documents_go_again() {
        assert_eq!(sorted(&[]), (4, vec![], vec![]));
        let mixed = [entry(Some("b"), "InvalidName"), entry(Some("c"), "ThrottledException")];
        assert_eq!(sorted(&mixed), (2, vec!["InvalidName".into()], vec!["c".into()]));
        assert_eq!(sorted(&[entry(None, "MissingId")]), (3, vec!["MissingId".into()], vec![]));
        let nameless = [entry(None, "ThrottledException"), entry(Some("a"), "InvalidName")];
        assert_eq!(
            sorted(&nameless),
            (0, vec!["InvalidName".into()], vec!["b".into(), "c".into(), "d".into()])
        );
    }

    #[test]
    fn a_failed_call_is_passing_or_about_the_content_or_about_us() {
        let failure = |status, code| Failure::of_answer(status, code, String::new());
        let passing = Failure::Passing(String::new());
        let about_us = Failure::Misconfigured(String::new());
        assert_eq!(failure(503, None), passing);
        assert_eq!(failure(429, Some("ThrottledException")), passing);
        assert_eq!(failure(400, Some("ThrottlingException")), passing);
        assert_eq!(
            failure(400, Some("InvalidRequestException")),
            Failure::Content("InvalidRequestException".into())
        );
        assert_eq!(failure(413, None), Failure::Content("413".into()));
        assert_eq!(failure(403, Some("AccessDeniedException")), about_us);
        assert_eq!(failure(400, Some("UnrecognizedClientException")), about_us);
        assert_eq!(failure(404, None), about_us);
    }
}
