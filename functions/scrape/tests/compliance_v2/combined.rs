//! The suite's table `TestCombinedFeatures`.

use std::collections::BTreeSet;

use siphon_core::series::MetricKind;

use crate::{
    support::{Seen, Sender, capture, page},
    world::ENOUGH,
};

#[test]
fn samples_with_metadata() {
    for series in capture().series() {
        assert!(series.metadata.is_some(), "{}", series.name());
    }
}

#[test]
fn samples_with_exemplars() {
    let orders = capture().one("orders_total");
    assert_eq!((orders.samples.len(), orders.exemplars.len()), (1, 2));
}

#[test]
fn histogram_with_metadata_and_exemplars() {
    let size = capture().one("size_bytes");
    let told = size.metadata.as_ref().unwrap();
    assert_eq!((told.kind, told.help.as_str()), (MetricKind::Histogram, "About size."));
    assert_eq!((size.histograms.len(), size.exemplars.len()), (1, 1));
}

#[test]
fn multiple_metric_types() {
    let kinds: BTreeSet<_> =
        capture().series().map(|series| series.metadata.as_ref().unwrap().kind).collect();
    let want = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Histogram, MetricKind::Summary];
    assert_eq!(kinds, want.into());
}

#[test]
fn high_cardinality_labels() {
    assert!(capture().case("labelled", "many").labels.len() > 60);
}

#[test]
fn complete_metric_family() {
    let buckets = capture().named("duration_seconds_bucket");
    let shown: Vec<_> = buckets.iter().map(|bucket| (bucket.get("le").unwrap(), bucket.value())).collect();
    assert_eq!(shown, [("0.1", 3.0), ("1", 7.0), ("+Inf", 8.0)]);
    assert_eq!(capture().one("duration_seconds_sum").value().to_bits(), 5.5f64.to_bits());
    assert_eq!(capture().one("duration_seconds_count").value().to_bits(), 8f64.to_bits());
}

#[test]
fn mixed_labels_and_metadata() {
    let unicode = capture().case("labelled", "unicode");
    assert_eq!(unicode.metadata.as_ref().unwrap().help, "About labelled.");
}

/// Several exports and ECS readings of one task, in one page: few requests, each series once in them.
#[tokio::test]
async fn real_world_scenario() {
    let sender = Sender::new().await;
    sender.world.agent.readings(3, 20);
    for _ in 0..3 {
        sender.export(page::everything());
    }
    let tally = sender.world.scrape(ENOUGH).await.tally;
    let requests = sender.receiver.requests();
    assert_eq!((requests.len(), sender.acked()), (1, 6));
    let series = &requests[0].series;
    let different: BTreeSet<_> = series.iter().map(|series| &series.labels).collect();
    assert_eq!(different.len(), series.len());
    assert_eq!(series.iter().flat_map(Seen::times).count() as u64, tally.samples);
    assert_eq!(tally.samples_rejected.total(), 0);
}
