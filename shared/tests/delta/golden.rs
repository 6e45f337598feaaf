//! The recorded requests of delta metrics, which ADOT drops: through the agent and the translator they are series.

use std::{fs, path::Path, time::Duration};

use prost::Message;
use siphon_core::{
    otlp::{MetricData, MetricsRequest},
    prometheus::{Options, Translator},
    series::LabelSets,
};

use crate::build::{LIMITS, NO_LIMIT, accumulator};

/// Name and `le` of each series, with its value after each of three exports, the second of which is sent twice.
fn series(case: &str) -> Vec<(String, Vec<f64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/golden/metrics/{case}.pb"));
    let given = fs::read(path).unwrap();
    let (mut deltas, mut sets, options) = (accumulator(LIMITS), LabelSets::default(), Options::default());
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for export in [0, 1, 1, 2] {
        let request = later(&given, export);
        let made = deltas.rewrite(&request, NO_LIMIT, Duration::from_secs(export)).unwrap().unwrap();
        let mut translated = Translator::new(&options, None).translate(&made.request, &mut sets).unwrap();
        assert_eq!(translated.dropped, []);
        for series in translated.batch.by_series() {
            let labels = sets.get(series.id).unwrap();
            let text = |name| labels.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value);
            let name = format!("{}{}", text("__name__"), text("le"));
            let values = series.samples.iter().map(|(_, sample)| sample.value);
            if name == "target_info" {
                continue;
            }
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => known.extend(values),
                None => all.push((name, values.collect())),
            }
        }
    }
    all
}

/// The request as it would be so many intervals of ten seconds later.
fn later(request: &[u8], intervals: u64) -> Vec<u8> {
    let mut request = MetricsRequest::decode(request).unwrap();
    let metrics =
        request.resource_metrics.iter_mut().flat_map(|r| &mut r.scope_metrics).flat_map(|s| &mut s.metrics);
    for data in metrics.filter_map(|metric| metric.data.as_mut()) {
        let later = |time: &mut u64| *time += intervals * 10_000_000_000;
        match data {
            MetricData::Sum(sum) => sum.points.iter_mut().for_each(|point| later(&mut point.time_unix_nano)),
            MetricData::Histogram(histogram) => {
                histogram.points.iter_mut().for_each(|point| later(&mut point.time_unix_nano));
            }
            other => unreachable!("{other:?}"),
        }
    }
    request.encode_to_vec()
}

#[test]
fn a_delta_counter_becomes_a_counter() {
    assert_eq!(series("counter-delta"), [("delta_count_total".to_owned(), vec![3.0, 6.0, 9.0])]);
}

#[test]
fn a_delta_histogram_becomes_a_histogram() {
    let made = series("histogram-delta");
    let made: Vec<_> = made.iter().map(|(name, values)| (name.as_str(), &values[..])).collect();
    let want: [(&str, &[f64]); 4] = [
        ("hd_sum", &[3.0, 6.0, 9.0]),
        ("hd_count", &[3.0, 6.0, 9.0]),
        ("hd_bucket1", &[1.0, 2.0, 3.0]),
        ("hd_bucket+Inf", &[3.0, 6.0, 9.0]),
    ];
    assert_eq!(made, want);
}
