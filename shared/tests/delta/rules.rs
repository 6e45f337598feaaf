//! Each rule alone.

use std::time::Duration;

use prost::Message;
use siphon_core::otlp::{
    Buckets, Exemplar, ExponentialHistogramPoint, HistogramPoint, MetricData, MetricsRequest,
    NO_RECORDED_VALUE, NumberPoint, NumberValue, Sum, delta::Limits,
};

use crate::build::*;

/// What becomes of counters' points, one request each, a second apart.
fn counted(points: Vec<NumberPoint>) -> (Vec<(u64, u64, f64)>, Vec<&'static str>) {
    let (mut all, mut reasons, mut deltas) = (Vec::new(), Vec::new(), accumulator(LIMITS));
    for (second, point) in (0..).zip(points) {
        let (made, dropped) = rewrite(&mut deltas, &request(vec![counter(vec![point])]), second);
        all.extend(sums(&made));
        reasons.extend(dropped.into_iter().map(|(reason, _)| reason));
    }
    (all, reasons)
}

#[test]
fn points_of_a_series_add_up() {
    let points = vec![int(10, 20, 3), int(20, 30, 4), int(40, 50, 0), int(45, 60, 5)];
    let want = vec![(10, 20, 3.0), (10, 30, 7.0), (10, 50, 7.0), (10, 60, 12.0)];
    assert_eq!(counted(points.clone()), (want.clone(), vec![]), "with a gap and an overlap");
    let (made, _) = rewrite(&mut accumulator(LIMITS), &request(vec![counter(points)]), 0);
    assert_eq!(sums(&made), want, "in one request");
}

#[test]
fn a_request_that_is_sent_again_counts_once() {
    let points = vec![int(10, 20, 3), int(10, 20, 3), int(20, 30, 4), int(20, 30, 4), int(5, 15, 1)];
    let (made, reasons) = counted(points);
    assert_eq!(made, [(10, 20, 3.0), (10, 30, 7.0)]);
    assert_eq!(reasons, ["out_of_order"; 3]);
    assert_eq!(counted(vec![int(0, 0, 3)]).1, ["out_of_order"], "no time at all");
}

#[test]
fn a_point_far_ahead_blocks_its_series_until_that_is_forgotten() {
    let mut deltas = accumulator(LIMITS);
    let mut count = |point, seconds| {
        let (made, dropped) = rewrite(&mut deltas, &request(vec![counter(vec![point])]), seconds);
        (sums(&made), dropped)
    };
    count(int(1, u64::MAX, 3), 0);
    assert_eq!(count(int(1, 5, 3), 3600), (vec![], vec![("out_of_order", 1)]));
    assert_eq!(count(int(1, 9, 3), 3601), (vec![(1, 9, 3.0)], vec![]));
}

#[test]
fn whole_numbers_stay_whole_until_a_real_one_comes() {
    let mut deltas = accumulator(LIMITS);
    let points = vec![int(0, 1, 1 << 60), int(0, 2, 1), double(0, 3, 0.5), int(0, 4, 2)];
    let (made, _) = rewrite(&mut deltas, &request(vec![counter(points)]), 0);
    let Some(MetricData::Sum(sum)) = &metrics(&made).next().unwrap().data else { unreachable!() };
    let values: Vec<_> = sum.points.iter().map(|point| point.value.unwrap()).collect();
    let large = (1u64 << 60) as f64;
    let want = [
        NumberValue::Int(1 << 60),
        NumberValue::Int((1 << 60) + 1),
        NumberValue::Double(large + 1.5),
        NumberValue::Double(large + 3.5),
    ];
    assert_eq!(values, want);
}

#[test]
fn a_total_that_no_longer_fits_begins_anew() {
    let points = vec![int(1, 10, i64::MAX), int(10, 20, 1), int(5, 30, 2)];
    assert_eq!(counted(points).0, [(1, 10, i64::MAX as f64), (10, 20, 1.0), (10, 30, 3.0)]);
    let points = vec![double(1, 10, f64::MAX), double(0, 20, f64::MAX)];
    assert_eq!(counted(points).0, [(1, 10, f64::MAX), (10, 20, f64::MAX)]);
    let large =
        |time, count, sum| HistogramPoint { time_unix_nano: time, count, sum, ..HistogramPoint::default() };
    let points =
        vec![large(1, u64::MAX, Some(1.0)), large(2, 2, Some(f64::MAX)), large(3, 1, Some(f64::MAX))];
    let (made, _) = rewrite(&mut accumulator(LIMITS), &request(vec![histogram(points)]), 0);
    let made: Vec<_> = histograms(&made).iter().map(|p| (p.start_time_unix_nano, p.count)).collect();
    assert_eq!(made, [(0, u64::MAX), (1, 2), (2, 1)]);
}

#[test]
fn what_cannot_be_added_costs_itself_only() {
    for bad in [double(1, 20, f64::NAN), double(1, 20, f64::INFINITY), double(1, 20, -0.5), int(1, 20, -1)] {
        let points = vec![int(1, 10, 1), bad.clone(), int(1, 20, 2)];
        assert_eq!(counted(points), (vec![(1, 10, 1.0), (1, 20, 3.0)], vec!["invalid"]), "{bad:?}");
    }
    let points = vec![double(1, 10, -2.5), int(1, 20, -1)];
    let updown = metric("u", MetricData::Sum(Sum { points, temporality: DELTA, monotonic: false }));
    let (made, _) = rewrite(&mut accumulator(LIMITS), &request(vec![updown]), 0);
    assert_eq!(sums(&made), [(1, 10, -2.5), (1, 20, -3.5)], "what is no counter may go down");
    let point = HistogramPoint { time_unix_nano: 1, sum: Some(f64::NAN), ..HistogramPoint::default() };
    let dropped = rewrite(&mut accumulator(LIMITS), &request(vec![histogram(vec![point])]), 0).1;
    assert_eq!(dropped, [("invalid", 1)]);
    let coarse =
        ExponentialHistogramPoint { time_unix_nano: 1, scale: -5, ..ExponentialHistogramPoint::default() };
    let far = Buckets { offset: i32::MAX, counts: vec![1, 1] };
    let far = ExponentialHistogramPoint { scale: 0, positive: Some(far), ..coarse.clone() };
    let points =
        vec![coarse, far, ExponentialHistogramPoint { zero_threshold: -1.0, ..point_at(1, 0, 0, &[1]) }];
    let dropped = rewrite(&mut accumulator(LIMITS), &request(vec![exponential(points)]), 0).1;
    assert_eq!(dropped, [("invalid", 3)]);
}

#[test]
fn the_order_of_attributes_does_not_matter_but_all_else_does() {
    let mut deltas = accumulator(LIMITS);
    let mut count = |change: &dyn Fn(&mut MetricsRequest), time| {
        let mut point = int(0, time, 1);
        point.attributes = attributes(&[("a", "1"), ("b", "2")]);
        let mut request = request(vec![counter(vec![point])]);
        change(&mut request);
        sums(&rewrite(&mut deltas, &request, 0).0)[0].2
    };
    assert_eq!(count(&|_| {}, 1), 1.0);
    let reversed = |request: &mut MetricsRequest| {
        let resource = &mut request.resource_metrics[0];
        resource.resource.as_mut().unwrap().attributes.reverse();
        points_of(request)[0].attributes.reverse();
    };
    assert_eq!(count(&reversed, 2), 2.0);
    let changes: [&dyn Fn(&mut MetricsRequest); 9] = [
        &|r| r.resource_metrics[0].resource.as_mut().unwrap().attributes[0].key.push('x'),
        &|r| r.resource_metrics[0].resource = None,
        &|r| r.resource_metrics[0].scope_metrics[0].scope.as_mut().unwrap().name.push('x'),
        &|r| r.resource_metrics[0].scope_metrics[0].scope.as_mut().unwrap().version.push('x'),
        &|r| r.resource_metrics[0].scope_metrics[0].scope.as_mut().unwrap().attributes.clear(),
        &|r| r.resource_metrics[0].scope_metrics[0].metrics[0].name.push('x'),
        &|r| r.resource_metrics[0].scope_metrics[0].metrics[0].unit.push('x'),
        &|r| drop(points_of(r)[0].attributes.pop()),
        &|r| sum_of(r).monotonic = false,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert_eq!(count(change, 3), 1.0, "change {index}");
        assert_eq!(count(change, 4), 2.0, "change {index}");
    }
    let described = |r: &mut MetricsRequest| {
        r.resource_metrics[0].scope_metrics[0].metrics[0].description.push_str("what it is");
    };
    assert_eq!(count(&described, 3), 3.0, "a description is no part of it");
}

fn sum_of(request: &mut MetricsRequest) -> &mut Sum {
    match request.resource_metrics[0].scope_metrics[0].metrics[0].data.as_mut() {
        Some(MetricData::Sum(sum)) => sum,
        other => unreachable!("{other:?}"),
    }
}

fn points_of(request: &mut MetricsRequest) -> &mut Vec<NumberPoint> {
    &mut sum_of(request).points
}

fn bucketed(time: u64, bounds: &[f64], counts: &[u64]) -> HistogramPoint {
    HistogramPoint {
        start_time_unix_nano: time - 1,
        time_unix_nano: time,
        count: counts.iter().sum(),
        sum: Some(1.5),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        exemplars: vec![Exemplar { time_unix_nano: time, ..Exemplar::default() }],
        attributes: attributes(&[("a", "1")]),
        flags: 0,
    }
}

#[test]
fn a_histogram_adds_up_until_its_bounds_change() {
    let mut deltas = accumulator(LIMITS);
    let points = vec![
        bucketed(10, &[1.0, 2.0], &[1, 0, 2]),
        bucketed(20, &[1.0, 2.0], &[0, 5, 1]),
        bucketed(30, &[1.0, 3.0], &[1, 1, 1]),
        bucketed(40, &[1.0], &[2, 1]),
    ];
    let (made, dropped) = rewrite(&mut deltas, &request(vec![histogram(points.clone())]), 0);
    let want = [
        HistogramPoint { start_time_unix_nano: 9, ..points[0].clone() },
        HistogramPoint {
            start_time_unix_nano: 9,
            count: 9,
            sum: Some(3.0),
            bucket_counts: vec![1, 5, 3],
            ..points[1].clone()
        },
        HistogramPoint { start_time_unix_nano: 29, ..points[2].clone() },
        HistogramPoint { start_time_unix_nano: 39, ..points[3].clone() },
    ];
    assert_eq!((&histograms(&made)[..], dropped), (&want[..], vec![]));

    let none = HistogramPoint { sum: None, ..bucketed(50, &[1.0], &[1, 1]) };
    let (made, _) =
        rewrite(&mut deltas, &request(vec![histogram(vec![none, bucketed(60, &[1.0], &[0, 1])])]), 0);
    let made: Vec<_> = histograms(&made).iter().map(|point| (point.count, point.sum)).collect();
    assert_eq!(made, [(5, None), (6, None)], "a missing sum can't be made up for");
}

fn point_at(time: u64, scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramPoint {
    ExponentialHistogramPoint {
        time_unix_nano: time,
        count: counts.iter().sum(),
        sum: Some(1.0),
        scale,
        positive: Some(Buckets { offset, counts: counts.to_vec() }),
        ..ExponentialHistogramPoint::default()
    }
}

/// The last total of these points: scale, offset, counts.
fn merged(points: Vec<ExponentialHistogramPoint>) -> (i32, i32, Vec<u64>) {
    let (made, dropped) = rewrite(&mut accumulator(LIMITS), &request(vec![exponential(points)]), 0);
    assert_eq!(dropped, []);
    let last = exponentials(&made).pop().unwrap();
    let positive = last.positive.unwrap_or_default();
    (last.scale, positive.offset, positive.counts)
}

#[test]
fn exponential_histograms_take_the_lowest_scale_and_at_most_160_buckets() {
    assert_eq!(merged(vec![point_at(1, 0, 3, &[1, 2]), point_at(2, 0, 6, &[4])]), (0, 3, vec![1, 2, 0, 4]));
    assert_eq!(merged(vec![point_at(1, 1, -3, &[1, 2, 4]), point_at(2, 0, -2, &[8])]), (0, -2, vec![9, 6]));
    assert_eq!(merged(vec![point_at(1, 0, -2, &[8]), point_at(2, 1, -3, &[1, 2, 4])]), (0, -2, vec![9, 6]));
    assert_eq!(merged(vec![point_at(1, 10, 4, &[1, 2])]), (8, 1, vec![3]), "finer than Prometheus knows");
    assert_eq!(merged(vec![point_at(1, i32::MAX, 4, &[1, 2])]), (8, 0, vec![3]));
    assert_eq!(merged(vec![point_at(1, 0, 0, &[1]), point_at(2, 0, 159, &[1])]).0, 0);
    let (scale, offset, counts) = merged(vec![point_at(1, 0, 0, &[1]), point_at(2, 0, 160, &[1])]);
    assert_eq!((scale, offset, counts.len()), (-1, 0, 81));
    let empty_edges = merged(vec![point_at(1, 0, -1_000_000, &[0; 300]), point_at(2, 0, 5, &[0, 1, 0])]);
    assert_eq!(empty_edges, (0, 6, vec![1]), "empty buckets at the edges take no room");
}

#[test]
fn both_signs_and_the_zero_bucket_add_up() {
    let one = ExponentialHistogramPoint {
        zero_count: 2,
        negative: Some(Buckets { offset: 1, counts: vec![1] }),
        start_time_unix_nano: 5,
        ..point_at(10, 0, 0, &[3])
    };
    let (made, _) = rewrite(
        &mut accumulator(LIMITS),
        &request(vec![exponential(vec![
            one.clone(),
            ExponentialHistogramPoint { time_unix_nano: 20, ..one.clone() },
        ])]),
        0,
    );
    let twice = ExponentialHistogramPoint {
        time_unix_nano: 20,
        count: 6,
        sum: Some(2.0),
        zero_count: 4,
        positive: Some(Buckets { offset: 0, counts: vec![6] }),
        negative: Some(Buckets { offset: 1, counts: vec![2] }),
        ..one.clone()
    };
    assert_eq!(exponentials(&made), [one, twice]);
}

#[test]
fn the_widest_zero_bucket_takes_in_what_lies_within_it() {
    // At scale 0 bucket i is of the values over 2^i up to 2^(i + 1).
    let wide = |threshold| ExponentialHistogramPoint {
        zero_threshold: threshold,
        zero_count: 1,
        negative: Some(Buckets { offset: 0, counts: vec![7] }),
        ..point_at(2, 0, 3, &[1])
    };
    for (threshold, want_threshold, want_zero, want_counts, want_negative) in [
        (0.5, 0.5, 1, (0, vec![1, 2, 4, 1]), 7),
        (2.0, 2.0, 9, (1, vec![2, 4, 1]), 0),
        (3.0, 4.0, 11, (2, vec![4, 1]), 0),
        (16.0, 16.0, 16, (0, vec![]), 0),
    ] {
        let points = vec![point_at(1, 0, 0, &[1, 2, 4]), wide(threshold)];
        let (made, _) = rewrite(&mut accumulator(LIMITS), &request(vec![exponential(points)]), 0);
        let last = exponentials(&made).pop().unwrap();
        let positive = last.positive.unwrap_or_default();
        let negative = last.negative.unwrap_or_default().counts.iter().sum::<u64>();
        assert_eq!((last.zero_threshold, last.zero_count), (want_threshold, want_zero), "{threshold}");
        assert_eq!(
            ((positive.offset, positive.counts), negative),
            (want_counts, want_negative),
            "{threshold}"
        );
    }
}

#[test]
fn a_point_without_recorded_value_passes_and_ends_its_series() {
    let mut deltas = accumulator(LIMITS);
    let end = NumberPoint { flags: NO_RECORDED_VALUE, value: None, ..int(7, 20, 0) };
    let given = request(vec![counter(vec![int(1, 10, 3), end.clone(), int(20, 30, 4)])]);
    let (made, dropped) = rewrite(&mut deltas, &given, 0);
    let Some(MetricData::Sum(sum)) = &metrics(&made).next().unwrap().data else { unreachable!() };
    assert_eq!(sum.points, [int(1, 10, 3), end.clone(), int(20, 30, 4)]);
    assert_eq!(dropped, []);
    let (_, dropped) = rewrite(&mut deltas, &request(vec![counter(vec![end])]), 0);
    assert_eq!(dropped, [("out_of_order", 1)], "nor does it end what came after it");
}

#[test]
fn new_series_beyond_the_limit_are_dropped_and_the_others_go_on() {
    let mut deltas = accumulator(Limits { series: 2, ..LIMITS });
    let mut count = |names: &[&str], time, seconds| {
        let named = |name: &&str| NumberPoint { attributes: attributes(&[("n", name)]), ..int(0, time, 1) };
        let (made, dropped) =
            rewrite(&mut deltas, &request(vec![counter(names.iter().map(named).collect())]), seconds);
        (sums(&made).iter().map(|(.., value)| *value).collect::<Vec<_>>(), dropped)
    };
    assert_eq!(count(&["a", "b", "c", "d"], 1, 0), (vec![1.0, 1.0], vec![("series_limit", 2)]));
    assert_eq!(count(&["a", "c", "b"], 2, 10), (vec![2.0, 2.0], vec![("series_limit", 1)]));
    assert_eq!(count(&["a"], 3, 3000), (vec![3.0], vec![]));
    assert_eq!(
        count(&["a", "c", "b"], 4, 3700),
        (vec![4.0, 1.0], vec![("series_limit", 1)]),
        "b made room for c"
    );
}

#[test]
fn a_series_that_is_not_seen_for_long_begins_anew() {
    let mut deltas = accumulator(LIMITS);
    let mut count = |start, time, seconds| {
        sums(&rewrite(&mut deltas, &request(vec![counter(vec![int(start, time, 1)])]), seconds).0)
    };
    assert_eq!(count(1, 2, 100), [(1, 2, 1.0)]);
    assert_eq!(count(5, 6, 3700), [(1, 6, 2.0)]);
    assert_eq!(count(7, 8, 7301), [(7, 8, 1.0)]);
    assert_eq!(count(0, 9, 20_000), [(0, 9, 1.0)], "who doesn't say since when isn't asked");
}

#[test]
fn histograms_have_room_for_so_many_buckets_together() {
    let mut deltas = accumulator(Limits { series: 4, ..LIMITS });
    let bounds = vec![1.0; 150];
    let named = |name: &str| HistogramPoint {
        attributes: attributes(&[("n", name)]),
        ..bucketed(10, &bounds, &vec![1; bounds.len() + 1])
    };
    let (made, dropped) = rewrite(&mut deltas, &request(vec![histogram(vec![named("a"), named("b")])]), 0);
    assert_eq!((histograms(&made).len(), dropped), (1, vec![("series_limit", 1)]));
    let plain = |name: &str| NumberPoint { attributes: attributes(&[("n", name)]), ..int(0, 1, 1) };
    let (_, dropped) = rewrite(&mut deltas, &request(vec![counter(["a", "b", "c"].map(plain).to_vec())]), 0);
    assert_eq!(dropped, [("series_limit", 1)], "sums take what is left");
    let (made, _) = rewrite(&mut deltas, &request(vec![histogram(vec![bucketed(20, &[], &[])])]), 3601);
    assert_eq!(histograms(&made).len(), 1, "what is forgotten leaves its room");
}

#[test]
fn an_exponential_histogram_without_room_lowers_its_scale() {
    let mut deltas = accumulator(Limits { series: 1, ..LIMITS });
    let points = vec![point_at(1, 0, 0, &[1; 32]), point_at(2, 0, 32, &[1; 32]), point_at(3, 0, 63, &[1])];
    let (made, dropped) = rewrite(&mut deltas, &request(vec![exponential(points)]), 0);
    let shape = |p: &ExponentialHistogramPoint| (p.scale, p.positive.as_ref().unwrap().counts.len(), p.count);
    let shapes: Vec<_> = exponentials(&made).iter().map(shape).collect();
    assert_eq!((shapes, dropped), (vec![(0, 32, 32), (-1, 32, 64), (-1, 32, 65)], vec![]));
}

#[test]
fn a_total_that_has_no_room_in_its_request_is_told_by_the_next() {
    let mut deltas = accumulator(LIMITS);
    rewrite(&mut deltas, &request(vec![exponential(vec![point_at(1, 0, 0, &[1; 150])])]), 0);
    let small = request(vec![gauge(), exponential(vec![point_at(2, 0, 10, &[1])]), gauge()]).encode_to_vec();
    let made = deltas.rewrite(&small, small.len() + 100, Duration::ZERO).unwrap().unwrap();
    let dropped: Vec<_> = made.dropped.by_reason().map(|(_, count)| count).collect();
    assert_eq!((dropped, made.request.len() <= small.len()), (vec![0, 0, 0, 1], true));
    let names: Vec<_> =
        metrics(&MetricsRequest::decode(&made.request[..]).unwrap()).map(|m| m.name.clone()).collect();
    assert_eq!(names, ["g", "g"]);
    let next = request(vec![exponential(vec![point_at(3, 0, 10, &[1])])]);
    assert_eq!(exponentials(&rewrite(&mut deltas, &next, 0).0)[0].count, 152);
}

#[test]
fn nothing_to_add_is_nothing_to_do() {
    let mut deltas = accumulator(LIMITS);
    let cumulative =
        MetricData::Sum(Sum { points: vec![int(1, 2, 3)], temporality: CUMULATIVE, monotonic: true });
    let unspecified = MetricData::Sum(Sum { points: vec![int(1, 2, 3)], temporality: 0, monotonic: true });
    let plain = request(vec![gauge(), metric("c", cumulative), metric("u", unspecified)]);
    assert!(deltas.rewrite(&plain.encode_to_vec(), NO_LIMIT, Duration::ZERO).unwrap().is_none());
    assert!(deltas.rewrite(b"", NO_LIMIT, Duration::ZERO).unwrap().is_none());
    let fault = deltas.rewrite(b"\x0a\x05\x12", NO_LIMIT, Duration::ZERO).unwrap_err();
    assert_eq!(fault.at, 1);
}
