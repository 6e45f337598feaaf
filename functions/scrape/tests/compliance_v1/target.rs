//! What a scrape says of its target.

use siphon_core::wire::Kind;

use super::{
    ENOUGH, TARGET, label, new_world, of, scraped, values,
    world::{
        metrics::{gauge, number},
        seconds_ago,
    },
};

/// `up` is a metric as any other: what scrapes makes it.
#[tokio::test]
async fn UpTest() {
    let series = scraped(vec![gauge("up", vec![number(1.0, seconds_ago(10), &[])])]).await;
    let up = of(&series, "up");
    assert_eq!((up.len(), values(up[0])), (1, vec![1.0]));
    assert_eq!((label(up[0], "job"), label(up[0], "instance")), (Some("test"), Some(TARGET[1].1)));
}

/// Of a page that can't be read nothing is sent but that; so of a record.
#[tokio::test]
async fn InvalidTest() {
    let world = new_world().await;
    world.agent.record(Kind::OtlpMetrics, seconds_ago(11), &b"# no request"[..]);
    world.agent.metrics(&TARGET, vec![gauge("up", vec![number(0.0, seconds_ago(10), &[])])]);
    let tally = world.scrape(ENOUGH).await.tally;
    let series = world.prometheus.series();
    assert_eq!(of(&series, "up").into_iter().map(values).collect::<Vec<_>>(), [[0.0]]);
    let others: Vec<_> = series
        .iter()
        .filter(|one| !["up", "target_info"].contains(&label(one, "__name__").unwrap()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!((tally.records_bad.get("otlp_metrics"), world.agent.acked()), (1, (2, 0)));
}

#[tokio::test]
async fn JobLabelTest() {
    let series = scraped(vec![gauge("a", vec![number(1.0, seconds_ago(10), &[])])]).await;
    assert!(!series.is_empty());
    assert!(series.iter().all(|one| label(one, "job") == Some("test")), "{series:?}");
}

#[tokio::test]
async fn InstanceLabelTest() {
    let series = scraped(vec![gauge("a", vec![number(1.0, seconds_ago(10), &[])])]).await;
    assert!(!series.is_empty());
    assert!(series.iter().all(|one| label(one, "instance") == Some("127.0.0.1:9090")), "{series:?}");
}
