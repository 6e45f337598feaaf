//! The suite's table `TestExemplarEncoding`.

use crate::{
    support::{Seen, SeenExemplar, capture},
    world::seconds_ago,
};

fn all() -> Vec<&'static SeenExemplar> {
    let all: Vec<_> = capture().series().flat_map(|series| &series.exemplars).collect();
    assert_eq!(all.len(), 5, "two of a counter, two of a histogram, one of a native one");
    all
}

fn label<'a>(exemplar: &'a SeenExemplar, name: &str) -> Option<&'a str> {
    exemplar.labels.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

#[test]
fn exemplar_with_trace_id() {
    all().iter().for_each(|exemplar| assert_eq!(label(exemplar, "trace_id"), Some("cd".repeat(16).as_str())));
}

#[test]
fn exemplar_with_span_id() {
    all().iter().for_each(|exemplar| assert_eq!(label(exemplar, "span_id"), Some("ab".repeat(8).as_str())));
}

#[test]
fn exemplar_value_valid() {
    let values: Vec<_> =
        capture().one("orders_total").exemplars.iter().map(|exemplar| exemplar.value).collect();
    assert_eq!(values, [0.5, 1.5]);
}

#[test]
fn exemplar_timestamp_valid() {
    let now = seconds_ago(0).0;
    all().iter().for_each(|exemplar| assert!((now - exemplar.timestamp).abs() < 300_000));
}

#[test]
fn exemplar_labels_valid_refs() {
    for request in &capture().requests {
        let symbols = request.v2().symbols.len();
        let exemplars = request.v2().timeseries.iter().flat_map(|series| &series.exemplars);
        let refs = exemplars.flat_map(|exemplar| &exemplar.labels_refs);
        refs.for_each(|reference| assert!((*reference as usize) < symbols));
    }
}

#[test]
fn exemplar_custom_labels() {
    let custom = |exemplar: &&&SeenExemplar| label(exemplar, "customer") == Some("gold");
    assert_eq!(all().iter().filter(custom).count(), 3);
}

/// On the first bucket whose bound is not below the value; on a native histogram itself.
#[test]
fn exemplar_on_histogram() {
    let of = |le: &str| {
        let buckets = capture().named("duration_seconds_bucket");
        let bucket: &Seen = buckets.iter().find(|bucket| bucket.get("le") == Some(le)).unwrap();
        bucket.exemplars.iter().map(|exemplar| exemplar.value).collect::<Vec<_>>()
    };
    assert_eq!((of("0.1"), of("1"), of("+Inf")), (vec![0.05], vec![0.5], vec![]));
    assert_eq!(capture().one("size_bytes").exemplars.len(), 1);
}

#[test]
fn exemplar_labels_even_length() {
    let series = capture().requests.iter().flat_map(|request| &request.v2().timeseries);
    let mut exemplars = series.flat_map(|series| &series.exemplars);
    assert!(exemplars.all(|exemplar| exemplar.labels_refs.len().is_multiple_of(2)));
}

#[test]
fn multiple_exemplars_per_series() {
    assert_eq!(capture().one("orders_total").exemplars.len(), 2);
}
