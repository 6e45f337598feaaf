//! What an agent's ledger says.

use siphon_core::wire::{Count, imbalances};

/// The sum of `event` over all reasons.
pub(crate) fn total(counts: &[Count], event: &str, kind: &str) -> u64 {
    counts.iter().filter(|count| count.event == event && count.kind == kind).map(|count| count.value).sum()
}

/// The kinds of records whose numbers don't add up.
pub(crate) fn imbalance(counts: &[Count]) -> Vec<String> {
    let told = imbalances(counts).into_iter().map(|(kind, accepted, accounted)| {
        format!("{kind}: {accepted} accepted, but {accounted} accounted for: {counts:?}")
    });
    told.collect()
}
