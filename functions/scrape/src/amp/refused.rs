//! What becomes of a request that the receiver refuses for its content.
//!
//! One bad sample must not cost the others. Some receivers store the good samples of a request that they refuse (Amazon
//! Managed Prometheus does), some store none (Prometheus rolls it back), and version 1.0 has no way to tell. So:
//!
//! | the answer | went before | becomes |
//! |---|---|---|
//! | counts what is written (2.0) | | as it says |
//! | tells of no sample | | refused whole: the specification forbids another try |
//! | out of order, duplicate, too old | yes, and one series, or a receiver that stores in part | stored: that is how it says so |
//! | tells of a sample | | halves, down to the series or sample that is bad, which is refused by name |

use siphon_core::{
    remote_write::{Told, Written},
    series::NAME,
};
use tracing::warn;

use super::{Part, repack, samples_of};
use crate::{post::Answer, report::Tally};

/// Refusals of one request's parts that lead to smaller parts; beyond, what is refused is refused as it stands. Enough to
/// tell dozens of bad series from thousands of good ones.
const MOST_SPLITS: u32 = 512;

/// Refusals that are logged, of one request's parts.
const MOST_LOGGED: u32 = 8;

/// The refusals that one request has led to.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    splits: u32,
    logged: u32,
}

impl Refusals {
    /// Takes a refused part: gives what to send in its place, in order; counts the rest. A receiver that `stores_in_part`
    /// has all good samples of what it refuses.
    pub(super) fn take(
        &mut self,
        part: Part,
        answer: &Answer,
        stores_in_part: bool,
        tally: &mut Tally,
    ) -> Vec<Part> {
        let written = Written::read(|name| answer.header(name));
        let text = answer.text();
        let Some(told) = Told::read(&text).filter(|_| written.is_none()) else {
            self.refuse(&part, written, answer.status().as_str(), &text, tally);
            return Vec::new();
        };
        let is_known = part.may_be_stored && told.may_mean_stored();
        if is_known && (stores_in_part || part.request.series == 1 || self.splits >= MOST_SPLITS) {
            tally.samples += part.request.samples as u64;
            return Vec::new();
        }
        if self.splits < MOST_SPLITS
            && let Some((halves, _)) = repack::halves(&part.request)
        {
            self.splits += 1;
            let may_be_stored = part.may_be_stored;
            return halves.into_iter().map(|request| Part { request, may_be_stored }).collect();
        }
        self.refuse(&part, written, told.reason(), &text, tally);
        Vec::new()
    }

    /// Counts and logs what is refused for good: all of the part, but for what the receiver says that it has written.
    fn refuse(&mut self, part: &Part, written: Option<Written>, reason: &str, text: &str, tally: &mut Tally) {
        let (samples, stored) = samples_of(part, written);
        let stored = stored.unwrap_or(0);
        // It may only be saying, in other words, that it knows these samples.
        let reason = format!("{reason}{}", if part.may_be_stored { "_or_stored" } else { "" });
        let refused = samples - stored;
        let metric = first_metric(part);
        if self.logged < MOST_LOGGED {
            let series = part.request.series;
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
