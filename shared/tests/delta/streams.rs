//! Random streams of points: the last total is their sum, and what is no delta stays byte for byte.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*, sample::select};
use prost::Message;
use siphon_core::otlp::{
    Buckets, ExponentialHistogramPoint, HistogramPoint, KeyValue, Metric, MetricData, MetricsRequest, Sum,
    delta::Accumulator,
};

use crate::{
    build::*,
    model::{Given, Kind, Model, Total, buckets},
};

/// A request as far down as its metrics, which stay bytes.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resources>,
}

#[derive(Clone, PartialEq, Message)]
struct Resources {
    #[prost(bytes = "vec", tag = "1")]
    resource: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scopes>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Scopes {
    #[prost(bytes = "vec", tag = "1")]
    scope: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    metrics: Vec<Vec<u8>>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

prop_compose! {
    fn any_given()(
        series in 0..3usize,
        kind in select(&[Kind::Counter, Kind::Histogram, Kind::Exponential][..]),
        after in prop_oneof![8 => 1i64..50, 1 => -20i64..=0],
        amounts in vec(0u8..9, 1..4),
        scale in -4..12,
        offset in -300..300,
    ) -> Given {
        let offset = if scale < 0 { offset / 5 } else { offset }; // no double is further out
        Given { series, kind, after, amounts, scale, offset }
    }
}

fn shuffled(series: usize) -> impl Strategy<Value = Vec<KeyValue>> {
    let number = series.to_string();
    Just(attributes(&[("a", "1"), ("b", "2"), ("series", &number)])).prop_shuffle()
}

/// A point with its attributes in any order, or something that has to stay as it is.
fn any_item() -> impl Strategy<Value = Option<(Given, Vec<KeyValue>)>> {
    let point =
        any_given().prop_flat_map(|given| shuffled(given.series).prop_map(move |a| Some((given.clone(), a))));
    prop_oneof![4 => point, 1 => Just(None)]
}

/// A metric of one delta point.
fn delta_metric(given: &Given, attributes: Vec<KeyValue>, time: u64) -> Metric {
    let counts: Vec<u64> = given.amounts.iter().copied().map(u64::from).collect();
    let (start_time_unix_nano, time_unix_nano, count) = (time - 1, time, counts.iter().sum());
    match given.kind {
        Kind::Counter => {
            let mut point = int(start_time_unix_nano, time, i64::try_from(count).unwrap());
            point.attributes = attributes;
            counter(vec![point])
        }
        Kind::Histogram => histogram(vec![HistogramPoint {
            start_time_unix_nano,
            time_unix_nano,
            count,
            sum: Some(count as f64),
            explicit_bounds: (1..counts.len()).map(|bound| bound as f64).collect(),
            bucket_counts: counts,
            attributes,
            ..HistogramPoint::default()
        }]),
        Kind::Exponential => exponential(vec![ExponentialHistogramPoint {
            start_time_unix_nano,
            time_unix_nano,
            count,
            sum: Some(count as f64),
            scale: given.scale,
            positive: Some(Buckets { offset: given.offset, counts: counts.clone() }),
            negative: Some(Buckets { offset: -given.offset, counts }),
            attributes,
            ..ExponentialHistogramPoint::default()
        }]),
    }
}

/// What no accumulator has to do with: other kinds, other temporalities, fields that nobody knows.
fn other(index: usize) -> Vec<u8> {
    let sum = |temporality| {
        metric("c", MetricData::Sum(Sum { points: vec![int(1, 2, 3)], temporality, monotonic: true }))
    };
    match index % 4 {
        0 => gauge().encode_to_vec(),
        1 => sum(CUMULATIVE).encode_to_vec(),
        2 => sum(0).encode_to_vec(),
        _ => [&gauge().encode_to_vec()[..], b"\xa2\x06\x01x"].concat(),
    }
}

fn shell(metrics: Vec<Vec<u8>>) -> Request {
    let scopes = vec![Scopes { scope: b"\x0a\x03lib".to_vec(), metrics, schema_url: "scope".to_owned() }];
    let of = |name: &str| {
        let resource = siphon_core::otlp::Resource { attributes: attributes(&[("service.name", name)]) };
        resource.encode_to_vec()
    };
    let plain = Scopes { metrics: vec![other(0), other(3)], ..Scopes::default() };
    Request {
        resources: vec![
            Resources { resource: of("other"), scopes: vec![plain.clone()], schema_url: String::new() },
            Resources {
                resource: of("shop"),
                scopes: [scopes, vec![plain]].concat(),
                schema_url: "r".to_owned(),
            },
        ],
    }
}

/// The metrics in the place of [`shell`]'s. All around has to be as it was.
fn inner(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut request = Request::decode(bytes).unwrap();
    let metrics = std::mem::take(&mut request.resources[1].scopes[0].metrics);
    assert_eq!(request, shell(vec![]));
    metrics
}

fn check_total(metric: &[u8], given: &Given, total: &Total) {
    let request = request(vec![Metric::decode(metric).unwrap()]);
    let count = total.count;
    match given.kind {
        Kind::Counter => assert_eq!(sums(&request), [(total.start, total.time, count as f64)]),
        Kind::Histogram => {
            let point = &histograms(&request)[0];
            assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (total.start, total.time));
            assert_eq!((point.count, point.sum), (count, Some(count as f64)));
            assert_eq!(point.bucket_counts, total.counts);
        }
        Kind::Exponential => {
            let point = &exponentials(&request)[0];
            assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (total.start, total.time));
            assert_eq!((point.count, point.sum), (count, Some(count as f64)));
            let positive = buckets(&total.hits, point.scale);
            assert_eq!(given_buckets(point.positive.as_ref()), positive);
            assert_eq!(given_buckets(point.negative.as_ref()).values().sum::<u64>(), count);
        }
    }
}

fn given_buckets(side: Option<&Buckets>) -> BTreeMap<i64, u64> {
    let Some(side) = side else { return BTreeMap::new() };
    assert!(side.counts.len() <= 160);
    (i64::from(side.offset)..).zip(side.counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}

/// One export: each item a metric of its own.
fn export(deltas: &mut Accumulator, model: &mut Model, items: &[Option<(Given, Vec<KeyValue>)>]) {
    let (mut metrics, mut want, mut lost) = (Vec::new(), Vec::new(), 0);
    for (index, item) in items.iter().enumerate() {
        let Some((given, attributes)) = item else {
            metrics.push(other(index));
            want.push((other(index), None));
            continue;
        };
        let time = model.time(given);
        let metric = delta_metric(given, attributes.clone(), time).encode_to_vec();
        match model.add(given, time) {
            Some(total) => want.push((metric.clone(), Some((given, total)))),
            None => lost += 1,
        }
        metrics.push(metric);
    }
    let bytes = shell(metrics).encode_to_vec();
    let is_plain = items.iter().all(Option::is_none);
    let Some(made) = deltas.rewrite(&bytes, NO_LIMIT, Duration::ZERO).unwrap() else {
        return assert!(is_plain);
    };
    assert!(!is_plain);
    assert_eq!(made.dropped.total(), lost);
    let made = inner(&made.request);
    assert_eq!(made.len(), want.len());
    for (made, (given, total)) in made.iter().zip(want) {
        match total {
            None => assert_eq!(*made, given, "what is no delta stays byte for byte"),
            Some((given, total)) => check_total(made, given, &total),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_sums_and_all_else_stays(exports in vec(vec(any_item(), 0..8), 1..12)) {
        let (mut deltas, mut model) = (accumulator(LIMITS), Model::default());
        for items in &exports {
            export(&mut deltas, &mut model, items);
        }
    }

    #[test]
    fn whatever_comes_nothing_is_lost_unseen(bytes in vec(any::<u8>(), 0..60), at in any::<proptest::sample::Index>()) {
        let mut given = shell(vec![delta_metric(
            &Given { series: 0, kind: Kind::Exponential, after: 1, amounts: vec![1, 2], scale: 3, offset: 4 },
            vec![],
            10,
        ).encode_to_vec()]).encode_to_vec();
        let at = at.index(given.len());
        given.splice(at..(at + bytes.len() / 10).min(given.len()), bytes.iter().copied().take(3));
        let _ = accumulator(LIMITS).rewrite(&given, NO_LIMIT, Duration::ZERO);
        if let Ok(points) = siphon_core::otlp::check::metrics(&given)
            && let Some(made) = accumulator(LIMITS).rewrite(&given, NO_LIMIT, Duration::ZERO).unwrap()
        {
            let left = siphon_core::otlp::check::metrics(&made.request).unwrap();
            prop_assert_eq!(left + made.dropped.total(), points);
            MetricsRequest::decode(&made.request[..]).unwrap();
        }
    }
}
