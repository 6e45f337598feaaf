//! One bad sample costs no other, and a replay is no loss: with a receiver that stores nothing of a request that it refuses,
//! and with one that stores the good part.

use std::time::Duration;

use siphon_core::{
    otlp::Metric,
    units::UnixMillis,
    wire::{Count, Kind},
};

use super::world::{
    ENOUGH, SHORT, World,
    agent::Manner,
    metrics::{gauge, number},
    prometheus::{Keeps, Reply},
    seconds_ago,
};

const JOB: [(&str, &str); 1] = [("service.name", "shop")];

/// A second of the last minute.
fn at(seconds: i64) -> UnixMillis {
    seconds_ago(60 - seconds)
}

/// A world whose receiver keeps that much of what it refuses.
async fn strict(keeps: Keeps) -> World {
    let in_part = if keeps == Keeps::Good { "true" } else { "false" };
    let world = World::with_settings(&[("SIPHON_AMP_LIMITS", in_part)]).await;
    world.prometheus.edit(|state| state.strict = Some(keeps));
    world
}

/// How often the samples of metric `name` are stored: one number for each.
fn stored(world: &World, name: &str) -> Vec<u32> {
    let name = format!("__name__=\"{name}\"");
    world.prometheus.edit(|state| {
        let of_name = state.samples.iter().filter(|((labels, _), _)| labels.contains(&name));
        of_name.map(|(_, times)| *times).collect()
    })
}

fn exported(world: &World) -> Vec<Count> {
    world.agent.edit(|state| state.exported.clone())
}

#[tokio::test]
async fn a_bad_series_costs_no_other_and_is_named() {
    for keeps in [Keeps::Nothing, Keeps::Good] {
        let world = strict(keeps).await;
        let at = seconds_ago(10);
        let gauges = (0..50).map(|n| gauge(&format!("good_{n}"), vec![number(1.0, at, &[])]));
        let bad = gauge("bad", vec![number(1.0, at, &[("customer", "poison")])]);
        world.agent.metrics(&JOB, gauges.chain([bad]).collect());
        let tally = world.scrape(ENOUGH).await.tally;
        assert_eq!((world.agent.acked(), tally.samples_rejected.get("labels")), ((1, 0), 1), "{keeps:?}");
        assert!((0..50).all(|n| stored(&world, &format!("good_{n}")) == [1]), "{keeps:?}");
        assert!(world.prometheus.requests() < 20, "{}", world.prometheus.requests());
        assert_eq!(tally.culprits.iter().collect::<Vec<_>>(), [("labels", "bad", 1)]);
        let named = Count { metric: "bad".into(), ..Count::new("refused_samples", "metrics", "labels", 1) };
        assert!(exported(&world).contains(&named), "{:?}", exported(&world));
        assert_eq!(tally.ledger_unbalanced.total(), 0);
    }
}

/// Of the halves, the receiver has the good part already and says so first.
#[tokio::test]
async fn what_is_stored_with_a_bad_series_does_not_hide_it() {
    let world = strict(Keeps::Good).await;
    let twice = || vec![number(1.0, at(20), &[]), number(2.0, at(30), &[])];
    let bad = gauge("bad", vec![number(1.0, at(30), &[("customer", "poison")])]);
    world.agent.metrics(&JOB, (0..9).map(|n| gauge(&format!("good_{n}"), twice())).chain([bad]).collect());
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!(world.agent.acked(), (1, 0));
    assert!((0..9).all(|n| stored(&world, &format!("good_{n}")) == [1, 1]));
    assert_eq!(tally.samples_rejected.get("labels"), 1, "{:?}", tally.samples_rejected);
}

#[tokio::test]
async fn a_late_sample_costs_no_other() {
    for keeps in [Keeps::Nothing, Keeps::Good] {
        let world = strict(keeps).await;
        world.agent.metrics(&JOB, vec![gauge("late", vec![number(1.0, at(20), &[])])]);
        world.scrape(ENOUGH).await;
        let late = gauge("late", vec![number(2.0, at(0), &[]), number(3.0, at(30), &[])]);
        let good = gauge("good", vec![number(1.0, at(0), &[]), number(2.0, at(30), &[])]);
        world.agent.metrics(&JOB, vec![good, late]);
        let tally = world.scrape(ENOUGH).await.tally;
        assert_eq!((stored(&world, "late"), stored(&world, "good")), (vec![1, 1], vec![1, 1]), "{keeps:?}");
        let refused = tally.samples_rejected.get("out_of_order");
        match keeps {
            Keeps::Nothing => assert_eq!(refused, 1),
            // What was stored with the first request can't be told from what was refused with it.
            Keeps::Good => assert!((1..=3).contains(&refused), "{refused}"),
        }
    }
}

#[tokio::test]
async fn what_was_stored_before_its_ack_was_lost_counts_as_stored() {
    for keeps in [Keeps::Nothing, Keeps::Good] {
        let world = strict(keeps).await;
        world.agent.readings(3, 20);
        world.agent.edit(|state| state.manner = Manner::DeafToAcks);
        world.scrape(ENOUGH).await;
        let (samples, _) = world.prometheus.stored();
        assert_eq!(world.agent.acked(), (0, 0));

        world.agent.edit(|state| {
            state.manner = Manner::Honest;
            state.give_up_lease();
        });
        world.agent.readings(1, 5);
        let tally = world.scrape(ENOUGH).await.tally;
        assert_eq!(world.agent.acked(), (4, 0), "{keeps:?}");
        assert_eq!(world.prometheus.stored(), (samples / 3 * 4, 1), "each once");
        assert_eq!((tally.samples_rejected.total(), tally.samples), (0, samples as u64 / 3 * 4));
        let stored = Count::new("stored_samples", "metrics", "", samples as u64 / 3 * 4);
        let told: u64 =
            exported(&world).iter().filter(|count| count.event == stored.event).map(|c| c.value).sum();
        assert_eq!(told, stored.value, "each counts once, with the ack that arrived");
    }
}

/// It takes a while to find out of each sample that a receiver that keeps nothing has it. What is found out by the end of
/// an invocation is not forgotten.
#[tokio::test]
async fn a_replay_that_takes_longer_than_there_is_time_for_goes_forward() {
    let world = strict(Keeps::Nothing).await;
    world.agent.readings(12, 20);
    world.agent.edit(|state| state.manner = Manner::DeafToAcks);
    world.scrape(ENOUGH).await;
    let before = world.prometheus.stored();
    world.agent.edit(|state| state.manner = Manner::Honest);
    world.prometheus.edit(|state| state.slowest = Duration::from_millis(40));
    let mut acked = 0;
    while acked < 12 {
        world.agent.edit(|state| state.give_up_lease());
        let tally = world.scrape(SHORT).await.tally;
        assert!(world.agent.acked().0 > acked, "{acked} were acknowledged before, and no more are");
        assert_eq!(tally.samples_rejected.total(), 0);
        acked = world.agent.acked().0;
    }
    let told = exported(&world).into_iter().filter(|count| count.event == "stored_samples");
    assert_eq!(world.prometheus.stored(), before);
    assert_eq!(told.map(|count| count.value).sum::<u64>(), before.0 as u64);
}

/// The first try of a record was stored and its answer lost; a receiver that keeps nothing then says that it has newer ones.
#[tokio::test]
async fn the_same_bytes_again_are_stored_if_the_receiver_has_them() {
    let world = strict(Keeps::Nothing).await;
    world.agent.readings(2, 20);
    world.prometheus.replies(&[Reply::StoreAndReset, Reply::Store]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.agent.acked(), tally.samples_rejected.total()), ((2, 0), 0));
    assert_eq!(world.prometheus.stored().1, 1);
}

/// A world whose receiver has a sample of the series `late`, of second 20, and to which `metrics` went twice: the first
/// scrape pulled them and died before it wrote anything.
async fn replayed(metrics: Vec<Metric>) -> World {
    let world = strict(Keeps::Nothing).await;
    world.agent.metrics(&JOB, vec![gauge("late", vec![number(1.0, at(20), &[])])]);
    world.scrape(ENOUGH).await;
    let before = world.prometheus.stored();
    world.agent.metrics(&JOB, metrics);
    world.prometheus.replies(&[Reply::Status(503)]);
    world.scrape(SHORT).await;
    assert_eq!(world.prometheus.stored(), before);
    world.prometheus.replies(&[]);
    world.agent.edit(|state| state.give_up_lease());
    world.scrape(ENOUGH).await;
    world
}

/// What has a late sample in it is not taken for stored because of that.
#[tokio::test]
async fn a_replay_of_what_was_never_written_loses_nothing() {
    let late = gauge("late", vec![number(2.0, at(0), &[])]);
    let good = gauge("good", vec![number(1.0, at(0), &[]), number(2.0, at(30), &[])]);
    assert_eq!(stored(&replayed(vec![late, good]).await, "good"), [1, 1]);
}

#[tokio::test]
async fn a_replay_loses_nothing_of_the_series_that_has_a_late_sample() {
    let samples = [0, 30, 31, 32, 33].map(|seconds| number(2.0, at(seconds), &[]));
    assert_eq!(stored(&replayed(vec![gauge("late", samples.into())]).await, "late"), [1; 5]);
}

#[tokio::test]
async fn an_unreadable_record_is_counted_by_the_agent() {
    let world = World::new().await;
    world.agent.record(Kind::OtlpMetrics, seconds_ago(1), &b"\xff"[..]);
    world.agent.spans(&[1, 2]);
    world.scrape(ENOUGH).await;
    assert_eq!(
        exported(&world),
        [
            Count::new("refused_records", "otlp_metrics", "unreadable", 1),
            Count::new("stored_segments", "traces", "", 2),
        ]
    );
}
