//! Enumerations against an ECS and an SQS that answer as they are told, over the real SDK and plain HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml exempts only functions marked as tests"
)]

mod fake_aws;

use fake_aws::{FakeAws, arn};
use serde_json::json;
use siphon_core::shard::Shard;
use siphon_enumerate::handler::handle;

#[tokio::test]
async fn tasks_with_the_agent_reach_the_queue_and_are_described_once() {
    let aws = FakeAws::start().await;
    aws.edit(|world| {
        for n in 0..230 {
            world.task("shop", n, "RUNNING", &["app", "siphon-agent"]);
        }
        world.task("jobs", 900, "RUNNING", &["app"]);
        world.task("jobs", 901, "PENDING", &["siphon-agent"]);
    });
    let context = aws.context(&[]).await;

    let report = handle(&context).await.unwrap();
    assert_eq!((report.targets, report.shards), (230, 10));
    assert_eq!(report.listed.skipped, [("no_agent", 1), ("not_running", 1)].into());
    let shards = aws.take_shards();
    let tasks: Vec<_> = shards.iter().flat_map(|shard| &shard.targets).map(|t| t.task_arn.clone()).collect();
    assert_eq!(tasks, (0..230).map(|n| arn("shop", n)).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(aws.calls("DescribeTasks"), 4, "three pages of shop, one of jobs");

    let report = handle(&context).await.unwrap();
    assert_eq!(report.listed.described, 1, "only the task that had not started");
    assert_eq!(aws.calls("DescribeTasks"), 5);
    aws.edit(|world| world.tasks.retain(|task| task["taskArn"] != json!(arn("shop", 3))));
    assert_eq!(handle(&context).await.unwrap().targets, 229);
}

#[tokio::test]
async fn a_cluster_that_fails_costs_the_others_nothing_and_is_scraped_on() {
    let aws = FakeAws::start().await;
    aws.edit(|world| {
        world.task("jobs", 1, "RUNNING", &["siphon-agent"]);
        world.task("shop", 2, "RUNNING", &["siphon-agent"]);
    });
    let context = aws.context(&["jobs", "shop"]).await;
    aws.edit(|world| world.broken = vec!["shop"]);
    let report = handle(&context).await.unwrap();
    assert_eq!((report.targets, report.listed.clusters_failed), (1, 1));
    aws.edit(|world| world.broken.clear());
    assert_eq!(handle(&context).await.unwrap().targets, 2);
    aws.edit(|world| world.broken = vec!["shop"]);
    assert_eq!(handle(&context).await.unwrap().targets, 2, "known from before");
    aws.take_shards();

    aws.edit(|world| world.broken = vec!["shop", "jobs"]);
    let error = handle(&context).await.unwrap_err().to_string();
    assert!(error.contains("none of 2 clusters"), "{error}");
    assert_eq!(aws.take_shards().iter().map(|shard| shard.targets.len()).sum::<usize>(), 2, "but sent");
}

#[tokio::test]
async fn a_task_that_ends_between_the_calls_is_counted() {
    let aws = FakeAws::start().await;
    aws.edit(|world| {
        world.task("shop", 1, "RUNNING", &["siphon-agent"]);
        world.task("shop", 2, "RUNNING", &["siphon-agent"]);
        world.missing = vec![arn("shop", 2)];
    });
    let report = handle(&aws.context(&["shop"]).await).await.unwrap();
    assert_eq!((report.targets, report.listed.skipped), (1, [("missing", 1)].into()));
}

#[tokio::test]
async fn messages_that_sqs_takes_late_arrive_and_refused_ones_fail_the_enumeration() {
    let aws = FakeAws::start().await;
    aws.edit(|world| {
        for n in 0..60 {
            world.task("shop", n, "RUNNING", &["siphon-agent"]);
        }
        world.fail_messages = vec![("1", false), ("0", false)];
    });
    let context = aws.context(&["shop"]).await;
    handle(&context).await.unwrap();
    let sent: usize = aws.take_shards().iter().map(|shard: &Shard| shard.targets.len()).sum();
    assert_eq!((sent, aws.calls("SendMessageBatch")), (60, 2));

    aws.edit(|world| world.fail_messages = vec![("2", true)]);
    let error = handle(&context).await.unwrap_err().to_string();
    assert!(error.contains("1 of 3 shards could not be sent") && error.contains("InternalError"), "{error}");
    assert_eq!(aws.take_shards().len(), 2);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let aws = FakeAws::start().await;
    aws.edit(|world| {
        world.task("shop", 1, "RUNNING", &["siphon-agent"]);
        world.throttle = 2;
    });
    assert_eq!(handle(&aws.context(&["shop"]).await).await.unwrap().targets, 1);
    assert_eq!(aws.calls("ListTasks"), 3);
}
