//! The functions against an AWS that nobody here wrote: moto's ECS, SQS and X-Ray, a real Prometheus, and the
//! OpenTelemetry SDK as the application. The function binaries poll Lambda's Runtime API as on AWS.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use siphon_core::shard::{Shard, Target};
use siphon_tests::{
    KEY,
    lambda::{Function, scheduled_event, sqs_event, stopping_event},
    metadata::Metadata,
    moto::{Account, Moto, Task},
    process::{Process, command},
    programs,
    prometheus::Prometheus,
    python::{self, Python},
    scratch::Scratch,
    wait,
};

const PORT: u16 = 14319;
const OTLP_PORT: u16 = 14318;

fn enumerate(moto: &Moto, account: &Account, logs: &Scratch) -> Function {
    let mut function = command(programs::enumerate());
    function
        .envs(moto.environment())
        .env("SIPHON_QUEUE_URL", &account.queue_url)
        .env("SIPHON_AGENT_PORT", PORT.to_string())
        .env("SIPHON_SHARD_TASKS", "2");
    Function::start("enumerate", &mut function, logs.path())
}

fn shard(message: &Value) -> Shard {
    serde_json::from_str(message["Body"].as_str().unwrap_or_default()).unwrap()
}

fn targets(account: &Account) -> BTreeSet<Target> {
    let target = |task: &Task| Target { task_arn: task.arn.clone(), address: task.address, port: PORT };
    account.with_agent.iter().map(target).collect()
}

#[test]
fn every_task_with_an_agent_is_in_the_queue_once_an_enumeration() {
    let Some(moto) = Moto::start() else { return };
    let (account, logs) = (moto.create(), Scratch::new());
    let mut function = enumerate(&moto, &account, &logs);
    for round in ["cold", "warm"] {
        function.invoke(scheduled_event()).unwrap();
        let shards: Vec<_> = moto.receive(&account.queue_url).iter().map(shard).collect();
        let mut sizes: Vec<_> = shards.iter().map(|shard| shard.targets.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2], "{round}");
        let listed: BTreeSet<_> = shards.into_iter().flat_map(|shard| shard.targets).collect();
        assert_eq!(listed, targets(&account), "{round}");
    }
}

/// A task's agent and the metadata endpoint that it asks.
fn agent(task: &Task, logs: &Scratch) -> (Process, Metadata) {
    let metadata = Metadata::start(&task.arn);
    let mut agent = command(programs::agent());
    agent
        .env("SIPHON_KEY", KEY)
        .env("SIPHON_SAMPLE_INTERVAL", "1s")
        .env("SIPHON_RECEIVER_HOST", task.address.to_string())
        .env("SIPHON_OTLP_HTTP_ADDRESS", format!("{}:{OTLP_PORT}", task.address))
        .env("SIPHON_METRICS_ADDRESS", "off")
        .env("SIPHON_PULL_ADDRESS", format!("{}:{PORT}", task.address))
        .env("ECS_CONTAINER_METADATA_URI_V4", metadata.url());
    (Process::start(&format!("agent-{}", task.address), &mut agent, logs.path()), metadata)
}

fn scrape(moto: &Moto, prometheus: &Prometheus, logs: &Scratch) -> Function {
    let mut function = command(programs::scrape());
    function
        .envs(moto.environment())
        .env("SIPHON_KEY", KEY)
        .env("AWS_PROMETHEUS_ENDPOINT", prometheus.write_url());
    Function::start("scrape", &mut function, logs.path())
}

#[test]
fn what_the_agents_hold_reaches_prometheus_and_x_ray_and_is_acknowledged() {
    let (Some(python), Some(prometheus), Some(moto)) = (Python::find(), Prometheus::start(), Moto::start())
    else {
        return;
    };
    let (account, logs) = (moto.create(), Scratch::new());
    let (mut enumerate, mut scrape) = (enumerate(&moto, &account, &logs), scrape(&moto, &prometheus, &logs));
    let _agents: Vec<_> = account.with_agent.iter().map(|task| agent(task, &logs)).collect();
    let mut round = || {
        enumerate.invoke(scheduled_event()).unwrap();
        for message in moto.receive(&account.queue_url) {
            let outcome = scrape.invoke(sqs_event(&[message])).unwrap();
            assert_eq!(outcome, json!({ "batchItemFailures": [] }));
        }
    };

    wait::until("the ECS metrics of every task are stored", || {
        round();
        let stored = prometheus.query("ecs_task_memory_utilized_MiB == 100");
        let stored = stored.iter().filter_map(|series| series["metric"]["aws_ecs_task_arn"].as_str());
        let expected: BTreeSet<_> = account.with_agent.iter().map(|task| task.arn.as_str()).collect();
        (stored.collect::<BTreeSet<_>>() == expected).then_some(())
    });
    let task = account.with_agent.first().unwrap();
    let otlp = format!("http://{}:{OTLP_PORT}", task.address);
    let shop = python::json(python.app("shop.py").args([&otlp, "http/protobuf", "none", "checkout"]));
    let trace_id = shop["x_ray_trace_id"].as_str().unwrap();
    let segments = wait::until("the trace is stored", || {
        round();
        Some(moto.segments(trace_id)).filter(|segments| segments.len() == 3)
    });
    assert_eq!(prometheus.values("shop_orders_total"), [3.0]);
    // Acknowledged: one more round brings nothing of it again.
    round();
    assert_eq!(moto.segments(trace_id), segments);
}

#[test]
fn a_stopping_task_is_drained_to_its_end_with_the_key_that_was_rotated_away() {
    let (Some(prometheus), Some(moto)) = (Prometheus::start(), Moto::start()) else { return };
    let (account, logs) = (moto.create(), Scratch::new());
    let (new, foreign) = ("0d".repeat(32), "0e".repeat(32));
    let secret = moto.secret(&[&foreign, KEY, &new]); // the agent started before the last rotation
    let mut scrape = command(programs::scrape());
    scrape
        .envs(moto.environment())
        .env("SIPHON_KEY_SECRET_ARN", secret)
        .env("SIPHON_AGENT_PORT", PORT.to_string())
        .env("SIPHON_LOG_LEVEL", "trace")
        .env("AWS_PROMETHEUS_ENDPOINT", prometheus.write_url());
    let mut scrape = Function::start("drain", &mut scrape, logs.path());

    let task = account.with_agent.first().unwrap();
    let (mut agent, _metadata) = agent(task, &logs);
    wait::until("the agent listens", || agent.log().contains("task is known").then_some(()));
    // ECS would wait for the application first; the drain begins before the agent knows.
    let stop = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        agent.signal("TERM");
        agent.wait().code()
    });
    let outcome = scrape.invoke(stopping_event(&task.arn, &task.address.to_string()));
    assert_eq!((outcome, stop.join().unwrap()), (Ok(Value::Null), Some(0)));
    let log = scrape.log();
    let readings = prometheus.values("count_over_time(ecs_task_memory_utilized_MiB[5m])");
    assert!(matches!(readings[..], [count] if count >= 4.0), "{readings:?}, {log}");
    assert!(prometheus.query("ecs_task_memory_utilized_MiB").is_empty(), "its series have ended");
    for key in [KEY, &new, &foreign] {
        assert!(!log.contains(&key[..16]), "{log}");
    }
}
