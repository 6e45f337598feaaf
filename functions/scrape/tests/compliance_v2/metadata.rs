//! The suite's table `TestMetadataEncoding`.

use siphon_core::series::MetricKind;

use crate::support::{SeenMetadata, capture};

fn told(name: &str) -> &'static SeenMetadata {
    capture().named(name)[0].metadata.as_ref().unwrap()
}

#[test]
fn metadata_type_counter() {
    assert_eq!(told("orders_total").kind, MetricKind::Counter);
}

#[test]
fn metadata_type_gauge() {
    assert_eq!((told("values").kind, told("depth").kind), (MetricKind::Gauge, MetricKind::Gauge));
}

#[test]
fn metadata_type_histogram() {
    for name in ["duration_seconds_bucket", "duration_seconds_count", "duration_seconds_sum", "size_bytes"] {
        assert_eq!(told(name).kind, MetricKind::Histogram, "{name}");
    }
}

#[test]
fn metadata_type_summary() {
    for name in ["pause_seconds", "pause_seconds_count", "pause_seconds_sum"] {
        assert_eq!(told(name).kind, MetricKind::Summary, "{name}");
    }
}

#[test]
fn metadata_help_text() {
    assert_eq!(told("orders_total").help, "About orders.");
}

#[test]
fn metadata_unit() {
    assert_eq!(
        (told("size_bytes").unit.as_str(), told("duration_seconds_sum").unit.as_str()),
        ("bytes", "seconds")
    );
    assert_eq!(told("orders_total").unit, "");
}

#[test]
fn metadata_help_with_newlines() {
    assert_eq!(told("help_newlines").help, "first\nsecond");
}

#[test]
fn metadata_help_with_special_chars() {
    assert_eq!(told("help_special").help, "say \"hi\" \\ é");
}

#[test]
fn metadata_help_refs_valid() {
    for request in &capture().requests {
        let symbols = request.v2().symbols.len();
        for series in &request.v2().timeseries {
            let metadata = series.metadata.unwrap();
            assert!([metadata.help_ref, metadata.unit_ref].iter().all(|text| (*text as usize) < symbols));
        }
    }
}

#[test]
fn metadata_consistent_across_series() {
    for name in ["values", "duration_seconds_bucket", "labelled", "pause_seconds"] {
        let all = capture().named(name);
        assert!(all.len() > 1 && all.iter().all(|series| series.metadata.as_ref() == Some(told(name))));
    }
}

#[test]
fn metadata_empty_help_allowed() {
    let none = SeenMetadata { kind: MetricKind::Gauge, help: String::new(), unit: String::new() };
    assert_eq!(told("help_none"), &none);
}
