//! What a user sees first: one command, no AWS account, nothing lost, nothing twice, nothing left behind.
#![allow(clippy::indexing_slicing, reason = "JSON that lacks a field gives null, and the assertion fails")]

use serde_json::Value;
use siphon_tests::{
    local::{Local, Run},
    wait,
};

fn assert_complete(run: &Run) {
    let Run { exit_code, summary, left } = run;
    assert_eq!(*exit_code, Some(0), "{summary}");
    assert_eq!((&summary["lost"], &summary["duplicated"]), (&Value::from(0), &Value::from(0)), "{summary}");
    for number in
        ["samples_stored", "segments_stored", "freshness_p50_ms", "freshness_p99_ms", "agent_rss_max_bytes"]
    {
        assert!(summary[number].as_u64().is_some_and(|number| number > 0), "{number}: {summary}");
    }
    assert!(summary["tasks"].as_u64() >= Some(6), "{summary}");
    assert!(left.is_empty(), "processes outlived the run: {left:?}");
}

#[test]
fn a_short_run_stores_everything_once_and_leaves_nothing_behind() {
    assert_complete(&Local::start(&["--seconds", "12"]).finish());
}

#[test]
fn ctrl_c_drains_before_it_ends() {
    let local = Local::start(&[]);
    wait::until("the page lists a trace", || {
        let traces: Value = serde_json::from_str(&local.page("/api/traces")?).ok()?;
        traces.as_array().is_some_and(|traces| !traces.is_empty()).then_some(())
    });
    local.interrupt();
    assert_complete(&local.finish());
}
