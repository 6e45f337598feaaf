//! What is stored, what is acknowledged and what is counted, whatever fails: against agents and receivers on loopback,
//! over the real wire, plain HTTP and the real SDK.

use std::time::{Duration, Instant};

use siphon_core::wire::{Count, Kind, RefusalCode};

use super::world::{
    Agent, ENOUGH, SHORT, World,
    agent::{Manner, arn},
    prometheus::Reply,
    seconds_ago, xray,
};

/// Series of one reading under the default filter.
const EACH: usize = 8;

#[tokio::test]
async fn everything_is_stored_once_and_acknowledged() {
    let world = World::new().await;
    world.agent.readings(3, 20);
    world.agent.spans(&[1, 2]);
    let scraped = world.scrape(ENOUGH).await;
    assert_eq!(world.prometheus.stored(), (3 * EACH, 1));
    assert_eq!(world.xray.taken(), (2, 1));
    assert_eq!(world.agent.acked(), (3, 1));
    let tally = scraped.tally;
    assert_eq!((tally.agents, tally.pages, tally.records), (1, 1, 4));
    assert_eq!((tally.samples, tally.segments), (3 * EACH as u64, 2));
    assert_eq!(tally.freshness.len(), 4);
    assert!(tally.freshness.iter().all(|millis| (1_000..25_000).contains(millis)), "{:?}", tally.freshness);
    assert!(scraped.failed.is_empty());
    assert_eq!(world.prometheus.requests(), 1, "several samples of a series go in one request");
}

#[tokio::test]
async fn an_agent_with_several_pages_is_drained_and_told_how_long_it_is_leased() {
    let world = World::new().await;
    world.agent.readings(7, 20);
    world.agent.edit(|state| (state.page_records, state.manner) = (Some(3), Manner::Closing));
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.pages, world.agent.acked()), (3, (7, 0)));
    assert_eq!(world.prometheus.stored(), (7 * EACH, 1));
    let leases: Vec<_> = world.agent.edit(|state| state.pulls.iter().map(|p| p.lease_ms).collect());
    assert!(leases[0] > 17_000 && leases[0] <= 18_000 && leases[2] < leases[0], "{leases:?}");
}

#[tokio::test]
async fn a_503_keeps_the_cursor_and_a_400_moves_it() {
    let world = World::new().await;
    world.agent.readings(2, 20);
    world.prometheus.replies(&[Reply::Status(503)]);
    let scraped = world.scrape(SHORT).await;
    assert_eq!(world.agent.acked(), (0, 0));
    assert_eq!(scraped.tally.writes_failed.get("prometheus_unavailable"), 1);
    assert!(scraped.failed.is_empty(), "an outage is no fault of the message");
    assert!(world.prometheus.requests() > 1, "tried more than once");
    assert!(world.prometheus.edit(|state| state.bodies.windows(2).all(|w| w[0] == w[1])), "the same bytes");
    assert_eq!(world.agent.edit(|state| state.acks), 1, "the lease is given back");

    world.prometheus.replies(&[Reply::Status(400)]);
    let tally = world.scrape(ENOUGH).await.tally;
    let rejected = tally.samples_rejected.get("400_or_stored");
    assert_eq!((world.agent.acked(), rejected, tally.samples), ((2, 0), 2 * EACH as u64, 0));
}

#[tokio::test]
async fn a_429_is_retried_with_the_attempt_named() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    world.prometheus.replies(&[Reply::Status(429), Reply::Status(500), Reply::Store]);
    world.scrape(ENOUGH).await;
    assert_eq!((world.prometheus.stored(), world.agent.acked()), ((EACH, 1), (1, 0)));
    let attempts = world.prometheus.edit(|state| state.attempts.clone());
    assert_eq!(attempts, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[tokio::test]
async fn metrics_that_are_stuck_do_not_hold_traces_back() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    for n in 1..=6 {
        world.agent.spans(&[n]);
    }
    world.agent.edit(|state| state.page_records = Some(3));
    world.prometheus.replies(&[Reply::Status(503)]);
    let tally = world.scrape(Duration::from_secs(4)).await.tally;
    assert_eq!((world.agent.acked(), world.xray.taken()), ((0, 6), (6, 1)));
    assert!(tally.pages > 1);
    assert_eq!(
        tally.writes_failed.get("prometheus_unavailable"),
        1,
        "then left alone for the rest of the drain"
    );
}

#[tokio::test]
async fn a_page_that_stuck_metrics_fill_does_not_end_the_drain() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    (1..=3).for_each(|n| world.agent.spans(&[n]));
    world.agent.edit(|state| (state.page_records, state.share_after_share) = (Some(1), true));
    world.prometheus.replies(&[Reply::Status(503)]);
    let tally = world.scrape(Duration::from_secs(4)).await.tally;
    assert_eq!((world.agent.acked(), world.xray.taken(), tally.pages), ((0, 3), (3, 1), 6));
}

#[tokio::test]
async fn traces_that_are_stuck_do_not_hold_metrics_back() {
    let world = World::new().await;
    world.agent.readings(5, 20);
    world.agent.spans(&[1]);
    world.xray.replies(&[xray::Reply::Refuse(503, "ServiceUnavailable")]);
    let scraped = world.scrape(SHORT).await;
    assert_eq!((world.agent.acked(), world.prometheus.stored()), ((5, 0), (5 * EACH, 1)));
    assert_eq!(scraped.tally.writes_failed.get("xray_unavailable"), 1);
}

#[tokio::test]
async fn what_was_stored_before_a_failure_is_acknowledged_and_not_sent_again() {
    let world = World::new().await;
    world.agent.readings(1000, 20);
    world.prometheus.replies(&[Reply::Store, Reply::Status(503)]);
    world.scrape(3 * SHORT).await;
    let (stored, _) = world.prometheus.stored();
    assert_eq!(world.agent.acked(), (625, 0), "as many records as fill a request of 5,000 samples");
    assert_eq!(stored, 625 * EACH);
    world.prometheus.replies(&[]);
    world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), world.prometheus.stored()), ((1000, 0), (1000 * EACH, 1)));
}

#[tokio::test]
async fn a_request_that_is_too_large_goes_in_halves() {
    let world = World::new().await;
    world.agent.readings(10, 20);
    world.prometheus.replies(&[Reply::AtMost(20)]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.prometheus.stored(), world.agent.acked()), ((10 * EACH, 1), (10, 0)));
    assert_eq!((tally.samples, tally.samples_rejected.total()), (10 * EACH as u64, 0));
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_may_mean_stored() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    world.prometheus.replies(&[Reply::StoreAndReset, Reply::Status(400)]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.prometheus.stored(), world.agent.acked()), ((EACH, 1), (1, 0)));
    assert_eq!(tally.samples_rejected.get("400_or_stored"), EACH as u64);
}

#[tokio::test]
async fn a_receiver_that_refuses_us_keeps_the_data_and_fails_the_message() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    world.agent.spans(&[1]);
    world.prometheus.replies(&[Reply::Status(403)]);
    let scraped = world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), scraped.failed), ((0, 1), vec!["message-1".to_owned()]));
    assert_eq!(world.prometheus.requests(), 2, "once more with fresh credentials");
    assert_eq!(scraped.tally.writes_failed.get("prometheus_misconfigured"), 1);

    world.prometheus.replies(&[]);
    world.agent.spans(&[2]);
    world.xray.replies(&[xray::Reply::Refuse(403, "AccessDeniedException")]);
    let scraped = world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), scraped.failed.len()), ((1, 1), 1));
    assert_eq!(scraped.tally.writes_failed.get("xray_misconfigured"), 1);
}

#[tokio::test]
async fn unprocessed_segments_are_retried_or_counted_by_code() {
    let world = World::new().await;
    world.agent.spans(&[1, 2, 3]);
    let first = xray::Reply::Unprocessed(vec![(1, "InvalidName"), (3, "ThrottledException")]);
    world.xray.replies(&[first, xray::Reply::Take]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.xray.calls(), world.xray.taken()), (vec![3, 1], (2, 1)));
    assert_eq!((tally.segments, tally.segments_rejected.get("InvalidName")), (2, 1));
    assert_eq!(world.agent.acked(), (0, 1));
}

#[tokio::test]
async fn one_bad_document_costs_no_other() {
    let world = World::new().await;
    world.agent.spans(&(1..=60).collect::<Vec<_>>());
    world.agent.spans(&[100]);
    world.xray.replies(&[xray::Reply::RefuseWith(7)]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.xray.taken(), world.agent.acked()), ((60, 1), (0, 2)));
    assert_eq!((tally.segments, tally.segments_rejected.get("InvalidRequestException")), (60, 1));
}

#[tokio::test]
async fn the_traces_cursor_moves_to_the_last_record_that_went_whole() {
    let world = World::new().await;
    world.agent.spans(&(1..=30).collect::<Vec<_>>());
    world.agent.spans(&(31..=60).collect::<Vec<_>>());
    world.xray.replies(&[xray::Reply::Take, xray::Reply::Refuse(503, "ServiceUnavailable")]);
    world.scrape(SHORT).await;
    assert_eq!((world.xray.taken().0, world.agent.acked()), (30, (0, 1)));
}

#[tokio::test]
async fn a_record_of_several_calls_is_accounted_for_when_all_of_it_is_stored() {
    let world = World::new().await;
    world.agent.spans(&[200]);
    world.agent.spans(&(1..=120).collect::<Vec<_>>());
    let stored = || {
        let counts = world.agent.edit(|state| state.exported.clone());
        counts.iter().filter(|count| count.event == "stored_segments").map(|count| count.value).sum::<u64>()
    };
    world.xray.replies(&[
        xray::Reply::Take,
        xray::Reply::Take,
        xray::Reply::Refuse(503, "ServiceUnavailable"),
    ]);
    world.scrape(SHORT).await;
    assert_eq!((world.xray.taken().0, world.agent.acked()), (1 + 50, (0, 1)));
    assert_eq!(stored(), 1, "of the first record, and not what is stored of the second");
    world.xray.replies(&[xray::Reply::Take]);
    world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), stored()), ((0, 2), 1 + 120));
}

#[tokio::test]
async fn an_agent_that_fails_is_counted_and_costs_no_other() {
    let cases = [
        (Manner::OtherKey, "unsigned"),
        (Manner::Garbage, "bad_page"),
        (Manner::TooLarge, "too_large"),
        (Manner::Talkative, "too_large"),
        (Manner::Refusing(RefusalCode::Leased), "leased"),
        (Manner::Refusing(RefusalCode::BadSignature), "bad_signature"),
        (Manner::Refusing(RefusalCode::IdentityUnknown), "identity_unknown"),
    ];
    for (manner, reason) in cases {
        let world = World::new().await;
        world.agent.readings(1, 20);
        let bad = Agent::start("task-2").await;
        bad.readings(1, 20);
        bad.edit(|state| state.manner = manner);
        let scraped = world.scrape_all(vec![bad.target(), world.agent.target()], ENOUGH).await;
        assert_eq!((world.agent.acked(), bad.acked()), ((1, 0), (0, 0)), "{reason}");
        assert_eq!(world.prometheus.stored(), (EACH, 1), "{reason}");
        assert_eq!(scraped.tally.agents_failed.get(reason), 1, "{reason}: {:?}", scraped.tally);
        assert!(scraped.failed.is_empty());
    }
}

#[tokio::test]
async fn a_task_that_is_gone_and_another_in_its_place_are_counted() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    let mut reused = world.agent.target();
    reused.task_arn = arn("task-before");
    let mut gone = world.agent.target();
    gone.port = 1;
    let tally = world.scrape_all(vec![reused, gone], ENOUGH).await.tally;
    assert_eq!((tally.agents_failed.get("other_task"), tally.agents_failed.get("unreachable")), (1, 1));
    assert_eq!((tally.agents, world.agent.acked()), (0, (0, 0)));
}

#[tokio::test]
async fn the_invocation_ends_in_time_whoever_is_silent() {
    let world = World::new().await;
    let silent = Agent::start("task-2").await;
    silent.edit(|state| state.manner = Manner::Silent);
    world.agent.readings(1, 20);
    world.prometheus.replies(&[Reply::Silence]);
    let begun = Instant::now();
    let tally = world.scrape_all(vec![silent.target(), world.agent.target()], SHORT).await.tally;
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
    assert_eq!(tally.agents_failed.get("timeout"), 1);
    assert_eq!((tally.writes_failed.get("prometheus_unavailable"), world.agent.edit(|s| s.acks)), (1, 1));
}

#[tokio::test]
async fn an_ack_that_is_lost_is_counted() {
    let world = World::new().await;
    world.agent.readings(1, 20);
    world.agent.edit(|state| state.manner = Manner::DeafToAcks);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.acks_failed.get("broken"), tally.samples), (1, EACH as u64));
}

#[tokio::test]
async fn records_that_hold_nothing_good_are_given_up_and_the_rest_goes_on() {
    let world = World::with_settings(&[("SIPHON_AMP_LIMITS", "true")]).await;
    world.agent.record(Kind::Ecs, seconds_ago(20), &b"\xff"[..]);
    world.agent.record(Kind::OtlpMetrics, seconds_ago(20), &b"\xff"[..]);
    world.agent.readings(1, 56 * 60);
    world.agent.readings(1, 20);
    world.agent.record(Kind::OtlpTraces, seconds_ago(20), &b"\xff"[..]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.agent.acked(), world.prometheus.stored()), ((4, 1), (EACH, 1)));
    assert_eq!(tally.samples_dropped.get("expired"), EACH as u64);
    let bad = ["ecs", "otlp_metrics", "otlp_traces"].map(|kind| tally.records_bad.get(kind));
    assert_eq!((bad, tally.records), ([1, 1, 1], 5));
    assert!(world.xray.calls().is_empty());
}

#[tokio::test]
async fn what_an_agent_lost_is_a_series() {
    let world = World::new().await;
    let count =
        |event: &'static str, reason: &'static str, value| Count::new(event, "otlp_traces", reason, value);
    let counts = [count("dropped_records", "spool_full", 5), count("buffered_records", "", 0)];
    world.agent.edit(|state| state.counts = counts.into());
    world.scrape(ENOUGH).await;
    assert_eq!(world.prometheus.requests(), 0, "a page without records needs no write");
    assert_eq!(world.agent.edit(|state| state.acks), 0, "and no ack");
    world.agent.spans(&[1]);
    world.scrape(ENOUGH).await;
    let stored: Vec<_> =
        world.prometheus.edit(|state| state.samples.keys().map(|(l, _)| l.clone()).collect());
    let want = |metric: &str, reason: &str| {
        format!(
            "__name__=\"siphon_agent_{metric}\",aws_ecs_cluster_name=\"shop\",aws_ecs_task_arn=\"{}\",\
             aws_ecs_task_family=\"web\",aws_ecs_task_id=\"task-1\",aws_ecs_task_revision=\"3\",\
             kind=\"otlp_traces\"{reason}",
            arn("task-1")
        )
    };
    let dropped = want("dropped_records_total", ",reason=\"spool_full\"");
    assert_eq!(stored, [want("buffered_records", ""), dropped]);
}

#[tokio::test]
async fn an_ipv6_only_task_is_reached() {
    let world = World::new().await;
    let agent = Agent::start_on("[::1]:0", "task-6").await;
    agent.readings(1, 20);
    world.scrape_all(vec![agent.target()], ENOUGH).await;
    assert_eq!(agent.acked(), (1, 0));
}

#[tokio::test]
async fn large_pages_wait_for_one_another_and_all_come() {
    let world = World::new().await;
    let mut agents = Vec::new();
    for n in 0..7 {
        let agent = Agent::start(&format!("large-{n}")).await;
        // Nothing that a metrics request knows: five megabytes of field 15.
        let record = [&[0x7a, 0x80, 0x80, 0xc0, 0x02][..], &vec![0; 5 << 20]].concat();
        agent.record(Kind::OtlpMetrics, seconds_ago(20), record);
        agents.push(agent);
    }
    let targets = agents.iter().map(Agent::target).collect();
    let tally = world.scrape_all(targets, ENOUGH).await.tally;
    assert_eq!((tally.agents, tally.agents_failed.total(), tally.records_bad.total()), (7, 0, 0));
    assert!(agents.iter().all(|agent| agent.acked() == (1, 0)));
}
