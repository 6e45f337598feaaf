//! The suite's table `TestSampleEncoding`, and `TestSampleOrdering`.

use crate::{
    support::{capture, page::VALUES},
    world::seconds_ago,
};

/// Sent as `case`, and read by another decoder to the same bits.
fn assert_value(case: &str) {
    let (_, want) = VALUES.into_iter().find(|(name, _)| *name == case).unwrap();
    assert_eq!(capture().case("values", case).value().to_bits(), want.to_bits(), "{case}");
}

#[test]
fn float_value_encoding() {
    assert_value("float");
}

#[test]
fn integer_value_encoding() {
    assert_value("integer");
}

#[test]
fn zero_value_encoding() {
    assert_value("zero");
}

#[test]
fn negative_value_encoding() {
    assert_value("negative");
}

#[test]
fn positive_infinity_encoding() {
    assert_value("positive_infinity");
}

#[test]
fn negative_infinity_encoding() {
    assert_value("negative_infinity");
}

#[test]
fn nan_encoding() {
    let bits = capture().case("values", "nan").value().to_bits();
    assert_eq!(bits, 0x7ff8_0000_0000_0001, "Prometheus's ordinary NaN, never the stale marker");
}

#[test]
fn timestamp_milliseconds_format() {
    let times = capture().named("values").into_iter().flat_map(|series| series.times());
    times.for_each(|time| assert!((1_000_000_000_000..10_000_000_000_000_000).contains(&time), "{time}"));
}

#[test]
fn timestamp_recent() {
    let now = seconds_ago(0).0;
    let times = capture().named("values").into_iter().flat_map(|series| series.times());
    times.for_each(|time| assert!((now - time).abs() < 300_000, "{time}"));
}

#[test]
fn multiple_samples_same_series() {
    assert_eq!(capture().one("twice").samples.len(), 2);
}

#[test]
fn large_float_values() {
    assert_value("large");
}

#[test]
fn small_float_values() {
    assert_value("small");
}

#[test]
fn scientific_notation() {
    assert_value("scientific");
}

#[test]
fn precision_preservation() {
    assert_value("precise");
}

/// In Siphon both come from the resource that the application names: its service, and the instance of it.
#[test]
fn job_instance_labels_present() {
    for series in capture().series() {
        assert_eq!((series.get("job"), series.get("instance")), (Some("shop"), Some("i-1")));
    }
}

#[test]
#[expect(non_snake_case, reason = "the suite's name")]
fn TestSampleOrdering() {
    let values: Vec<_> = capture().one("twice").samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values, [2.0, 1.0], "the older one came last");
    capture().series().for_each(|series| assert!(series.times().is_sorted()));
}
