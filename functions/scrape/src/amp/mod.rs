//! Writes to Amazon Managed Prometheus: remote write, signed, until it is stored, refused, or time is over.

mod refused;
mod repack;

use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::SdkConfig;
use bytes::Bytes;
use http::Uri;
use siphon_core::remote_write::{Request, Version, Written, verdict};
use tracing::{info, warn};

use crate::{
    clients::HttpsClient,
    export::Outgoing,
    post::{Answer, Outcome, PostError, Poster},
    report::Tally,
    time::Deadline,
};
use refused::Refusals;
use repack::Repacked;

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
    /// The receiver refuses what it may have, all or some of it, or nothing. Record by record, it may tell.
    #[error("Prometheus refuses samples of several records that it may have")]
    Unclear,
}

impl From<PostError> for WriteError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::OutOfTime(problem) => Self::OutOfTime(problem),
            PostError::Misconfigured(problem) | PostError::Unsupported(problem) => {
                Self::Misconfigured(problem)
            }
        }
    }
}

/// The sender. One for all agents, as long as the execution environment lives.
pub struct Amp {
    poster: Poster,
    version: Version,
    stores_in_part: bool,
    /// The receiver has shown that it knows no version but 1.0.
    knows_only_v1: AtomicBool,
}

/// A request on its way.
struct Part {
    request: Request,
    /// It went before, and the receiver may have stored it.
    may_be_stored: bool,
}

impl Amp {
    /// Sends to `endpoint` with the region and credentials of `aws`; `None` if `aws` lacks either. `version` is the best
    /// that the receiver may know. Of a request that it refuses, a receiver that `stores_in_part` stores the good samples.
    /// The status alone decides on a retry: the specification of remote write forbids to go by an answer's text.
    #[must_use]
    pub fn new(
        client: HttpsClient,
        endpoint: Uri,
        version: Version,
        stores_in_part: bool,
        aws: &SdkConfig,
    ) -> Option<Self> {
        let judge = |answer: &Answer| verdict(answer.status().as_u16(), answer.retry_after());
        let poster = Poster::new(client, endpoint, SERVICE, judge, aws)?;
        Some(Self { poster, version, stores_in_part, knows_only_v1: AtomicBool::new(false) })
    }

    /// The version that requests are best made in.
    #[must_use]
    pub fn version(&self) -> Version {
        if self.knows_only_v1.load(Ordering::Relaxed) { Version::V1 } else { self.version }
    }

    /// Writes one request, in parts if the receiver finds it too large or something in it bad, in version 1.0 if it knows
    /// no other. Counts what is stored and what is refused for good.
    ///
    /// # Errors
    /// [`WriteError`]: part of it may be stored, but all of it stays with the agent.
    pub async fn write(
        &self,
        Outgoing { request, may_be_stored, records }: Outgoing,
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Result<(), WriteError> {
        let mut parts = vec![Part { request, may_be_stored }];
        let mut refusals = Refusals::of(records);
        while let Some(mut part) = parts.pop() {
            if part.request.version == Version::V2 && self.version() == Version::V1 {
                replace(part, repack::as_v1, "unreadable", &mut parts, tally);
                continue;
            }
            let (version, body) = (part.request.version, Bytes::copy_from_slice(&part.request.body));
            let judged = match self.poster.post(version.headers(), body, deadline).await {
                Err(PostError::Unsupported(problem)) if version == Version::V2 => {
                    self.fall_back(&problem);
                    parts.push(part);
                    continue;
                }
                judged => judged?,
            };
            part.may_be_stored |= judged.may_be_stored;
            let written = Written::read(|name| judged.answer.header(name));
            match judged.outcome {
                // An old receiver sees no field that it knows, and takes that for an empty request of 1.0.
                Outcome::Stored if version == Version::V2 && written.is_none() => {
                    self.fall_back("it does not say what it has written");
                    parts.push(Part { may_be_stored: true, ..part });
                }
                Outcome::Stored => stored(&part, written, tally),
                Outcome::Rejected => {
                    let halves = refusals.take(part, &judged.answer, self.stores_in_part, tally)?;
                    parts.extend(halves.into_iter().rev()); // the first is popped first
                }
                Outcome::Split => replace(part, repack::halves, "413", &mut parts, tally),
            }
        }
        Ok(())
    }

    /// From now on, all is written in version 1.0.
    fn fall_back(&self, problem: &str) {
        if !self.knows_only_v1.swap(true, Ordering::Relaxed) {
            info!(problem, "Prometheus takes no remote write 2.0: writing 1.0 from now on");
        }
    }
}

/// Puts what `repack` makes of a part in its place. Where that is nothing, its samples are refused for `reason`.
fn replace(
    part: Part,
    repack: fn(&Request) -> Option<Repacked>,
    reason: &'static str,
    parts: &mut Vec<Part>,
    tally: &mut Tally,
) {
    let Part { request, may_be_stored } = part;
    let Some((requests, dropped)) = repack(&request) else {
        return tally.samples_rejected.add(reason, request.samples as u64);
    };
    let again = requests.into_iter().map(|request| Part { request, may_be_stored });
    parts.extend(again.rev()); // the first is popped first
    for drop in dropped {
        let Tally { samples_dropped, exemplars_dropped, .. } = tally;
        (if drop.is_exemplars() { exemplars_dropped } else { samples_dropped })
            .add(drop.reason, drop.samples);
    }
}

/// Counts what is stored. A receiver that counts has the last word on how much that is.
fn stored(part: &Part, written: Option<Written>, tally: &mut Tally) {
    let (samples, stored) = samples_of(part, written.filter(|_| part.request.version == Version::V2));
    let stored = stored.unwrap_or(samples);
    if stored < samples {
        warn!(samples = samples - stored, ?written, "Prometheus took a request but for some samples");
    }
    tally.samples += stored;
    tally.samples_rejected.add("not_written", samples - stored);
}

/// The samples of a part, and how many of them are written, if the receiver says so.
fn samples_of(part: &Part, written: Option<Written>) -> (u64, Option<u64>) {
    let samples = part.request.samples as u64;
    (samples, written.map(|counts| counts.samples.saturating_add(counts.histograms).min(samples)))
}
