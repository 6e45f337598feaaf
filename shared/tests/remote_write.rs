//! Remote write against the specification's bytes, and its promises by property.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

use proptest::prelude::*;
use prost::Message;
use siphon_core::{
    remote_write::{Drop, Limits, MAX_BODY_BYTES, Packer, Request, Version, Weight, v1},
    series::{
        Batch, BucketSpan, Buckets, Exemplar, Label, LabelSet, LabelSets, NativeHistogram, STALE, Sample,
    },
    units::UnixMillis,
};

/// Samples under one label set.
type Series = (LabelSet, Vec<Sample>);

fn series(pairs: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
    let sample = |(at, value): &(i64, f64)| Sample::new(UnixMillis(*at), *value);
    (pairs.iter().copied().collect(), samples.iter().map(sample).collect())
}

fn collected(series: &[Series]) -> (LabelSets, Batch) {
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    for (labels, samples) in series {
        let id = sets.id(labels.clone());
        samples.iter().for_each(|sample| batch.push(id, sample.at, sample.value));
    }
    (sets, batch)
}

fn requests(series: &[Series], limits: &Limits) -> (Vec<Request>, Vec<Drop>) {
    let (sets, mut batch) = collected(series);
    Packer::new(limits, Version::V1).requests(&mut batch, &sets)
}

fn decoded(request: &Request) -> v1::WriteRequest {
    v1::decode(&request.body, MAX_BODY_BYTES - 1).unwrap()
}

fn plain(request: &Request) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(&request.body).unwrap()
}

/// Bytes that an independent encoder made: `up{job="t"}` with 1 at 1700000000000 and a stale marker a minute later.
#[test]
fn a_value_and_a_stale_marker_give_the_known_bytes() {
    let samples = [(1_700_000_000_000, 1.0), (1_700_000_060_000, STALE)];
    let up = series(&[("job", "t"), ("__name__", "up")], &samples);
    let (sent, dropped) = requests(&[up], &Limits::default());
    let body = plain(&sent[0]);
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
        (-0.0, 1 << 63),
    ] {
        let (sent, _) = requests(&[series(&[("a", "b")], &[(1, value)])], &Limits::default());
        assert_eq!(decoded(&sent[0]).timeseries[0].samples[0].value.to_bits(), want);
    }
}

#[test]
fn exemplars_and_native_histograms_are_sent() {
    let exemplar = Exemplar {
        labels: vec![Label { name: "trace_id".into(), value: "0a".into() }],
        value: 0.5,
        at: UnixMillis(7),
    };
    let histogram = NativeHistogram {
        at: UnixMillis(8),
        count: STALE.to_bits(),
        sum: STALE,
        schema: -3,
        zero_threshold: 1e-128,
        zero_count: 1,
        positive: Buckets { spans: vec![BucketSpan { offset: -1, length: 4 }], deltas: vec![1, -1, 2, 2] },
        ..NativeHistogram::default()
    };
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    let [h, empty] = ["h", "empty"].map(|name| sets.id([("__name__", name)].into_iter().collect()));
    batch.push_histogram(h, histogram);
    batch.push_exemplar(h, exemplar.clone());
    batch.push_exemplar(empty, exemplar);
    let (sent, dropped) = Packer::new(&Limits::default(), Version::V1).requests(&mut batch, &sets);
    assert_eq!((sent[0].series, sent[0].samples, dropped), (1, 1, vec![]), "an example of nothing stays");
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
    let one = |n: i64| series(&[("n", &format!("{n:02}"))], &[(n, 1.0)]);
    let sizes = |limits: Limits| {
        let (sent, dropped) = requests(&(1..11).map(one).collect::<Vec<_>>(), &limits);
        assert!(dropped.is_empty());
        sent.iter().map(|r| r.series).collect::<Vec<_>>()
    };
    assert_eq!(sizes(Limits::default()), [10]);
    assert_eq!(sizes(Limits { samples: 4, ..Limits::default() }), [4, 4, 2]);
    let body_bytes = decoded(&requests(&[one(1), one(2)], &Limits::default()).0[0]).encoded_len();
    assert_eq!(sizes(Limits { body_bytes, ..Limits::default() }), [2, 2, 2, 2, 2]);
    assert_eq!(sizes(Limits { body_bytes: body_bytes - 1, ..Limits::default() }), [1; 10]);
}

#[test]
fn a_series_too_large_for_one_request_is_cut_between_samples() {
    let samples: Vec<_> = (0..10).map(|n| (n, 1.0)).collect();
    let long = series(&[("a", "b")], &samples);
    let (sent, dropped) = requests(&[long], &Limits { samples: 4, ..Limits::default() });
    assert!(dropped.is_empty());
    assert_eq!(sent.iter().map(|r| r.samples).collect::<Vec<_>>(), [4, 4, 2]);
}

#[test]
fn what_passes_the_limit_alone_is_dropped_and_costs_no_other() {
    let long = "x".repeat(1_000_000);
    let large = series(&[("a", &long)], &[(1, 1.0), (2, 1.0)]);
    let small = |name| series(&[(name, "b")], &[(1, 1.0)]);
    let unlimited = Limits { body_bytes: usize::MAX, samples: 0 };
    let (sent, dropped) = requests(&[small("a"), large, small("b")], &unlimited);
    assert_eq!(dropped.iter().map(|d| (d.reason, d.samples)).collect::<Vec<_>>(), [("too_large", 2)]);
    assert_eq!(sent.iter().map(|r| r.samples).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_body_that_is_none_is_an_error() {
    let (sent, _) = requests(&[series(&[("a", "b")], &[(1, 1.0)])], &Limits::default());
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
    let sample = (any::<i64>(), any_value()).prop_map(|(at, value)| Sample::new(UnixMillis(at), value));
    let samples = prop::collection::vec(sample, 0..12);
    prop::collection::vec((labels, samples), 0..20)
}

/// A sample with its labels: milliseconds and bits.
type Flat = (Vec<(String, String)>, i64, u64);

fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// All samples as they must be sent: label sets in the order in which they first come, each in the order of time.
fn flat(series: &[Series]) -> Vec<Flat> {
    let sendable = |v: f64| match v.to_bits() {
        bits if v.is_nan() && bits != STALE.to_bits() => 0x7ff8_0000_0000_0001,
        bits => bits,
    };
    let place = |labels: &LabelSet| series.iter().position(|(other, _)| other == labels);
    let mut samples: Vec<(&LabelSet, &Sample)> =
        series.iter().flat_map(|(labels, samples)| samples.iter().map(move |x| (labels, x))).collect();
    samples.sort_by_key(|(labels, sample)| (place(labels), sample.at));
    samples.iter().map(|(labels, x)| (owned(labels.iter()), x.at.0, sendable(x.value))).collect()
}

fn flat_sent(sent: &[Request]) -> Vec<Flat> {
    let series = sent.iter().map(decoded).flat_map(|request| request.timeseries);
    let flat = |one: v1::TimeSeries| {
        let labels = owned(one.labels.iter().map(|l| (l.name.as_str(), l.value.as_str())));
        one.samples.into_iter().map(move |x| (labels.clone(), x.timestamp, x.value.to_bits()))
    };
    series.flat_map(flat).collect()
}

proptest! {
    #[test]
    fn samples_of_a_label_set_come_together_and_none_is_lost(
        series in any_series(), body_bytes in 400usize..2_000, samples in 1usize..30,
    ) {
        let limits = Limits { body_bytes, samples };
        let (sent, dropped) = requests(&series, &limits);
        prop_assert!(dropped.is_empty(), "all fit alone");
        prop_assert_eq!(flat_sent(&sent), flat(&series));
        for request in &sent {
            let message = decoded(request);
            prop_assert!(plain(request).len() <= body_bytes);
            let count: usize = message.timeseries.iter().map(|s| s.samples.len()).sum();
            prop_assert!(0 < count && count <= samples);
            prop_assert_eq!((request.series, request.samples), (message.timeseries.len(), count));
            let mut sets: Vec<_> = message.timeseries.iter().map(|s| format!("{:?}", s.labels)).collect();
            sets.sort_unstable();
            sets.dedup();
            prop_assert_eq!(sets.len(), message.timeseries.len(), "one series a label set");
            for series in &message.timeseries {
                prop_assert!(series.labels.is_sorted_by(|a, b| a.name < b.name), "sorted and unique");
            }
        }
    }

    #[test]
    fn what_fits_by_weight_is_one_request(series in any_series(), body_bytes in 0usize..20_000) {
        let limits = Limits { body_bytes, samples: 100 };
        let (sets, mut batch) = collected(&series);
        let fits = Weight::default().plus(&mut batch, &sets).fits(&limits);
        let twice = Weight::default().plus(&mut batch, &sets).plus(&mut batch, &sets);
        let (sent, dropped) = Packer::new(&limits, Version::V1).requests(&mut batch, &sets);
        prop_assert!(!fits || (sent.len() <= 1 && dropped.is_empty()));
        prop_assert!(fits || !twice.fits(&limits));
    }

    /// The fast encoder and the messages agree, byte by byte; but for minus zero, which prost leaves out.
    #[test]
    fn what_is_sent_is_what_the_messages_encode(mut series in any_series()) {
        let samples = series.iter_mut().flat_map(|(_, samples)| samples);
        samples.filter(|sample| sample.value == 0.0).for_each(|sample| sample.value = 0.0);
        for request in requests(&series, &Limits::default()).0 {
            prop_assert_eq!(decoded(&request).encode_to_vec(), plain(&request));
        }
    }

    #[test]
    fn tiny_limits_drop_and_count_rather_than_send_too_much(
        series in any_series(), body_bytes in 0usize..200, samples in 0usize..3,
    ) {
        let (sent, dropped) = requests(&series, &Limits { body_bytes, samples });
        let lost: u64 = dropped.iter().map(|d| d.samples).sum();
        let kept: usize = sent.iter().map(|r| r.samples).sum();
        prop_assert_eq!(lost + kept as u64, series.iter().map(|(_, samples)| samples.len() as u64).sum::<u64>());
        prop_assert!(sent.iter().all(|r| plain(r).len() <= body_bytes));
    }

    #[test]
    fn no_body_makes_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = v1::decode(&bytes, 10_000);
    }
}
