//! OTLP as JSON: what it becomes is protobuf that the agent's check takes, and that decodes.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::value::RawValue;
use siphon_core::otlp::{
    MetricsRequest, TraceRequest, check,
    json::{self, JsonError},
};

use crate::seeds::one;

/// What the request may become, at most.
const LIMIT: usize = 1 << 18;

/// Either request: few fields have the same name in both, so that each is told apart by what it reads.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let traces = json::traces(bytes, LIMIT).map(|made| {
        let decoded = TraceRequest::decode(&made[..]);
        assert_eq!(check::traces(&made).is_ok(), decoded.is_ok());
        within_limits(bytes, &made, decoded.is_ok());
    });
    let metrics = json::metrics(bytes, LIMIT).map(|made| {
        let decoded = MetricsRequest::decode(&made[..]);
        assert_eq!(check::metrics(&made).is_ok(), decoded.is_ok());
        within_limits(bytes, &made, decoded.is_ok());
    });
    for error in [&traces, &metrics].into_iter().filter_map(|made| made.as_ref().err()) {
        assert!(
            *error == JsonError::TooLarge || error.to_string().contains(" at line "),
            "it must say where: {error}"
        );
    }
    traces.is_ok() && metrics.is_ok()
}

/// Only a nesting that protobuf's readers refuse makes what is no request: JSON's own limit is near theirs.
fn within_limits(json: &[u8], made: &[u8], is_request: bool) {
    assert!(made.len() <= LIMIT);
    let depth = json.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    assert!(is_request || depth > 90, "it became what is no request");
}

/// The golden requests, printed as JSON by protobuf's own library.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let of = |folder: &'static str| {
        let text = one(&format!("{folder}/requests.json"));
        let requests: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(&text).expect("a map of requests");
        requests
            .into_iter()
            .map(move |(name, request)| (format!("{folder}-{name}"), request.get().as_bytes().to_vec()))
    };
    of("traces").chain(of("metrics")).collect()
}
