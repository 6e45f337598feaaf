//! Whatever spans say: translation never panics, keeps its rules, and what it writes X-Ray can read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../documents/mod.rs"]
mod documents;
mod rules;
mod spans;

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use siphon_core::ecs::Identity;
use siphon_core::otlp::TraceRequest;
use siphon_core::xray::{Options, Translator};

use spans::{options, request};

/// What holds for every translation.
fn check(request: &TraceRequest, options: &Options, identity: Option<&Identity>) {
    let bytes = request.encode_to_vec();
    let translate = || Translator::new(options, identity).translate(&bytes).unwrap();
    let translation = translate();
    assert_eq!(translation, translate(), "the same spans give the same documents");
    let spans =
        request.resource_spans.iter().flat_map(|spans| &spans.scope_spans).map(|scope| scope.spans.len());
    let spans: usize = spans.sum();
    let dropped: u64 = translation.dropped.iter().map(|drop| drop.spans).sum();
    let kept = spans - usize::try_from(dropped).unwrap();
    assert!((kept..=2 * kept).contains(&translation.documents.len()), "no span is lost uncounted");
    for document in &translation.documents {
        documents::check(document);
    }
}

fn identity() -> Identity {
    let task = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/ecs/fargate/task.json");
    Identity::from_task(&std::fs::read(task).unwrap(), "").unwrap()
}

fn recorded() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/traces");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "pb")).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

proptest! {
    #[test]
    fn any_request_becomes_documents_or_counted_drops(
        request in request(),
        options in options(),
        in_task: bool,
    ) {
        let identity = identity();
        check(&request, &options, in_task.then_some(&identity));
    }

    #[test]
    fn a_recorded_request_with_flipped_bytes_does_too(
        which: Index,
        flips in vec((any::<Index>(), any::<u8>()), 1..12),
        options in options(),
    ) {
        let requests = recorded();
        let mut bytes = which.get(&requests).clone();
        for (at, with) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
        }
        if let Ok(request) = TraceRequest::decode(bytes.as_slice()) {
            check(&request, &options, None);
        }
    }
}
