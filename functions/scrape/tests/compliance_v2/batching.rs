//! The suite's table `TestBatchingBehavior`, and `TestConcurrentRequests`.

use std::collections::HashSet;

use crate::{
    support::{Sender, capture, page},
    world::{Agent, ENOUGH},
};

#[test]
fn multiple_series_per_request() {
    assert_eq!(capture().requests.len(), 1);
    assert!(capture().requests[0].series.len() > 30);
}

#[tokio::test]
async fn batch_size_reasonable() {
    let sender = Sender::new().await;
    for part in 0..24 {
        sender.export(page::many("wide", part * 500..(part + 1) * 500));
    }
    let tally = sender.world.scrape(ENOUGH).await.tally;
    let requests = sender.receiver.requests();
    assert!(requests.iter().all(|request| request.series.len() <= 5_000));
    // Records are grouped by what they would be in 1.0, at most, so that a fall-back makes no more requests of them: in
    // 2.0 each could hold more.
    assert!((3..=10).contains(&requests.len()), "and few of them: {}", requests.len());
    let series = requests.iter().flat_map(|request| &request.series).filter(|s| s.name() == "wide");
    let different: HashSet<_> = series.map(|series| series.get("n").unwrap()).collect();
    assert_eq!((different.len(), tally.samples, sender.acked()), (12_000, 12_000 + 24, 24));
}

#[tokio::test]
async fn handles_varying_cardinality() {
    let sender = Sender::new().await;
    for series in [1, 700, 3] {
        sender.send(page::many("varied", 0..series)).await;
    }
    let sent: Vec<_> = sender.receiver.requests().iter().map(|request| request.series.len()).collect();
    assert_eq!((sent, sender.acked()), (vec![2, 701, 4], 3), "each with target_info");
}

/// A name, and the labels that all have in common, is one symbol however many series there are.
#[tokio::test]
async fn efficient_symbol_reuse() {
    let sender = Sender::new().await;
    sender.send(page::many("wide", 0..500)).await;
    let request = &sender.receiver.requests()[0];
    assert_eq!(request.series.len(), 501);
    assert!(request.v2().symbols.len() < 500 + 40, "{}", request.v2().symbols.len());
}

#[test]
fn metadata_batching() {
    let request = &capture().requests[0];
    assert!(request.series.iter().all(|series| series.metadata.is_some()), "in the request of the samples");
    let help = |text: &&String| *text == "About values.";
    assert_eq!(request.v2().symbols.iter().filter(help).count(), 1, "once for all series of the metric");
}

/// Requests of two tasks, which have no series in common, may be under way at once; those of one task never are.
#[tokio::test]
#[expect(non_snake_case, reason = "the suite's name")]
async fn TestConcurrentRequests() {
    let sender = Sender::new().await;
    let other = Agent::start("task-2").await;
    sender.world.agent.readings(2_000, 20);
    other.readings(2_000, 20);
    let targets = vec![sender.world.agent.target(), other.target()];
    let tally = sender.world.scrape_all(targets, ENOUGH).await.tally;
    assert_eq!((sender.acked(), other.acked().0, tally.samples), (2_000, 2_000, 2 * 2_000 * 8));
    for task in ["task-1", "task-2"] {
        let requests = sender.receiver.requests();
        let series = requests.iter().flat_map(|request| &request.series);
        let own = series.filter(|series| series.get("aws_ecs_task_id") == Some(task));
        let memory = own.filter(|series| series.name() == "ecs_task_memory_reserved_MiB");
        let times: Vec<_> = memory.flat_map(|series| series.times().collect::<Vec<_>>()).collect();
        assert!(times.len() == 2_000 && times.is_sorted(), "in order over all requests");
    }
}
