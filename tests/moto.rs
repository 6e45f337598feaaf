//! The functions against an AWS that nobody here wrote: moto's ECS, SQS and X-Ray, a real Prometheus, and the
//! OpenTelemetry SDK as the application. The function binaries poll Lambda's Runtime API as on AWS.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use std::collections::BTreeSet;

use serde_json::Value;
use siphon_core::shard::{Shard, Target};
use siphon_tests::{
    lambda::{Function, scheduled_event},
    moto::{Account, Moto},
    process::command,
    programs,
    scratch::Scratch,
};

const PORT: u16 = 14319;

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
    let target = |task: &siphon_tests::moto::Task| Target {
        task_arn: task.arn.clone(),
        address: task.address,
        port: PORT,
    };
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
