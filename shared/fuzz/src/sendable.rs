//! What every receiver demands of series, and that a request holds all of them.

use siphon_core::{
    remote_write::{Limits, Packer, Version, v1, v2},
    series::{Batch, LabelSets},
};

/// Panics unless `batch` becomes requests that hold all its samples, with labels as every receiver demands them.
pub(crate) fn check(mut batch: Batch, sets: &LabelSets) {
    let limits = Limits::default();
    let samples = batch.samples();
    for version in [Version::V1, Version::V2] {
        let (requests, dropped) = Packer::new(&limits, version).requests(&mut batch, sets);
        let lost: u64 = dropped.iter().map(|drop| drop.samples).sum();
        let sent: usize = requests.iter().map(|request| request.samples).sum();
        assert_eq!(sent as u64 + lost, samples as u64);
        for request in requests {
            let (unpacked, _) = request.unpack().expect("a request can be read");
            assert_eq!(unpacked.samples(), request.samples);
            match version {
                Version::V1 => check_v1(&request.body, &limits),
                Version::V2 => _ = v2::decode(&request.body, limits.body_bytes).expect("within the limits"),
            }
        }
    }
}

fn check_v1(body: &[u8], limits: &Limits) {
    let decoded = v1::decode(body, limits.body_bytes).expect("within the limits");
    decoded.timeseries.iter().for_each(check_series);
}

fn check_series(series: &v1::TimeSeries) {
    let labels = &series.labels;
    assert!(labels.is_sorted_by(|a, b| a.name < b.name), "sorted and unique: {labels:?}");
    for label in labels {
        assert!(is_name(&label.name, "_") && !label.value.is_empty(), "{label:?}");
    }
    let name = labels.iter().find(|label| label.name == "__name__");
    assert!(name.is_none_or(|name| is_name(&name.value, "_:")), "{name:?}");
    assert!(series.samples.is_sorted_by_key(|sample| sample.timestamp));
    assert!(series.histograms.is_sorted_by_key(|histogram| histogram.timestamp));
}

/// Letters, digits and `others`, and no digit first.
fn is_name(text: &str, others: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    text.chars().all(is_good) && text.starts_with(|c: char| !c.is_ascii_digit())
}
