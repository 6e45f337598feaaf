//! The golden requests as JSON, printed by protobuf's own library, mean what their protobuf means.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use prost::Message;
use serde_json::value::RawValue;
use siphon_core::otlp::{MetricsRequest, TraceRequest, json};

/// Every request of a folder, as JSON and as protobuf.
fn each(folder: &str, mut check: impl FnMut(&str, &str, Vec<u8>)) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/golden").join(folder);
    let text = fs::read(folder.join("requests.json")).unwrap();
    let requests: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&text).unwrap();
    assert!(requests.len() > 60);
    for (name, request) in requests {
        check(&name, request.get(), fs::read(folder.join(format!("{name}.pb"))).unwrap());
    }
}

#[test]
fn traces_mean_the_same_in_both_forms() {
    each("traces", |name, json, protobuf| {
        let made = json::traces(json.as_bytes(), 1 << 20);
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            format!("{:?}", TraceRequest::decode(&made[..]).unwrap()),
            format!("{:?}", TraceRequest::decode(&protobuf[..]).unwrap()),
            "{name}"
        );
    });
}

#[test]
fn metrics_mean_the_same_in_both_forms() {
    each("metrics", |name, json, protobuf| {
        let made = json::metrics(json.as_bytes(), 1 << 20);
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            format!("{:?}", MetricsRequest::decode(&made[..]).unwrap()),
            format!("{:?}", MetricsRequest::decode(&protobuf[..]).unwrap()),
            "{name}"
        );
    });
}
