//! The whole path with TLS between agents and functions: everything arrives, as without.
#![allow(clippy::indexing_slicing, reason = "JSON that lacks a field gives null, and the assertion fails")]

use serde_json::Value;
use siphon_tests::local::Local;

#[test]
fn pulls_last_drains_and_hand_overs_go_over_tls() {
    let run = Local::start(&["--tls", "--short-tasks", "1", "--seconds", "12"]).finish();
    let summary = run.summary;
    assert_eq!((run.exit_code, &summary["tasks"]), (Some(0), &Value::from(6)), "{summary}");
    assert_eq!((&summary["lost"], &summary["duplicated"]), (&Value::from(0), &Value::from(0)), "{summary}");
    for stored in ["samples_stored", "segments_stored"] {
        assert!(summary[stored].as_u64() > Some(0), "{stored}: {summary}");
    }
}
