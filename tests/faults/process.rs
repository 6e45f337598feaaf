//! An environment of the function that is a process, to be killed by the kernel: this test's own program, told to be one.

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    function::{Function, FunctionSettings, handle},
    lambda::{new_runtime, snapped},
    trap::Victim,
};

/// The least memory that the template gives a function that scrapes.
const MEMORY_BYTES: u64 = 256 << 20;

/// Tells the program what to do.
const INVOCATION: &str = "SIPHON_FAULT_INVOCATION";

#[derive(Serialize, Deserialize)]
struct Invocation {
    settings: FunctionSettings,
    event: Value,
    left: Duration,
}

/// Runs one invocation in a process, until it ends or is killed.
pub(crate) async fn invoke(function: &Function, event: Value, left: Duration, victim: Victim) {
    let invocation = Invocation { settings: function.settings.clone(), event, left };
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "process::an_invocation"])
        .env(INVOCATION, serde_json::to_string(&invocation).unwrap())
        .stdout(Stdio::null())
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
    if let Some(peak) = peak_bytes(child.id()).filter(|peak| *peak > MEMORY_BYTES) {
        function.fault(format!("{peak} bytes of an invocation were resident"));
    }
    let _ = child.kill(); // it may have ended
    let status = child.wait().unwrap();
    drop(dead);
    if status.code().is_some_and(|code| code != 0) {
        function.fault(format!("an invocation that is a process ended with {status}; see what it printed"));
    }
}

/// The most that a process has had resident; `None` of one that has ended.
pub(crate) fn peak_bytes(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * peak.split_whitespace().next()?.parse::<u64>().ok()?)
}

#[test]
#[ignore = "no test but a process that the others start, and kill"]
fn an_invocation() {
    let Ok(text) = env::var(INVOCATION) else { return };
    let Invocation { settings, event, left } = serde_json::from_str(&text).unwrap();
    new_runtime().block_on(async {
        let function = Function::new(settings);
        let scraped = handle(event, &function.context().await, left).await;
        function.look_through(&scraped.tally);
        assert_eq!(function.faults(), [""; 0]);
    });
}
