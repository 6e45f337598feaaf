//! The end of a task: its series end with stale markers, once, whatever fails.

use std::collections::BTreeMap;

use prost::Message;
use siphon_core::{
    otlp::{
        Gauge, Metric, MetricData, MetricsRequest, NumberPoint, NumberValue, ResourceMetrics, ScopeMetrics,
    },
    units::UnixMillis,
    wire::{Count, Kind},
};

use super::world::{ENOUGH, SHORT, World, agent::Manner, prometheus::Reply, seconds_ago};

/// Series of one reading under the default filter.
const EACH: usize = 8;

/// Of each series of this metric the latest time of a sample, and the times of its markers.
pub(crate) fn ends(world: &World, metric: &str) -> Vec<(i64, Vec<i64>)> {
    world.prometheus.edit(|state| {
        let mut latest = BTreeMap::new();
        for (labels, at) in state.samples.keys().filter(|(l, _)| l.contains(&format!("__name__=\"{metric}")))
        {
            let markers = state.ends.get(labels).cloned().unwrap_or_default();
            if !markers.contains(at) {
                latest.insert(labels.clone(), (*at, markers));
            }
        }
        latest.into_values().collect()
    })
}

fn all_markers(world: &World) -> usize {
    world.prometheus.edit(|state| state.ends.values().map(Vec::len).sum())
}

/// One point of a gauge.
pub(crate) fn gauge(name: &str, at: UnixMillis) -> Vec<u8> {
    let point = NumberPoint {
        time_unix_nano: u64::try_from(at.0).unwrap() * 1_000_000,
        value: Some(NumberValue::Double(1.0)),
        ..NumberPoint::default()
    };
    let data = Some(MetricData::Gauge(Gauge { points: vec![point] }));
    let metric = Metric { name: name.to_owned(), data, ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { scope: None, metrics: vec![metric] }];
    MetricsRequest { resource_metrics: vec![ResourceMetrics { resource: None, scope_metrics }] }
        .encode_to_vec()
}

#[tokio::test]
async fn a_stopping_task_ends_all_series_of_its_last_drain() {
    let world = World::new().await;
    let at = seconds_ago(10);
    world.agent.record(Kind::OtlpMetrics, at, gauge("first_page", at));
    world.agent.readings(4, 9);
    world.agent.record(Kind::OtlpMetrics, at, gauge("last_page", at.plus(2000)));
    world.agent.edit(|state| {
        (state.stopping, state.page_records) = (true, Some(3));
        state.counts = vec![Count::new("dropped_records", "ecs", "spool_full", 1)];
    });
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.pages, world.agent.acked()), (2, (6, 0)));
    assert_eq!(ends(&world, "first_page"), [(at.0, vec![at.0 + 1])]);
    assert_eq!(ends(&world, "last_page"), [(at.0 + 2000, vec![at.0 + 2001])]);
    for (metric, series) in [("ecs_task_", EACH), ("siphon_agent_", 1)] {
        let ends = ends(&world, metric);
        assert_eq!(ends.len(), series, "{metric}");
        assert!(ends.iter().all(|(latest, markers)| *markers == [latest + 1]), "{ends:?}");
    }
    assert_eq!(all_markers(&world), EACH + 3);
    assert_eq!(tally.samples, (2 + 4 * EACH + 1 + EACH + 3) as u64);
}

#[tokio::test]
async fn a_task_that_goes_on_ends_nothing() {
    let world = World::new().await;
    world.agent.readings(2, 5);
    world.scrape(ENOUGH).await;
    assert_eq!((all_markers(&world), world.prometheus.stored()), (0, (2 * EACH, 1)));
}

#[tokio::test]
async fn what_comes_after_the_end_is_later_than_it_and_ends_again() {
    let world = World::new().await;
    world.agent.edit(|state| state.stopping = true);
    world.agent.readings(1, 9);
    world.scrape(ENOUGH).await;
    world.agent.readings(1, 5);
    world.scrape(ENOUGH).await;
    let ends = ends(&world, "ecs_task_");
    assert_eq!(ends.len(), EACH);
    for (latest, markers) in ends {
        assert!(
            markers.len() == 2 && markers[0] < latest && markers[1] == latest + 1,
            "{latest} {markers:?}"
        );
    }
    assert_eq!(world.prometheus.stored(), (4 * EACH, 1));
}

#[tokio::test]
async fn a_page_that_comes_again_gives_the_same_markers() {
    let world = World::new().await;
    world.agent.readings(3, 9);
    world.agent.edit(|state| (state.stopping, state.manner) = (true, Manner::DeafToAcks));
    world.scrape(ENOUGH).await;
    world.agent.edit(|state| state.manner = Manner::Honest);
    world.agent.edit(|state| state.give_up_lease());
    world.scrape(ENOUGH).await;
    assert_eq!(world.agent.acked(), (3, 0));
    assert_eq!(world.prometheus.stored(), (4 * EACH, 2), "no time that was not there before");
    assert!(ends(&world, "ecs_task_").iter().all(|(_, markers)| markers[0] == markers[1]));
}

/// An agent that is drained ends, and nobody comes back.
#[tokio::test]
async fn nothing_is_acknowledged_before_its_end_is_stored() {
    let world = World::new().await;
    world.agent.readings(625, 9); // as many as fill a request
    world.agent.edit(|state| state.stopping = true);
    world.prometheus.replies(&[Reply::Store, Reply::Status(503)]);
    world.scrape(SHORT).await;
    assert_eq!(world.agent.acked(), (0, 0));
    assert!(all_markers(&world) < EACH, "the last request has some");
    world.prometheus.replies(&[]);
    world.scrape(ENOUGH).await;
    assert_eq!(world.agent.acked(), (625, 0));
    let ends = ends(&world, "ecs_task_");
    assert!(ends.len() == EACH && ends.iter().all(|(latest, markers)| markers.last() == Some(&(latest + 1))));
    assert_eq!(world.prometheus.stored().0, 626 * EACH, "no time that was not there before");
}

#[tokio::test]
async fn a_series_without_a_sample_that_is_young_enough_has_no_end() {
    let world = World::with_settings(&[("SIPHON_AMP_LIMITS", "true")]).await;
    world.agent.edit(|state| state.stopping = true);
    let (old, young) = (seconds_ago(3590), seconds_ago(3200));
    world.agent.record(Kind::OtlpMetrics, seconds_ago(1), gauge("too_old", old));
    world.agent.record(Kind::OtlpMetrics, seconds_ago(1), gauge("old", young));
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!(tally.samples_dropped.get("expired"), 1);
    assert_eq!((ends(&world, "too_old"), ends(&world, "old")), (vec![], vec![(young.0, vec![young.0 + 1])]));
}
