//! Spans translated as the ADOT collector was recorded to translate them: see `testdata/golden/traces/README.md`.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use prost::Message;
use serde_json::Value;
use siphon_core::ecs::Identity;
use siphon_core::otlp::TraceRequest;
use siphon_core::xray::{self, Options, Translator};

#[derive(serde::Deserialize)]
struct Case {
    segments: Vec<Value>,
}

#[test]
fn every_recorded_translation_is_equal() {
    let failures = failures("expected.json", None);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_recorded_translation_within_the_task_is_equal() {
    let own_container = "158d1c8083dd49d6b527399fd6414f5c-1275486930";
    let identity = Identity::from_task(&read("../ecs/fargate/task.json"), own_container).unwrap();
    let failures = failures("expected-ecs.json", Some(&identity));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures(expected: &str, identity: Option<&Identity>) -> Vec<String> {
    let options = Options::default();
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&read(expected)).unwrap();
    assert_eq!(cases.len(), 63, "{expected}");
    let differs = |(name, case): (String, Case)| {
        let request = read(&format!("{name}.pb"));
        let ours = Translator::new(&options, identity).translate(&request).unwrap();
        assert_eq!(ours.dropped, [], "{name}");
        let random = random_ids(&TraceRequest::decode(request.as_slice()).unwrap());
        let ours = comparable(ours.documents.iter().map(parsed).collect(), &random);
        let theirs = comparable(case.segments, &random);
        (ours != theirs).then(|| format!("{name}:\n  ours   {}\n  theirs {}", show(&ours), show(&theirs)))
    };
    cases.into_iter().filter_map(differs).collect()
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/traces").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(document: &xray::Document) -> Value {
    let json: Value = serde_json::from_str(&document.json()).unwrap();
    assert_eq!(
        (json["id"].as_str(), json["trace_id"].as_str()),
        (Some(document.id.as_str()), Some(document.trace_id.as_str()))
    );
    json
}

/// Tells ids that no span has: the exporter drew them.
fn random_ids(request: &TraceRequest) -> impl Fn(&Value) -> bool + use<> {
    let spans =
        request.resource_spans.iter().flat_map(|spans| &spans.scope_spans).flat_map(|scope| &scope.spans);
    let known: BTreeSet<String> =
        spans.flat_map(|span| [hex::encode(&span.span_id), hex::encode(&span.parent_span_id)]).collect();
    move |id| {
        let digits = id.as_str().unwrap_or_default();
        let is_id =
            digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        is_id && !known.contains(digits)
    }
}

/// Documents with drawn ids named by their place and times in microseconds.
fn comparable(documents: Vec<Value>, random: &impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut documents: Vec<Value> =
        documents.into_iter().map(|document| place_ids(document, random)).collect();
    for document in &mut documents {
        for time in ["start_time", "end_time"] {
            let seconds = document[time].as_f64().unwrap();
            document[time] = (seconds * 1e6).round().into();
        }
    }
    documents.sort_by_key(|document| (document["trace_id"].to_string(), document["id"].to_string()));
    documents
}

fn place_ids(mut document: Value, random: &impl Fn(&Value) -> bool) -> Value {
    for field in ["id", "parent_id"] {
        if document.get(field).is_some_and(random) {
            document[field] = "the service segment".into();
        }
    }
    let exceptions = document.pointer_mut("/cause/exceptions").and_then(Value::as_array_mut);
    let Some(exceptions) = exceptions else { return document };
    let ids: Vec<Value> = exceptions.iter().map(|exception| exception["id"].clone()).collect();
    for (place, exception) in exceptions.iter_mut().enumerate() {
        assert!(random(&exception["id"]), "{}", exception["id"]);
        exception["id"] = place.into();
        if let Some(cause) = exception.get_mut("cause") {
            *cause = ids.iter().position(|id| id == cause).unwrap().into();
        }
    }
    document
}

fn show(documents: &[Value]) -> String {
    documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n         ")
}
