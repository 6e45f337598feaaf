//! The suite's table `TestTimestampEncoding`.

use crate::{
    support::{Seen, capture},
    world::seconds_ago,
};

/// Of whoever has one: start and own time.
fn starts() -> Vec<(i64, i64)> {
    capture().series().flat_map(Seen::starts).filter(|(start, _)| *start != 0).collect()
}

#[test]
fn timestamp_int64_milliseconds() {
    let time = capture().one("orders_total").samples[0].timestamp;
    assert!((seconds_ago(0).0 - time).abs() < 300_000, "{time}");
}

#[test]
fn timestamp_ordering_within_series() {
    capture().series().for_each(|series| assert!(series.times().is_sorted()));
}

#[test]
fn start_timestamp_for_counters() {
    let sample = capture().one("orders_total").samples[0];
    let counted = sample.timestamp - sample.start_timestamp;
    assert!((598_000..=600_000).contains(&counted), "since ten minutes: {counted}");
    assert_eq!(capture().one("depth").samples[0].start_timestamp, 0, "what goes up and down counts nothing");
}

#[test]
fn start_timestamp_for_histograms() {
    for name in ["duration_seconds_bucket", "duration_seconds_sum", "duration_seconds_count", "size_bytes"] {
        for (start, time) in capture().named(name).into_iter().flat_map(Seen::starts) {
            assert!((598_000..=600_000).contains(&(time - start)), "{name} {start} {time}");
        }
    }
}

/// 0 is "unknown": a counter that began at the epoch says one millisecond later.
#[test]
fn start_timestamp_zero_handling() {
    assert_eq!(capture().one("start_unknown_total").samples[0].start_timestamp, 0);
    assert_eq!(capture().one("start_epoch_total").samples[0].start_timestamp, 1);
}

#[test]
fn timestamp_precision() {
    let now = seconds_ago(0).0;
    let times = capture().series().filter(|series| series.name() != "timeless").flat_map(Seen::times);
    times.for_each(|time| assert!((now - time).abs() < 600_000, "{time}"));
}

#[test]
fn timestamp_future_values() {
    let now = seconds_ago(0).0;
    capture().series().flat_map(Seen::times).for_each(|time| assert!(time - now < 300_000, "{time}"));
}

#[test]
fn start_timestamp_before_sample_timestamp() {
    assert!(starts().len() > 5);
    starts().iter().for_each(|(start, time)| assert!(start < time));
}
