//! The suite's table `TestHistogramEncoding`: native histograms, which OTLP calls exponential.

use siphon_core::remote_write::v2::{BucketSpan, Histogram, HistogramCount, HistogramZeroCount};

use crate::support::{
    capture,
    page::{self, LARGE_COUNT},
};

fn all() -> Vec<&'static Histogram> {
    let all: Vec<_> = capture().series().flat_map(|series| &series.histograms).collect();
    assert_eq!(all.len(), 3);
    all
}

fn size() -> &'static Histogram {
    &capture().one("size_bytes").histograms[0]
}

/// Counts of buckets from their differences.
fn counts(deltas: &[i64]) -> Vec<i64> {
    let add = |count: &mut i64, delta: &i64| {
        *count += delta;
        Some(*count)
    };
    deltas.iter().scan(0, add).collect()
}

#[test]
fn native_histogram_structure() {
    for histogram in all() {
        for (spans, deltas) in [
            (&histogram.positive_spans, &histogram.positive_deltas),
            (&histogram.negative_spans, &histogram.negative_deltas),
        ] {
            let buckets: u32 = spans.iter().map(|span| span.length).sum();
            assert_eq!(buckets as usize, deltas.len(), "a delta for each bucket");
        }
        assert!(histogram.positive_counts.is_empty() && histogram.negative_counts.is_empty());
    }
}

#[test]
fn histogram_count_present() {
    assert_eq!(size().count, Some(HistogramCount::Int(21)));
    all().iter().for_each(|histogram| assert!(histogram.count.is_some()));
}

#[test]
fn histogram_sum_present() {
    assert_eq!(size().sum.to_bits(), 99.5f64.to_bits());
}

#[test]
fn histogram_buckets_ordered() {
    for histogram in all() {
        for spans in [&histogram.positive_spans, &histogram.negative_spans] {
            assert!(spans.iter().skip(1).all(|span| span.offset >= 0), "a gap is no step back");
        }
    }
}

#[test]
fn histogram_positive_buckets() {
    assert_eq!(size().positive_spans, [BucketSpan { offset: 5, length: 3 }]);
    assert_eq!(counts(&size().positive_deltas), [1, 5, 7]);
}

#[test]
fn histogram_negative_buckets() {
    assert_eq!(size().negative_spans, [BucketSpan { offset: -1, length: 2 }]);
    assert_eq!(counts(&size().negative_deltas), [4, 2]);
}

#[test]
fn histogram_zero_bucket() {
    assert_eq!(size().zero_count, Some(HistogramZeroCount::Int(2)));
    assert!(size().zero_threshold > 0.0);
}

#[test]
fn histogram_schema() {
    assert_eq!(size().schema, 3);
    all().iter().for_each(|histogram| assert!((-4..=8).contains(&histogram.schema)));
}

#[test]
fn histogram_timestamp() {
    let want = i64::try_from(page::ago(1) / 1_000_000).unwrap();
    all().iter().for_each(|histogram| assert!((want - histogram.timestamp).abs() < 300_000));
}

#[test]
fn histogram_no_mixed_with_samples() {
    capture().series().for_each(|series| assert!(series.samples.is_empty() != series.histograms.is_empty()));
}

#[test]
fn histogram_empty_buckets() {
    let empty = &capture().one("size_empty_bytes").histograms[0];
    assert_eq!(empty.count, Some(HistogramCount::Int(0)));
    assert!(empty.positive_spans.is_empty() && empty.negative_spans.is_empty());
}

#[test]
fn histogram_large_counts() {
    let large = &capture().one("size_large_bytes").histograms[0];
    assert_eq!(large.count, Some(HistogramCount::Int(LARGE_COUNT)), "exact, as a real number would not be");
    assert_eq!(counts(&large.positive_deltas), [i64::try_from(LARGE_COUNT).unwrap()]);
}
