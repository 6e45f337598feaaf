//! An environment of the function that is a process, to be killed by the kernel: this test's own program, told to be one.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use siphon_core::shard::Shard;
use siphon_scrape::handler::scrape;
use tokio::time::sleep;

use crate::{
    function::{Function, FunctionSettings, event},
    lambda::{new_runtime, snapped},
    trap::Victim,
};

/// Tells the program what to do.
const INVOCATION: &str = "SIPHON_FAULT_INVOCATION";

#[derive(Serialize, Deserialize)]
struct Invocation {
    settings: FunctionSettings,
    shards: Vec<Shard>,
    left: Duration,
}

/// Runs one invocation in a process, until it ends or is killed.
pub(crate) async fn invoke(function: &Function, shards: &[Shard], left: Duration, victim: Victim) {
    let invocation = Invocation { settings: function.settings.clone(), shards: shards.to_vec(), left };
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "process::an_invocation"])
        .env(INVOCATION, serde_json::to_string(&invocation).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ended = async {
        while child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let Victim { killed, dead } = victim;
    tokio::select! {
        () = ended => {}
        () = snapped(Some(killed)) => {}
    }
    let _ = child.kill(); // it may have ended
    child.wait().unwrap();
    drop(dead);
}

#[test]
#[ignore = "no test but a process that the others start, and kill"]
fn an_invocation() {
    let Ok(text) = env::var(INVOCATION) else { return };
    let Invocation { settings, shards, left } = serde_json::from_str(&text).unwrap();
    new_runtime().block_on(async {
        let function = Function::new(settings).await;
        scrape(event(&shards), &function.context, left).await;
    });
}
