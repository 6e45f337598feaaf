//! The suite's table `TestEdgeCases`, and `TestRobustnessUnderLoad`.

use siphon_core::series::STALE;

use crate::{
    support::{Sender, capture, page},
    world::{ENOUGH, seconds_ago},
};

/// Nothing to send is no request, and is done with.
#[tokio::test]
async fn empty_scrape() {
    let sender = Sender::new().await;
    let scraped = sender.send(Vec::new()).await;
    assert_eq!((sender.receiver.requests().len(), sender.acked()), (0, 1));
    assert!(scraped.failed.is_empty());
}

#[test]
fn huge_label_values() {
    assert_eq!(capture().case("labelled", "huge").get("text").map(str::len), Some(10_240));
}

#[test]
fn unicode_in_labels() {
    let text = capture().case("labelled", "unicode").get("text").unwrap();
    assert!(text.contains("日本語") && text.contains('🚀'));
}

#[tokio::test]
async fn many_timeseries() {
    let sender = Sender::new().await;
    let tally = sender.send(page::many("wide", 0..3_000)).await.tally;
    assert_eq!((tally.samples, sender.acked()), (3_001, 1));
}

#[tokio::test]
async fn high_cardinality() {
    let sender = Sender::new().await;
    let value = |n: usize| format!("{:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let points = (0..2_000).map(|n| page::point(1.0, &[("user", &value(n)), ("session", &value(n + 7_000))]));
    let tally = sender.send(vec![page::gauge("seen", points.collect())]).await.tally;
    let arrived: usize = sender.receiver.requests().iter().map(|request| request.series.len()).sum();
    assert_eq!((tally.samples, arrived), (2_001, 2_001));
}

#[test]
fn very_long_metric_name() {
    capture().one(&"m".repeat(1_000));
}

#[test]
fn special_float_combinations() {
    for case in ["positive_infinity", "negative_infinity", "nan", "zero", "large", "small"] {
        assert_eq!(capture().case("values", case).samples.len(), 1);
    }
}

/// Too old for every receiver that has newer data, but that is the receiver's to say; or dropped as expired, and counted.
#[test]
fn zero_timestamp() {
    let sent: Vec<_> = capture().series().filter(|series| series.name() == "timeless").collect();
    match sent[..] {
        [] => assert_eq!(capture().tally.samples_dropped.get("expired"), 1),
        [series] => assert_eq!(series.times().collect::<Vec<_>>(), [0]),
        _ => panic!("{sent:?}"),
    }
}

#[test]
fn future_timestamp() {
    let ahead = capture().one("future").times().next().unwrap() - seconds_ago(0).0;
    assert!((0..=120_000).contains(&ahead), "as it was given: {ahead}");
}

#[test]
fn metric_name_with_colons() {
    capture().one("ns:metric:colons");
}

#[test]
fn stale_marker() {
    assert_eq!(capture().one("ended").value().to_bits(), STALE.to_bits());
}

#[test]
fn mixed_sample_and_histogram_families() {
    assert_eq!(capture().one("orders_total").samples.len(), 1);
    assert_eq!(capture().one("size_bytes").histograms.len(), 1);
}

#[tokio::test]
#[expect(non_snake_case, reason = "the suite's name")]
async fn TestRobustnessUnderLoad() {
    let sender = Sender::new().await;
    for round in 0..20 {
        sender.export(page::many(&format!("round{round}"), 0..100));
    }
    let tally = sender.world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.samples, sender.acked()), (20 * 101, 20));
}
