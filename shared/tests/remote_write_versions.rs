//! Both versions of remote write carry what a batch holds, each as far as it can; and the bytes of 2.0.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

use std::{collections::HashSet, sync::Arc};

use proptest::{collection::vec, option, prelude::*};
use prost::Message;
use siphon_core::{
    remote_write::{Drop, Limits, MAX_BODY_BYTES, Packer, Request, Version, v2},
    series::{
        Batch, BucketSpan, Buckets, Exemplar, Label, LabelSet, LabelSets, Metadata, MetricKind, NAME,
        NativeHistogram, STALE, Sample, Series, Start,
    },
    units::UnixMillis,
};

fn requests(
    batch: &mut Batch,
    sets: &LabelSets,
    limits: &Limits,
    version: Version,
) -> (Vec<Request>, Vec<Drop>) {
    Packer::new(limits, version).requests(batch, sets)
}

fn decoded(request: &Request) -> v2::Request {
    assert_eq!(request.version, Version::V2);
    v2::decode(&request.body, MAX_BODY_BYTES - 1).unwrap()
}

fn plain(request: &Request) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(&request.body).unwrap()
}

fn snappy(request: &v2::Request) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
}

/// Bytes that an independent encoder made: `up{job="t"}` with 1 at 1700000000000 and a stale marker a minute later.
#[test]
fn a_value_and_a_stale_marker_give_the_known_bytes() {
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    let up = sets.id([("job", "t"), (NAME, "up")].into_iter().collect());
    batch.push(up, UnixMillis(1_700_000_000_000), 1.0);
    batch.push(up, UnixMillis(1_700_000_060_000), STALE);
    let (sent, dropped) = requests(&mut batch, &sets, &Limits::default(), Version::V2);
    let known = "220022085f5f6e616d655f5f22027570\
                 22036a6f622201742a2a0a0401020304121009000000000000f03f1080d095ffbc31\
                 121009020000000000f07f10e0a499ffbc31";
    assert_eq!((hex::encode(plain(&sent[0])), dropped), (known.to_owned(), vec![]));
    assert_eq!((sent.len(), sent[0].series, sent[0].samples), (1, 1, 2));
}

#[test]
fn what_2_0_has_more_is_there() {
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    let told = |kind, help: &str, unit: &str| {
        Arc::new(Metadata { kind, help: help.to_owned(), unit: unit.to_owned() })
    };
    let labels = |name: &str| [(NAME, name), ("job", "t")].into_iter().collect::<LabelSet>();
    let orders = sets.id_of(labels("orders_total"), &told(MetricKind::Counter, "Orders.", ""));
    let sizes = sets.id_of(labels("sizes"), &told(MetricKind::Histogram, "", "bytes"));
    let untold = sets.id(labels("untold"));
    batch.push_since(orders, Start::at(UnixMillis(0)), UnixMillis(7), 3.0);
    let exemplar = |value| Exemplar {
        labels: vec![Label { name: "trace_id".into(), value: "t".into() }],
        value,
        at: UnixMillis(6),
    };
    batch.push_exemplar(orders, exemplar(0.5));
    let start = Start::at(UnixMillis(5));
    batch.push_histogram(sizes, NativeHistogram { at: UnixMillis(7), start, count: 4, ..Default::default() });
    batch.push_exemplar(sizes, exemplar(1.5));
    batch.push(untold, UnixMillis(7), 1.0);
    let (sent, _) = requests(&mut batch, &sets, &Limits::default(), Version::V2);
    let request = decoded(&sent[0]);
    assert_eq!(
        request.symbols,
        ["", NAME, "orders_total", "job", "t", "trace_id", "Orders.", "sizes", "bytes", "untold"]
    );
    let [orders, sizes, untold] = &request.timeseries[..] else { panic!("{request:?}") };
    assert_eq!(request.labels(&orders.labels_refs).unwrap(), [(NAME, "orders_total"), ("job", "t")]);
    assert_eq!(orders.samples, [v2::Sample { value: 3.0, timestamp: 7, start_timestamp: 1 }]);
    assert_eq!(
        orders.exemplars,
        [v2::Exemplar { labels_refs: vec![5, 4], value: 0.5, timestamp: 6 }],
        "the value t is in the table already"
    );
    assert_eq!(orders.metadata, Some(v2::Metadata { r#type: 1, help_ref: 6, unit_ref: 0 }));
    assert_eq!((sizes.histograms[0].start_timestamp, sizes.exemplars.len()), (5, 1));
    assert_eq!(sizes.metadata, Some(v2::Metadata { r#type: 3, help_ref: 0, unit_ref: 8 }));
    assert_eq!((untold.samples[0].start_timestamp, untold.metadata), (0, None));
}

#[test]
fn a_series_has_one_kind_of_value_in_2_0() {
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    let both = sets.id([(NAME, "both")].into_iter().collect());
    batch.push(both, UnixMillis(2), 1.0);
    batch.push_histogram(both, NativeHistogram { at: UnixMillis(1), ..Default::default() });
    let (sent, _) = requests(&mut batch, &sets, &Limits::default(), Version::V2);
    let kinds: Vec<_> =
        decoded(&sent[0]).timeseries.iter().map(|s| (s.samples.len(), s.histograms.len())).collect();
    assert_eq!((kinds, sent[0].series, sent[0].samples), (vec![(1, 0), (0, 1)], 2, 2));
}

#[test]
fn a_body_that_breaks_a_rule_of_2_0_is_an_error() {
    let sample = v2::Sample { value: 1.0, timestamp: 1, start_timestamp: 0 };
    let good = v2::Request {
        symbols: ["", "a", "b"].map(str::to_owned).into(),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2],
            samples: vec![sample],
            metadata: Some(v2::Metadata::default()),
            ..v2::TimeSeries::default()
        }],
    };
    let decode = |request: &v2::Request| v2::decode(&snappy(request), 1_000);
    assert_eq!(decode(&good).unwrap(), good);
    let broken = |breaks: &dyn Fn(&mut v2::Request)| {
        let mut request = good.clone();
        breaks(&mut request);
        decode(&request).unwrap_err().to_string()
    };
    for (breaks, want) in [
        (&(|r: &mut v2::Request| r.symbols[0] = "x".into()) as &dyn Fn(&mut v2::Request), "symbol 0"),
        (&|r| r.symbols.clear(), "symbol 0"),
        (&|r| r.timeseries[0].labels_refs[0] = 3, "symbol table, series 0"),
        (&|r| r.timeseries[0].labels_refs.truncate(1), "lacks its value"),
        (&|r| r.timeseries[0].metadata.as_mut().unwrap().help_ref = 3, "help or unit"),
        (&|r| r.timeseries[0].metadata.as_mut().unwrap().unit_ref = 9, "help or unit"),
        (&|r| r.timeseries[0].samples.clear(), "either"),
        (&|r| r.timeseries[0].histograms.push(v2::Histogram::default()), "either"),
        (
            &|r| r.timeseries[0].exemplars.push(v2::Exemplar { labels_refs: vec![1], ..Default::default() }),
            "exemplar",
        ),
    ] {
        let error = broken(breaks);
        assert!(error.contains(want), "{want}: {error}");
    }
    assert!(matches!(v2::decode(&snappy(&good), 3), Err(v2::DecodeError::TooLarge { max: 3, .. })));
    assert!(matches!(v2::decode(b"\x01", 9), Err(v2::DecodeError::Snappy(_))));
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    batch.push(sets.id([("a", "b")].into_iter().collect()), UnixMillis(1), 1.0);
    let (v1, _) = requests(&mut batch, &sets, &Limits::default(), Version::V1);
    assert!(v2::decode(&v1[0].body, 1_000).is_err(), "the numbers of 1.0 are reserved");
}

#[test]
fn labels_that_pass_the_limit_alone_are_not_tried_again_for_every_sample() {
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    let long = sets.id([(NAME, "x".repeat(1_000_000))].into_iter().collect());
    (0..100_000).for_each(|at| batch.push(long, UnixMillis(at), 1.0));
    let limits = Limits { samples: usize::MAX, ..Limits::default() };
    let (sent, dropped) = requests(&mut batch, &sets, &limits, Version::V2);
    assert_eq!((sent, dropped), (vec![], vec![Drop { reason: "too_large", samples: 100_000 }]));
}

// --- any batch -------------------------------------------------------------------------------------------------------

/// A series in the making.
#[derive(Clone, Debug)]
struct Made {
    labels: LabelSet,
    metadata: Option<Metadata>,
    samples: Vec<Sample>,
    exemplars: Vec<Exemplar>,
    histograms: Vec<NativeHistogram>,
}

/// Without minus zero, which prost leaves out: the messages could not say byte by byte what is sent.
fn any_value() -> impl Strategy<Value = f64> {
    let value = prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(STALE), Just(0.0)];
    value.prop_map(|value| if value == 0.0 { 0.0 } else { value })
}

fn any_start() -> impl Strategy<Value = Start> {
    prop_oneof![Just(Start::UNKNOWN), any::<i64>().prop_map(|at| Start::at(UnixMillis(at)))]
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    let kind = prop_oneof![Just(MetricKind::Unknown), Just(MetricKind::Counter), Just(MetricKind::Summary)];
    (kind, "[a-c\n\"]{0,3}", "[x-z]{0,1}").prop_map(|(kind, help, unit)| Metadata { kind, help, unit })
}

fn any_exemplar() -> impl Strategy<Value = Exemplar> {
    let label = ("[a-d]{1,2}", "[x-z]{0,2}").prop_map(|(name, value)| Label { name, value });
    (vec(label, 0..3), any_value(), any::<i64>()).prop_map(|(labels, value, at)| Exemplar {
        labels,
        value,
        at: UnixMillis(at),
    })
}

fn any_histogram() -> impl Strategy<Value = NativeHistogram> {
    let buckets = || {
        let span = (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| BucketSpan { offset, length });
        (vec(span, 0..3), vec(any::<i64>(), 0..4)).prop_map(|(spans, deltas)| Buckets { spans, deltas })
    };
    let numbers = (any::<i64>(), any_start(), any::<u64>(), any_value(), -4..9i32);
    (numbers, (any_value(), any::<u64>()), buckets(), buckets()).prop_map(
        |((at, start, count, sum, schema), (zero_threshold, zero_count), negative, positive)| {
            let zero_threshold = zero_threshold.abs();
            let at = UnixMillis(at);
            NativeHistogram { at, start, count, sum, schema, zero_threshold, zero_count, negative, positive }
        },
    )
}

fn any_series() -> impl Strategy<Value = Vec<Made>> {
    let labels = vec(("[a-d]{1,2}", "[x-z]{0,1}|é{40}"), 0..4);
    let labels = labels.prop_map(|pairs| pairs.into_iter().collect::<LabelSet>());
    let sample = (any::<i64>(), any_value(), any_start());
    let sample = sample.prop_map(|(at, value, start)| Sample { start, ..Sample::new(UnixMillis(at), value) });
    let values = (vec(sample, 0..9), vec(any_exemplar(), 0..3), vec(any_histogram(), 0..3));
    let one = (labels, option::of(any_metadata()), values);
    let one = one.prop_map(|(labels, metadata, (samples, exemplars, histograms))| Made {
        labels,
        metadata,
        samples,
        exemplars,
        histograms,
    });
    vec(one, 0..12)
}

fn collected(series: &[Made]) -> (LabelSets, Batch) {
    let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
    for one in series {
        let id = match &one.metadata {
            Some(metadata) => sets.id_of(one.labels.clone(), &Arc::new(metadata.clone())),
            None => sets.id(one.labels.clone()),
        };
        one.samples.iter().for_each(|s| batch.push_since(id, s.start, s.at, s.value));
        one.exemplars.iter().for_each(|exemplar| batch.push_exemplar(id, exemplar.clone()));
        one.histograms.iter().for_each(|histogram| batch.push_histogram(id, histogram.clone()));
    }
    (sets, batch)
}

/// All of a batch, line by line, as a version can tell it: values by their bits.
fn told(batch: &mut Batch, sets: &LabelSets, version: Version) -> Vec<String> {
    let sendable = |v: f64| match v.to_bits() {
        bits if v.is_nan() && bits != STALE.to_bits() => 0x7ff8_0000_0000_0001,
        bits => bits,
    };
    let since = |start: Start| if version == Version::V2 { start.known() } else { None };
    let mut lines = Vec::new();
    let mut tell = |series: Series<'_>| {
        if series.samples.is_empty() && series.histograms.is_empty() {
            return;
        }
        let metadata = sets.metadata(series.id).filter(|_| version == Version::V2);
        let head = format!("{:?} {metadata:?}", sets.get(series.id).unwrap());
        for (_, s) in series.samples {
            lines.push(format!("{head} {} {} {:?}", s.at, sendable(s.value), since(s.start)));
        }
        for (_, e) in series.exemplars {
            lines.push(format!("{head} # {:?} {} {}", e.labels, e.at, sendable(e.value)));
        }
        for (_, h) in series.histograms {
            let (sum, zero_threshold) = (sendable(h.sum), h.zero_threshold.to_bits());
            let numbers = (h.at, since(h.start), h.count, sum, h.schema, zero_threshold, h.zero_count);
            lines.push(format!("{head} {numbers:?} {:?} {:?}", h.negative, h.positive));
        }
    };
    batch.by_series().for_each(&mut tell);
    lines.sort_unstable();
    lines
}

fn any_version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1), Just(Version::V2)]
}

/// What every request of 2.0 owes.
fn check(request: &Request) {
    let message = decoded(request);
    assert_eq!(message.encode_to_vec(), plain(request), "byte by byte what the messages encode");
    let symbols: HashSet<_> = message.symbols.iter().collect();
    assert_eq!(symbols.len(), message.symbols.len(), "each string once");
    let mut used: HashSet<u32> = HashSet::from([0]);
    for series in &message.timeseries {
        let labels = message.labels(&series.labels_refs).unwrap();
        assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "sorted and unique");
        assert!(series.samples.is_sorted_by_key(|sample| sample.timestamp));
        assert!(series.histograms.is_sorted_by_key(|histogram| histogram.timestamp));
        used.extend(&series.labels_refs);
        used.extend(series.exemplars.iter().flat_map(|exemplar| &exemplar.labels_refs));
        used.extend(series.metadata.iter().flat_map(|told| [told.help_ref, told.unit_ref]));
    }
    assert_eq!(used.len(), message.symbols.len(), "no string that nothing refers to");
    let samples: usize = message.timeseries.iter().map(|s| s.samples.len() + s.histograms.len()).sum();
    assert_eq!((request.series, request.samples), (message.timeseries.len(), samples));
}

proptest! {
    #[test]
    fn what_goes_into_requests_comes_out_of_them(
        series in any_series(), version in any_version(), body_bytes in 1_000usize..4_000, samples in 1usize..30,
    ) {
        let (sets, mut batch) = collected(&series);
        let limits = Limits { body_bytes, samples };
        let (sent, dropped) = requests(&mut batch, &sets, &limits, version);
        prop_assert!(dropped.is_empty(), "all fit alone");
        let mut back = Vec::new();
        for request in &sent {
            prop_assert!(plain(request).len() <= body_bytes);
            prop_assert!(0 < request.samples && request.samples <= samples);
            if version == Version::V2 {
                check(request);
            }
            let (mut batch, sets) = request.unpack().unwrap();
            back.extend(told(&mut batch, &sets, version));
        }
        back.sort_unstable();
        prop_assert_eq!(back, told(&mut batch, &sets, version));
    }

    /// As where a receiver turns out to know but 1.0.
    #[test]
    fn a_request_of_2_0_becomes_the_same_data_in_1_0(series in any_series()) {
        let (sets, mut batch) = collected(&series);
        let limits = Limits { body_bytes: 2_000, ..Limits::default() };
        let mut again = Vec::new();
        for request in requests(&mut batch, &sets, &limits, Version::V2).0 {
            let (mut batch, sets) = request.unpack().unwrap();
            for request in requests(&mut batch, &sets, &limits, Version::V1).0 {
                let (mut batch, sets) = request.unpack().unwrap();
                again.extend(told(&mut batch, &sets, Version::V1));
            }
        }
        again.sort_unstable();
        prop_assert_eq!(again, told(&mut batch, &sets, Version::V1));
    }

    #[test]
    fn tiny_limits_drop_and_count_rather_than_send_too_much(
        series in any_series(), body_bytes in 0usize..300, samples in 0usize..3,
    ) {
        let (sets, mut batch) = collected(&series);
        let (sent, dropped) = requests(&mut batch, &sets, &Limits { body_bytes, samples }, Version::V2);
        let lost: u64 = dropped.iter().filter(|d| d.reason == "too_large").map(|d| d.samples).sum();
        let kept: usize = sent.iter().map(|request| request.samples).sum();
        prop_assert_eq!(lost + kept as u64, batch.samples() as u64);
        sent.iter().for_each(check);
        prop_assert!(sent.iter().all(|request| plain(request).len() <= body_bytes));
    }

    #[test]
    fn no_body_makes_the_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = v2::decode(&bytes, 10_000);
        let _ = v2::decode(&snap::raw::Encoder::new().compress_vec(&bytes).unwrap(), 10_000);
    }
}
