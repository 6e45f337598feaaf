//! Labels.

use siphon_core::remote_write::v1::TimeSeries;

use super::{
    ENOUGH, TARGET, label, new_world, of, scraped,
    world::{
        metrics::{gauge, number},
        seconds_ago,
    },
};

fn names(series: &TimeSeries) -> Vec<&str> {
    series.labels.iter().map(|label| label.name.as_str()).collect()
}

#[tokio::test]
async fn SortedLabelsTest() {
    let orders = [[("c", "1"), ("a", "2"), ("B", "3")], [("a", "2"), ("B", "3"), ("c", "1")]];
    let points = orders.iter().map(|own| number(1.0, seconds_ago(10), own)).collect();
    let series = scraped(vec![gauge("sorted", points)]).await;
    assert!(series.iter().all(|one| names(one).is_sorted()), "{series:?}");
    assert_eq!(of(&series, "sorted").len(), 1, "whatever the order, it is one series");
    assert_eq!(of(&series, "sorted")[0].samples.len(), 2);
}

/// A page with such a line can't be scraped. In OTLP a key must not repeat either, but a request whose point does so
/// can be read: its values come together under one label, as in the OpenTelemetry Collector, and no label name is sent
/// twice.
#[tokio::test]
async fn RepeatedLabelsTest() {
    let repeated = number(1.0, seconds_ago(10), &[("a", "1"), ("b", "2"), ("a", "3"), ("a", "3")]);
    let series = scraped(vec![gauge("repeated", vec![repeated])]).await;
    for one in &series {
        assert!(names(one).windows(2).all(|pair| pair[0] < pair[1]), "{one:?}");
    }
    assert_eq!(label(of(&series, "repeated")[0], "b"), Some("2"));
}

#[tokio::test]
async fn EmptyLabelsTest() {
    let point = number(1.0, seconds_ago(10), &[("empty", ""), ("full", "1")]);
    let series = scraped(vec![gauge("empty", vec![point])]).await;
    let found = of(&series, "empty")[0];
    assert_eq!((label(found, "empty"), label(found, "full")), (None, Some("1")));
    assert!(series.iter().flat_map(|one| &one.labels).all(|label| !label.value.is_empty()));
}

#[tokio::test]
async fn NameLabelTest() {
    let world = new_world().await;
    let metrics =
        ["", "named", "..."].map(|name| gauge(name, vec![number(1.0, seconds_ago(10), &[("a", "1")])]));
    world.agent.metrics(&TARGET, metrics.into());
    let tally = world.scrape(ENOUGH).await.tally;
    let series = world.prometheus.series();
    assert!(
        series.iter().all(|one| label(one, "__name__").is_some_and(|name| !name.is_empty())),
        "{series:?}"
    );
    let with_a: Vec<_> = series.iter().filter(|one| label(one, "a") == Some("1")).collect();
    assert_eq!(with_a, of(&series, "named"), "what has no name is not sent");
    assert_eq!(tally.samples_dropped.get("metric_name"), 2);
}

/// What scrapes renames a page's own labels of these names. What is sent has the target's labels in their place, and the
/// renamed ones beside them.
#[tokio::test]
async fn HonorLabelsTest() {
    let own = [("exported_job", "a"), ("exported_instance", "b"), ("job", "c"), ("instance", "d")];
    let series = scraped(vec![gauge("honor", vec![number(1.0, seconds_ago(10), &own)])]).await;
    let found = of(&series, "honor")[0];
    for (name, value) in
        [("exported_job", "a"), ("exported_instance", "b"), ("job", "test"), ("instance", TARGET[1].1)]
    {
        assert_eq!(label(found, name), Some(value), "{name}");
    }
}
