//! `ExportMetricsServiceRequest`: the agent's check, and series.

use prost::Message;
use siphon_core::{
    otlp::{MetricsRequest, check},
    prometheus,
    series::LabelSets,
};

use crate::{seeds::golden, sendable};

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    golden("metrics", ".pb")
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    let checked = check::metrics(bytes);
    let decoded = MetricsRequest::decode(bytes);
    assert_eq!(checked.is_ok(), decoded.is_ok(), "{checked:?} {decoded:?}");
    let (mut sets, options) = (LabelSets::default(), prometheus::Options::default());
    let translated = prometheus::Translator::new(&options, None).translate(bytes, &mut sets);
    let made = match (checked, translated) {
        (Ok(points), Ok(made)) => {
            let dropped: u64 = made.dropped.iter().map(|drop| drop.points).sum();
            assert!(dropped <= points, "{dropped} of {points}");
            assert!(dropped == points || made.batch.samples() > 0, "points are lost");
            made
        }
        // The translator doesn't read what a later field replaces, so it can't tell that it is broken.
        (Err(_), Ok(made)) => made,
        (checked, Err(fault)) => {
            assert_eq!(checked, Err(fault));
            return false;
        }
    };
    sendable::check(made.batch, &sets);
    true
}
