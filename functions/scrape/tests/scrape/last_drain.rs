//! The last drain of a task, by the event that it is told to stop.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;
use siphon_core::wire::{Kind, RefusalCode};
use siphon_scrape::{handler::Scraped, task_event::TaskStateChange};

use super::{
    ending::{ends, gauge},
    world::{ENOUGH, SHORT, World, agent::Manner, prometheus::Reply, seconds_ago},
};

/// Series of one reading under the default filter.
const EACH: usize = 8;

/// The world's agent's task is told to stop.
fn stopping(world: &World) -> TaskStateChange {
    let target = world.agent.target();
    let interfaces = json!([{ "privateIpv4Address": target.address }]);
    let detail = json!({
        "taskArn": target.task_arn,
        "desiredStatus": "STOPPED",
        "lastStatus": "RUNNING",
        "containers": [{ "name": "siphon-agent", "lastStatus": "RUNNING", "networkInterfaces": interfaces }],
    });
    serde_json::from_value(json!({ "detail": detail })).unwrap()
}

async fn until_acked(world: &World, acked: (u64, u64)) {
    let begun = Instant::now();
    while world.agent.acked() != acked {
        assert!(begun.elapsed() < ENOUGH, "{acked:?} is never acknowledged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_agent_is_pulled_until_it_has_stopped_and_ended() {
    let world = World::new().await;
    let change = stopping(&world);
    world.agent.readings(1, 20);
    let task = async {
        until_acked(&world, (1, 0)).await;
        world.agent.spans(&[1]); // the application's last words
        until_acked(&world, (1, 1)).await;
        world.agent.edit(|state| state.stopping = true);
        world.agent.readings(1, 0);
        until_acked(&world, (2, 1)).await;
        world.agent.end();
        Instant::now()
    };
    let (scraped, ended) = tokio::join!(world.scrape_last(&change, ENOUGH), task);
    assert!(ended.elapsed() < Duration::from_millis(1_500), "done as soon as the agent is gone");
    let tally = scraped.tally;
    assert_eq!((tally.agents_failed.total(), tally.tasks_skipped.total()), (0, 0), "{tally:?}");
    assert_eq!((tally.records, tally.segments), (3, 1));
    let markers = world.prometheus.edit(|state| state.ends.values().map(Vec::len).sum::<usize>());
    assert_eq!(
        (world.prometheus.stored(), markers),
        ((3 * EACH, 1), EACH),
        "two readings and the series' ends"
    );
    let longest = world.agent.edit(|state| state.pulls.iter().map(|pull| pull.lease_ms).max());
    assert!(
        longest <= Some(30_000),
        "{longest:?}: a dead function's lease must not outlast the agent's grace by far"
    );
}

/// An agent has 25 seconds from SIGTERM on, unless told otherwise.
#[tokio::test]
async fn metrics_that_hang_hold_traces_back_for_seconds_only() {
    let world = World::new().await;
    let change = stopping(&world);
    world.prometheus.replies(&[Reply::Silence]);
    world.agent.readings(1, 20);
    world.agent.spans(&[1]);
    let begun = Instant::now();
    tokio::select! {
        _ = world.scrape_last(&change, Duration::from_secs(60)) => panic!("the agent has not ended"),
        () = until_acked(&world, (0, 1)) => {}
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// Such as one that many bad samples are being told from good ones for: each attempt begins anew.
#[tokio::test]
async fn a_receiver_that_needs_longer_than_a_page_waits_has_twice_the_time_the_next_time() {
    let world = World::new().await;
    let change = stopping(&world);
    world.prometheus.edit(|state| state.slowest = Duration::from_secs(30)); // 6.5 s for the first request
    world.agent.readings(1, 20);
    tokio::select! {
        _ = world.scrape_last(&change, Duration::from_secs(60)) => panic!("the agent has not ended"),
        () = until_acked(&world, (1, 0)) => {}
    }
}

#[tokio::test]
async fn what_the_application_said_before_its_agent_knew_of_the_end_is_ended_too() {
    let world = World::new().await;
    let change = stopping(&world);
    let exported = seconds_ago(1);
    let task = async {
        world.agent.record(Kind::OtlpMetrics, exported, gauge("orders", exported));
        until_acked(&world, (1, 0)).await;
        world.agent.edit(|state| state.stopping = true);
        world.agent.readings(1, 0);
        until_acked(&world, (2, 0)).await;
        world.agent.end();
    };
    let (_, ()) = tokio::join!(world.scrape_last(&change, ENOUGH), task);
    assert_eq!(ends(&world, "orders"), [(exported.0, vec![exported.0 + 1])]);
}

#[tokio::test]
async fn of_several_drains_of_a_task_one_works_and_the_others_wait() {
    let world = World::new().await;
    let change = stopping(&world);
    world.agent.readings(1, 20);
    let task = async {
        until_acked(&world, (1, 0)).await;
        for spans in 1..=3 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            world.agent.spans(&[spans]);
        }
        until_acked(&world, (1, 3)).await;
        let leases: BTreeSet<_> =
            world.agent.edit(|state| state.acks_of.iter().map(|lease| lease.0).collect());
        assert_eq!(leases.len(), 1, "all by the same drain");
        world.agent.edit(|state| state.stopping = true);
        world.agent.readings(1, 0);
        until_acked(&world, (2, 3)).await;
        world.agent.end();
    };
    let drain = || world.scrape_last(&change, ENOUGH);
    let (one, other, ()) = tokio::join!(drain(), drain(), task);
    assert_eq!(one.tally.records + other.tally.records, 5);
    assert_eq!(one.tally.agents_failed.total() + other.tally.agents_failed.total(), 0);
}

#[tokio::test]
async fn a_lease_of_another_drain_is_waited_for() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    world.agent.edit(|state| (state.stopping, state.manner) = (true, Manner::Refusing(RefusalCode::Leased)));
    let other = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.agent.edit(|state| state.manner = Manner::Honest);
        until_acked(&world, (1, 0)).await;
        world.agent.end();
    };
    let change = stopping(&world);
    let (scraped, ()) = tokio::join!(world.scrape_last(&change, ENOUGH), other);
    assert_eq!((scraped.tally.records, scraped.tally.agents_failed.total()), (1, 0));
}

#[tokio::test]
async fn the_next_event_goes_on_where_time_was_over() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    let (begun, change) = (Instant::now(), stopping(&world));
    let tally = world.scrape_last(&change, SHORT).await.tally;
    assert!(begun.elapsed() < SHORT);
    assert_eq!(
        (world.agent.acked(), tally.agents_failed.total()),
        ((1, 0), 0),
        "an agent that runs on is no failure"
    );
    let stranger = Manner::Refusing(RefusalCode::BadSignature);
    world.agent.edit(|state| state.manner = stranger);
    let Scraped { failed, tally } = world.scrape_last(&change, SHORT).await;
    assert_eq!(tally.agents_failed.get("bad_signature"), 1);
    assert_eq!(failed, [world.agent.target().task_arn], "so that the event comes again");
}

#[tokio::test]
async fn a_task_that_has_ended_and_one_without_agent_are_counted_and_no_failure() {
    let world = World::new().await;
    let change = stopping(&world);
    world.agent.end();
    tokio::task::yield_now().await;
    let scraped = world.scrape_last(&change, ENOUGH).await;
    assert_eq!((scraped.tally.tasks_skipped.get("gone"), scraped.tally.agents_failed.total()), (1, 0));
    assert!(scraped.failed.is_empty());

    let other = json!({ "detail": { "taskArn": "arn", "containers": [{ "name": "app" }] } });
    let tally = world.scrape_last(&serde_json::from_value(other).unwrap(), ENOUGH).await.tally;
    assert_eq!(tally.tasks_skipped.get("no_agent"), 1);
}

#[tokio::test]
async fn a_receiver_that_refuses_us_fails_the_invocation() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    world.prometheus.replies(&[Reply::Status(403)]);
    let scraped = world.scrape_last(&stopping(&world), SHORT).await;
    assert_eq!((scraped.failed, world.agent.acked()), (vec![world.agent.target().task_arn], (0, 0)));
}
