//! Remote write against the specification's bytes, and its promises by property.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

use proptest::prelude::*;
use prost::Message;
use siphon_core::{
    remote_write::{Limits, MAX_BODY_BYTES, Request, merge, requests, v1},
    series::{BucketSpan, Buckets, Exemplar, Label, LabelSet, NativeHistogram, STALE, Sample, Series},
    units::UnixMillis,
};

fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

fn decoded(request: &Request) -> v1::WriteRequest {
    v1::decode(&request.body, MAX_BODY_BYTES - 1).unwrap()
}

/// Bytes that an independent encoder made: `up{job="t"}` with 1 at 1700000000000 and a stale marker a minute later.
#[test]
fn a_value_and_a_stale_marker_give_the_known_bytes() {
    let at = |millis, value| Sample { at: UnixMillis(millis), value };
    let up = Series {
        labels: labels(&[("job", "t"), ("__name__", "up")]),
        samples: vec![at(1_700_000_000_000, 1.0), at(1_700_000_060_000, STALE)],
        ..Series::default()
    };
    let (sent, dropped) = requests(&[up], &Limits::default());
    let body = snap::raw::Decoder::new().decompress_vec(&sent[0].body).unwrap();
    let known = "0a3e0a0e0a085f5f6e616d655f5f120275700a080a036a6f6212017412100900000000\
                 0000f03f1080d095ffbc31121009020000000000f07f10e0a499ffbc31";
    assert_eq!((hex::encode(body), dropped), (known.to_owned(), vec![]));
    assert_eq!((sent.len(), sent[0].series, sent[0].samples), (1, 1, 2));
}

#[test]
fn an_ordinary_nan_is_sent_as_the_one_that_is_no_marker() {
    for (value, want) in [
        (f64::NAN, 0x7ff8_0000_0000_0001),
        (f64::from_bits(0x7ff0_0000_0000_0003), 0x7ff8_0000_0000_0001),
        (-f64::NAN, 0x7ff8_0000_0000_0001),
        (STALE, 0x7ff0_0000_0000_0002),
        (f64::INFINITY, 0x7ff0_0000_0000_0000),
        (0.0, 0),
    ] {
        let (sent, _) =
            requests(&[Series::sample(labels(&[("a", "b")]), UnixMillis(1), value)], &Limits::default());
        assert_eq!(decoded(&sent[0]).timeseries[0].samples[0].value.to_bits(), want);
    }
}

#[test]
fn exemplars_and_native_histograms_are_sent() {
    let series = Series {
        labels: labels(&[("__name__", "h")]),
        exemplars: vec![Exemplar {
            labels: vec![Label { name: "trace_id".into(), value: "0a".into() }],
            value: 0.5,
            at: UnixMillis(7),
        }],
        histograms: vec![NativeHistogram {
            at: UnixMillis(8),
            count: STALE.to_bits(),
            sum: STALE,
            schema: -3,
            zero_threshold: 1e-128,
            zero_count: 1,
            positive: Buckets {
                spans: vec![BucketSpan { offset: -1, length: 4 }],
                deltas: vec![1, -1, 2, 2],
            },
            ..NativeHistogram::default()
        }],
        ..Series::default()
    };
    let (sent, dropped) = requests(&[series], &Limits::default());
    assert_eq!((sent[0].series, sent[0].samples, dropped), (1, 1, vec![]));
    let read = decoded(&sent[0]).timeseries.remove(0);
    assert_eq!((read.exemplars[0].value, read.exemplars[0].timestamp), (0.5, 7));
    assert_eq!(read.exemplars[0].labels[0].value, "0a");
    let histogram = &read.histograms[0];
    assert_eq!(histogram.sum.to_bits(), STALE.to_bits());
    assert_eq!(histogram.count, Some(v1::HistogramCount::Int(STALE.to_bits())));
    assert_eq!(histogram.zero_count, Some(v1::HistogramZeroCount::Int(1)));
    assert_eq!((histogram.schema, histogram.timestamp), (-3, 8));
    assert_eq!(histogram.positive_spans, [v1::BucketSpan { offset: -1, length: 4 }]);
    assert_eq!(histogram.positive_deltas, [1, -1, 2, 2]);
}

#[test]
fn a_request_is_cut_before_either_limit() {
    let series = |n: i64| Series::sample(labels(&[("n", &format!("{n:02}"))]), UnixMillis(n), 1.0);
    let sizes = |limits: Limits| {
        let (sent, dropped) = requests(&(1..11).map(series).collect::<Vec<_>>(), &limits);
        assert!(dropped.is_empty());
        sent.iter().map(|r| r.series).collect::<Vec<_>>()
    };
    assert_eq!(sizes(Limits::default()), [10]);
    assert_eq!(sizes(Limits { samples: 4, ..Limits::default() }), [4, 4, 2]);
    let body_bytes = decoded(&requests(&[series(1), series(2)], &Limits::default()).0[0]).encoded_len();
    assert_eq!(sizes(Limits { body_bytes, ..Limits::default() }), [2, 2, 2, 2, 2]);
    assert_eq!(sizes(Limits { body_bytes: body_bytes - 1, ..Limits::default() }), [1; 10]);
}

#[test]
fn a_series_too_large_for_one_request_is_cut_between_samples() {
    let samples = (0..10).map(|n| Sample { at: UnixMillis(n), value: 1.0 }).collect();
    let series = Series { labels: labels(&[("a", "b")]), samples, ..Series::default() };
    let (sent, dropped) = requests(&[series], &Limits { samples: 4, ..Limits::default() });
    assert!(dropped.is_empty());
    assert_eq!(sent.iter().map(|r| r.samples).collect::<Vec<_>>(), [4, 4, 2]);
}

#[test]
fn what_passes_the_limit_alone_is_dropped_and_costs_no_other() {
    let long = "x".repeat(1_000_000);
    let large = Series::sample(labels(&[("a", &long)]), UnixMillis(1), 1.0);
    let small = |n| Series::sample(labels(&[("a", "b")]), UnixMillis(n), 1.0);
    let unlimited = Limits { body_bytes: usize::MAX, samples: 0 };
    let (sent, dropped) = requests(&[small(1), large.clone(), small(2), large], &unlimited);
    assert_eq!(dropped.iter().map(|d| (d.reason, d.samples)).collect::<Vec<_>>(), [("too_large", 2)]);
    assert_eq!(sent.iter().map(|r| r.samples).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_body_that_is_none_is_an_error() {
    let (sent, _) =
        requests(&[Series::sample(labels(&[("a", "b")]), UnixMillis(1), 1.0)], &Limits::default());
    assert!(matches!(v1::decode(&sent[0].body, 3), Err(v1::DecodeError::TooLarge { max: 3, .. })));
    assert!(matches!(v1::decode(b"\xff\xff\xff\xff\x0f", 9), Err(v1::DecodeError::TooLarge { .. })));
    assert!(matches!(v1::decode(b"", 9), Ok(_) | Err(v1::DecodeError::Snappy(_))));
    assert!(matches!(v1::decode(b"\x01", 9), Err(v1::DecodeError::Snappy(_))));
    let no_message = snap::raw::Encoder::new().compress_vec(b"\x0a\xff").unwrap();
    assert!(matches!(v1::decode(&no_message, 9), Err(v1::DecodeError::Protobuf(_))));
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(STALE), Just(0.0), Just(-0.0)]
}

fn any_series() -> impl Strategy<Value = Vec<Series>> {
    let label = ("[a-d]{1,2}", "[x-z]{0,1}|é{40}");
    let labels = prop::collection::vec(label, 0..4).prop_map(|pairs| pairs.into_iter().collect::<LabelSet>());
    let sample = (any::<i64>(), any_value()).prop_map(|(at, value)| Sample { at: UnixMillis(at), value });
    let samples = prop::collection::vec(sample, 0..12);
    let series =
        (labels, samples).prop_map(|(labels, samples)| Series { labels, samples, ..Series::default() });
    prop::collection::vec(series, 0..20)
}

/// A sample with its labels: milliseconds and bits.
type Flat = (Vec<(String, String)>, i64, u64);

/// All samples in order, as they must be sent.
fn flat(series: &[Series]) -> Vec<Flat> {
    let pairs = |s: &Series| {
        s.labels.as_slice().iter().map(|l| (l.name.clone(), l.value.clone())).collect::<Vec<_>>()
    };
    let sendable = |v: f64| match v.to_bits() {
        _ if v == 0.0 => 0, // -0 is sent as absent
        bits if v.is_nan() && bits != STALE.to_bits() => 0x7ff8_0000_0000_0001,
        bits => bits,
    };
    series.iter().flat_map(|s| s.samples.iter().map(|x| (pairs(s), x.at.0, sendable(x.value)))).collect()
}

fn flat_sent(sent: &[Request]) -> Vec<Flat> {
    let requests = sent.iter().map(decoded);
    let series = requests.flat_map(|r| r.timeseries);
    let pairs =
        |s: &v1::TimeSeries| s.labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect::<Vec<_>>();
    series
        .flat_map(|s| {
            s.samples.iter().map(|x| (pairs(&s), x.timestamp, x.value.to_bits())).collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #[test]
    fn merging_loses_nothing_and_sorts_in_a_stable_way(series in any_series()) {
        let merged = merge(series.clone());
        let mut sets: Vec<_> = merged.iter().map(|s| format!("{:?}", s.labels)).collect();
        sets.sort_unstable();
        sets.dedup();
        prop_assert_eq!(sets.len(), merged.len(), "one series a label set");
        prop_assert!(merged.iter().all(|s| s.samples.is_sorted_by_key(|x| x.at)));
        let mut want = flat(&series);
        want.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut have = flat(&merged);
        have.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        prop_assert_eq!(have, want);
    }

    #[test]
    fn splitting_loses_and_reorders_nothing(
        series in any_series(), body_bytes in 400usize..2_000, samples in 1usize..30,
    ) {
        let limits = Limits { body_bytes, samples };
        let (sent, dropped) = requests(&series, &limits);
        prop_assert!(dropped.is_empty(), "all fit alone");
        prop_assert_eq!(flat_sent(&sent), flat(&series));
        for request in &sent {
            let message = decoded(request);
            prop_assert!(message.encoded_len() <= body_bytes);
            let count: usize = message.timeseries.iter().map(|s| s.samples.len()).sum();
            prop_assert!(0 < count && count <= samples);
            prop_assert_eq!((request.series, request.samples), (message.timeseries.len(), count));
            for series in &message.timeseries {
                prop_assert!(series.labels.is_sorted_by(|a, b| a.name < b.name), "sorted and unique");
            }
        }
    }

    /// The fast encoder and the messages agree, byte by byte.
    #[test]
    fn what_is_sent_is_what_the_messages_encode(series in any_series()) {
        for request in requests(&series, &Limits::default()).0 {
            let bytes = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
            prop_assert_eq!(decoded(&request).encode_to_vec(), bytes);
        }
    }

    #[test]
    fn tiny_limits_drop_and_count_rather_than_send_too_much(
        series in any_series(), body_bytes in 0usize..200, samples in 0usize..3,
    ) {
        let (sent, dropped) = requests(&series, &Limits { body_bytes, samples });
        let lost: u64 = dropped.iter().map(|d| d.samples).sum();
        let kept: usize = sent.iter().map(|r| r.samples).sum();
        prop_assert_eq!(lost + kept as u64, series.iter().map(|s| s.samples.len() as u64).sum::<u64>());
        prop_assert!(sent.iter().all(|r| decoded(r).encoded_len() <= body_bytes));
    }

    #[test]
    fn no_body_makes_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = v1::decode(&bytes, 10_000);
    }
}
