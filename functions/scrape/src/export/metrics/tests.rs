//! Records share deliveries, come in parts, are taken apart, and end their series.

use bytes::Bytes;
use prost::Message;
use siphon_core::{
    otlp,
    units::UnixMillis,
    wire::{Count, Cursor, Kind, Page, Reading},
};

use super::{super::testing::page_of, *};
use crate::settings::Translation;

/// Eight series under the default filter.
fn page(readings: u64) -> Page {
    let payload = Bytes::from(Reading::encode(br#"{"TaskARN":"arn:task"}"#, b"{}"));
    let record = |sequence: u64| Record {
        kind: Kind::Ecs,
        sequence,
        arrived: UnixMillis(1000 + sequence.cast_signed()),
        payload: payload.clone(),
    };
    page_of((10..10 + readings).map(record).collect())
}

/// Cursor, and samples of each request, of every delivery.
fn delivered(page: &Page, limits: Limits) -> Vec<(Option<Cursor>, Vec<usize>)> {
    let options = Translation::default();
    let export = Export::new(page, &options);
    let samples = |d: Delivery<Outgoing>| d.items.iter().map(|item| item.request.samples).collect();
    let mut ends = Ends::default();
    export
        .metrics(None, true, limits, Version::V1, &mut ends)
        .map(|d| (d.completes.through, samples(d)))
        .collect()
}

#[test]
fn as_many_records_as_fit_one_request_share_a_cursor() {
    let limits = |samples| Limits { samples, ..Limits::default() };
    let through = |n| Some(Cursor(n));
    assert_eq!(delivered(&page(5), limits(40)), [(through(15), vec![40])]);
    assert_eq!(
        delivered(&page(5), limits(17)),
        [(through(12), vec![16]), (through(14), vec![16]), (through(15), vec![8])]
    );
    let bytes = Limits { body_bytes: 3000, ..Limits::default() };
    assert!(delivered(&page(40), bytes).iter().all(|(_, requests)| requests.len() == 1), "by bytes too");
    assert!(delivered(&page(40), bytes).len() > 1);
}

#[test]
fn a_record_that_needs_several_requests_has_them_under_one_cursor() {
    let limits = Limits { samples: 5, ..Limits::default() };
    let want = [(Some(Cursor(11)), vec![5, 3]), (Some(Cursor(12)), vec![5, 3])];
    assert_eq!(delivered(&page(2), limits), want);
}

#[test]
fn the_last_page_of_a_stopping_agent_ends_its_series_under_the_last_cursor() {
    let limits = |samples| Limits { samples, ..Limits::default() };
    let mut last = page(3);
    last.head.stopping = true;
    let through = |n| Some(Cursor(n));
    assert_eq!(delivered(&last, limits(100)), [(through(13), vec![32])]);
    let want = [(through(12), vec![16]), (through(13), vec![16])];
    assert_eq!(delivered(&last, limits(17)), want, "with the last record's own");
    assert_eq!(delivered(&last, limits(8)).last(), Some(&(through(13), vec![8, 8])), "whatever the limits");

    last.head.metrics.remaining_records = 1;
    assert_eq!(delivered(&last, limits(100)), [(through(13), vec![24])], "more is to come");
    assert_eq!(delivered(&page(3), limits(100)), [(through(13), vec![24])], "it goes on");
}

#[test]
fn what_is_repeated_goes_apart_from_what_is_new() {
    let through = |n| Some(Cursor(n));
    let mut again = page(3);
    again.head.stopping = true;
    again.head.counts = vec![Count::new("accepted_records", "ecs", "", 3)];
    again.head.metrics.handed_out_before = Cursor(13);
    let options = Translation::default();
    let export = Export::new(&again, &options);
    let mut ends = Ends::default();
    let limits = Limits { samples: 17, ..Limits::default() };
    let sent: Vec<_> = export.metrics(None, true, limits, Version::V1, &mut ends).collect();
    let items = |d: &Delivery<Outgoing>| -> Vec<(usize, bool)> {
        d.items.iter().map(|item| (item.request.samples, item.may_be_stored)).collect()
    };
    assert_eq!((sent[0].completes.through, items(&sent[0])), (through(12), vec![(16, true)]));
    let end = "the last record's, then its counter and the markers of nine series";
    assert_eq!(
        (sent[1].completes.through, items(&sent[1])),
        (through(13), vec![(8, true), (10, false)]),
        "{end}"
    );
}

#[test]
fn a_delivery_that_is_taken_apart_comes_again_record_by_record_with_what_was_added() {
    let through = |n| Some(Cursor(n));
    let items = |d: Delivery<Outgoing>| -> (Option<Cursor>, Vec<(usize, bool, usize)>) {
        let items = d.items.iter().map(|item| (item.request.samples, item.may_be_stored, item.records));
        (d.completes.through, items.collect())
    };
    let mut last = page(5);
    last.head.stopping = true;
    let options = Translation::default();
    for is_repeat in [false, true] {
        last.head.metrics.handed_out_before = Cursor(if is_repeat { 15 } else { 10 });
        let export = Export::new(&last, &options);
        let mut ends = Ends::default();
        let limits = Limits { samples: 25, ..Limits::default() };
        let mut deliveries = export.metrics(None, true, limits, Version::V1, &mut ends);
        assert_eq!(deliveries.next().map(items), Some((through(13), vec![(24, is_repeat, 3)])));
        deliveries.take_apart();
        let alone: Vec<_> = deliveries.by_ref().take(3).map(items).collect();
        let want = [11, 12, 13].map(|n| (through(n), vec![(8, true, 1)]));
        assert_eq!(alone, want);

        let together = if is_repeat { vec![(16, true, 2), (8, false, 1)] } else { vec![(24, false, 2)] };
        assert_eq!(deliveries.next().map(items), Some((through(15), together)), "with eight markers");
        deliveries.take_apart();
        let alone: Vec<_> = deliveries.map(items).collect();
        let markers = (8, !is_repeat, 1);
        let want = [(through(14), vec![(8, true, 1)]), (through(15), vec![(8, true, 1), markers])];
        assert_eq!(alone, want, "the markers went with the others the first time, but for a repeat");
    }
}

/// One request of so many points, each of a series of its own, whose resource has seven kilobytes.
fn heavy(points: usize) -> Record {
    let attribute = |key: &str, text: String| {
        let value = Some(otlp::AnyValue { value: Some(otlp::Value::String(text)) });
        otlp::KeyValue { key: key.to_owned(), value }
    };
    let point = |n: usize| otlp::NumberPoint {
        time_unix_nano: 1_000_000_000,
        attributes: vec![attribute("n", n.to_string())],
        ..otlp::NumberPoint::default()
    };
    let data = otlp::MetricData::Gauge(otlp::Gauge { points: (0..points).map(point).collect() });
    let metric = otlp::Metric { name: "g".to_owned(), data: Some(data), ..otlp::Metric::default() };
    let resource = Some(otlp::Resource { attributes: vec![attribute("heavy", "x".repeat(7_000))] });
    let scope_metrics = vec![otlp::ScopeMetrics { scope: None, metrics: vec![metric] }];
    let resource_metrics = vec![otlp::ResourceMetrics { resource, scope_metrics }];
    let payload = otlp::MetricsRequest { resource_metrics }.encode_to_vec().into();
    Record { kind: Kind::OtlpMetrics, sequence: 20, arrived: UnixMillis(1000), payload }
}

#[test]
fn a_request_that_makes_very_much_is_translated_in_parts_under_one_cursor() {
    let mut page = page(3);
    page.records.insert(2, heavy(5_000));
    page.records[3].sequence = 21;
    let parts = delivered(&page, Limits::default());
    let cursors: Vec<_> = parts.iter().map(|(cursor, _)| cursor.map(|cursor| cursor.0)).collect();
    assert_eq!(cursors[..2], [Some(12), None]);
    assert_eq!(cursors[cursors.len() - 1], Some(22));
    let samples: Vec<usize> = parts.iter().map(|(_, samples)| samples.iter().sum()).collect();
    assert_eq!(samples.iter().sum::<usize>(), 3 * 8 + 5_000);
    assert!(samples.iter().all(|samples| *samples <= PART_BYTES / 7_000 + 1), "{samples:?}");
    assert_eq!(delivered(&page, Limits::default()), parts, "the same each time");
}

/// Should a later part fail, the first comes again: it must not count with the records before it.
#[test]
fn a_part_shares_no_delivery_with_records_before_it_even_if_they_hold_nothing() {
    let nothing = Record { sequence: 19, payload: Bytes::new(), ..heavy(0) };
    let parts = delivered(&page_of(vec![nothing, heavy(5_000)]), Limits::default());
    assert_eq!(parts[0], (Some(Cursor(20)), vec![]));
    assert_eq!(parts[1].0, None);
}

#[test]
fn a_page_without_records_is_no_delivery() {
    assert!(delivered(&page(0), Limits::default()).is_empty());
}
