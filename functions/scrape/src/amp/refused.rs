//! What becomes of a request that the receiver refuses for its content.
//!
//! One bad sample must not cost the others. Some receivers store the good samples of a request that they refuse (Amazon
//! Managed Prometheus does), some store none (Prometheus rolls it back), and version 1.0 has no way to tell. So:
//!
//! | the answer | went before | becomes |
//! |---|---|---|
//! | counts what is written (2.0) | | as it says; of what went before, the rest is stored too, if that may be what it says |
//! | tells of no sample | | refused whole: the specification forbids another try |
//! | out of order, duplicate, too old | yes, and one sample, or a receiver that stores in part | stored: that is how it says so |
//! | the same | yes, and of several records | each of these alone ([`WriteError::Unclear`]): should time be over before all are through, those that are stay so |
//! | tells of a sample | | halves, down to the sample that is bad, which is refused by name |

use siphon_core::{
    remote_write::{Told, Written},
    series::NAME,
};
use tracing::warn;

use super::{Part, WriteError, repack, samples_of};
use crate::{post::Answer, report::Tally};

/// Refusals of one request's parts that lead to smaller parts; beyond, what is refused is refused as it stands. Enough to
/// tell dozens of bad series from thousands of good ones.
const MOST_SPLITS: u32 = 512;

/// As [`MOST_SPLITS`], of parts that the receiver may know already: there each sample may need an answer of its own, and
/// nearly all of them are stored.
const MOST_SPLITS_OF_KNOWN: u32 = 4_096;

/// Refusals that are logged, of one request's parts.
const MOST_LOGGED: u32 = 8;

/// The refusals that one request has led to.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// How many records the request has samples of.
    records: usize,
    splits: u32,
    logged: u32,
}

impl Refusals {
    /// Those of a request of so many records.
    pub(super) fn of(records: usize) -> Self {
        Self { records, ..Self::default() }
    }

    /// Takes a refused part: gives what to send in its place, in order; counts the rest. A receiver that `stores_in_part`
    /// has all good samples of what it refuses.
    ///
    /// # Errors
    /// [`WriteError::Unclear`]
    pub(super) fn take(
        &mut self,
        part: Part,
        answer: &Answer,
        stores_in_part: bool,
        tally: &mut Tally,
    ) -> Result<Vec<Part>, WriteError> {
        let written = Written::read(|name| answer.header(name));
        let told = Told::read(&answer.text());
        let is_known = part.may_be_stored && told.is_some_and(Told::may_mean_stored);
        let has_all = stores_in_part || written.is_some() || part.request.samples == 1;
        if is_known && has_all {
            tally.samples += part.request.samples as u64;
            return Ok(Vec::new());
        }
        if is_known && self.records > 1 {
            return Err(WriteError::Unclear);
        }
        let Some(told) = told.filter(|_| written.is_none()) else {
            self.refuse(&part, written, told, answer, tally);
            return Ok(Vec::new());
        };
        let most = if is_known { MOST_SPLITS_OF_KNOWN } else { MOST_SPLITS };
        if self.splits < most
            && let Some((halves, _)) = repack::halves(&part.request)
        {
            self.splits += 1;
            // Not so of a receiver that has just stored the good ones: that it knows those would hide the bad one.
            let may_be_stored = part.may_be_stored;
            return Ok(halves.into_iter().map(|request| Part { request, may_be_stored }).collect());
        }
        self.refuse(&part, written, Some(told), answer, tally);
        Ok(Vec::new())
    }

    /// Counts and logs what is refused for good: all of the part, but for what the receiver says that it has written.
    fn refuse(
        &mut self,
        part: &Part,
        written: Option<Written>,
        told: Option<Told>,
        answer: &Answer,
        tally: &mut Tally,
    ) {
        let (samples, stored) = samples_of(part, written);
        let stored = stored.unwrap_or(0);
        // It may only be saying, in other words, that it knows these samples.
        let or_stored = part.may_be_stored && told.is_none_or(Told::may_mean_stored);
        let status = answer.status();
        let reason = told.filter(|_| written.is_none()).map_or(status.as_str(), |told| told.reason());
        let reason = format!("{reason}{}", if or_stored { "_or_stored" } else { "" });
        let refused = samples - stored;
        let metric = first_metric(part);
        if self.logged < MOST_LOGGED {
            let (series, text) = (part.request.series, answer.text());
            warn!(
                reason,
                metric,
                series,
                samples = refused,
                stored,
                text,
                "Prometheus refused samples for good"
            );
        }
        self.logged += 1;
        tally.samples += stored;
        if part.request.series == 1 {
            tally.culprits.add(&reason, &metric, refused);
        }
        tally.samples_rejected.add(reason, refused);
    }
}

/// The metric of the first series in it.
fn first_metric(part: &Part) -> String {
    let first = part.request.unpack().ok().and_then(|(mut batch, sets)| {
        let id = batch.by_series().next()?.id;
        Some(sets.get(id)?.get(NAME)?.to_owned())
    });
    first.unwrap_or_default()
}
