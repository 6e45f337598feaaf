//! A task that lives for seconds, between two enumerations: all of it is stored, from its first reading to its last, by
//! the event that it is told to stop.
#![allow(clippy::indexing_slicing, reason = "JSON that lacks a field gives null, and the assertion fails")]

use serde_json::Value;
use siphon_tests::{local::Local, wait};

#[test]
fn a_task_that_ends_between_two_enumerations_is_stored_whole() {
    // Stopped after five seconds, measured every second; the only enumeration comes at the start.
    let flags = ["--every", "60s", "--short-tasks", "1", "--task-event-delay", "300ms", "--seconds", "12"];
    let local = Local::start(&flags);
    let stopped = wait::until("the short task has ended", || {
        let overview: Value = serde_json::from_str(&local.page("/api/overview")?).ok()?;
        overview["tasks"].as_array()?.iter().find(|task| task["status"] == "STOPPED").cloned()
    });
    // Those of each second, from the start to the stop, and the last one after it.
    assert!(stopped["readings"].as_u64() >= Some(6), "{stopped}");
    assert!(stopped["requests"].as_u64() > Some(0), "{stopped}");

    let run = local.finish();
    let summary = run.summary;
    assert_eq!((run.exit_code, &summary["tasks"]), (Some(0), &Value::from(6)), "{summary}");
    // What agents say at their end that they took, readings, exports and spans, against what is stored.
    assert_eq!((&summary["lost"], &summary["duplicated"]), (&Value::from(0), &Value::from(0)), "{summary}");
    assert!(summary["segments_stored"].as_u64() > Some(0), "{summary}");
}
