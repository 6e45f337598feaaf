use std::{fs, path::Path};

use prost::Message;

use super::*;
use crate::otlp::{
    self,
    check::testing::{Draw, rearranged_traces},
    view::{
        traces::{Event, Link, Status},
        values::Value,
    },
};

fn golden_requests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/traces");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "pb")).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn identity() -> Identity {
    let task = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/ecs/fargate/task.json");
    Identity::from_task(&fs::read(task).unwrap(), "").unwrap()
}

fn settings() -> [Options; 3] {
    let indexed = ["http.method", "otel.resource.service.name", "db.name", "otel.resource.list"];
    let indexed_attributes = indexed.iter().map(ToString::to_string).collect();
    let log_groups = vec!["/shop".to_owned()];
    [
        Options::default(),
        Options { indexed_attributes, log_groups, ..Options::default() },
        Options { index_all: true, ..Options::default() },
    ]
}

/// However the fields lie, the request means what decoding its messages gives.
#[test]
fn what_is_read_in_place_is_what_decoding_reads() {
    let (requests, settings, identity) = (golden_requests(), settings(), identity());
    assert_eq!(requests.len(), 63);
    for (request, seed) in requests.iter().cycle().zip(0..1_500) {
        let bytes = rearranged_traces(request, &mut Draw(seed));
        let plain = otlp::TraceRequest::decode(bytes.as_slice()).unwrap().encode_to_vec();
        let options = &settings[usize::try_from(seed % 3).unwrap()];
        let translate =
            |bytes| Translator::new(options, (seed % 2 == 0).then_some(&identity)).translate(bytes).unwrap();
        assert_eq!(translate(&bytes), translate(&plain), "{seed}: {}", hex::encode(&bytes));
    }
}

#[test]
fn spans_are_read_whole() {
    for (request, seed) in golden_requests().iter().cycle().zip(0..1_500) {
        let bytes = rearranged_traces(request, &mut Draw(seed));
        let decoded = otlp::TraceRequest::decode(bytes.as_slice()).unwrap();
        let scopes = decoded.resource_spans.iter().flat_map(|spans| &spans.scope_spans);
        let want: Vec<String> = scopes.flat_map(|scope| &scope.spans).map(shown).collect();
        assert_eq!(read(&bytes).unwrap(), want, "{seed}: {}", hex::encode(&bytes));
    }
}

/// Every span of a request, each read into the same memory.
fn read(request: &[u8]) -> Result<Vec<String>, Malformed> {
    let (mut span, mut shown) = (Span::default(), Vec::new());
    let mut resource_spans = TraceRequest::read(Fields::of(request))?.resource_spans;
    while let Some(fields) = resource_spans.next()? {
        let mut scopes = ResourceSpans::read(fields)?.scope_spans;
        while let Some(fields) = scopes.next()? {
            let mut spans = ScopeSpans::read(fields)?.spans;
            while let Some(fields) = spans.next()? {
                span.read(fields)?;
                shown.push(format!("{span:?}"));
            }
        }
    }
    Ok(shown)
}

/// A span that was decoded, in the words of one that was read in place.
fn shown(span: &otlp::Span) -> String {
    let status = span.status.as_ref().map(|status| Status { message: &status.message, code: status.code });
    let span = Span {
        trace_id: &span.trace_id,
        span_id: &span.span_id,
        parent_span_id: &span.parent_span_id,
        name: &span.name,
        kind: span.kind,
        start_time_unix_nano: span.start_time_unix_nano,
        end_time_unix_nano: span.end_time_unix_nano,
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(event_of).collect(),
        links: span.links.iter().map(link_of).collect(),
        status: status.unwrap_or_default(),
    };
    format!("{span:?}")
}

fn attributes(list: &[otlp::KeyValue]) -> Vec<Attribute<'_>> {
    list.iter().map(Attribute::from).collect()
}

fn event_of(event: &otlp::Event) -> Event<'_> {
    Event {
        time_unix_nano: event.time_unix_nano,
        name: &event.name,
        attributes: attributes(&event.attributes),
    }
}

fn link_of(link: &otlp::Link) -> Link<'_> {
    Link { trace_id: &link.trace_id, span_id: &link.span_id, attributes: attributes(&link.attributes) }
}

#[test]
fn a_request_that_is_none_says_where_and_leaves_nothing_behind() {
    let requests = golden_requests();
    let options = Options::default();
    let mut translator = Translator::new(&options, None);
    for request in &requests {
        for end in (0..request.len()).step_by(7) {
            let cut = &request[..end];
            assert_eq!(translator.translate(cut).err(), check::traces(cut).err(), "{end}");
        }
    }
}

#[test]
fn parts_make_what_the_whole_makes() {
    let options = Options::default();
    for request in golden_requests() {
        let whole = Translator::new(&options, None).translate(&request).unwrap();
        for max_bytes in [1, 2_000] {
            let mut translator = Translator::new(&options, None);
            let (mut rest, mut documents, mut parts, mut dropped) = (Some(Rest::default()), Vec::new(), 0, 0);
            while let Some(from) = rest {
                let (part, left) = translator.translate_part(&request, from, max_bytes).unwrap();
                assert_ne!(left, rest, "each brings it forward");
                documents.extend(part.documents);
                dropped += part.dropped.iter().map(|drop| drop.spans).sum::<u64>();
                (rest, parts) = (left, parts + 1);
            }
            assert!(max_bytes > 1 || parts >= documents.len() / 2, "a span has two documents at most");
            assert_eq!(documents, whole.documents);
            assert_eq!(dropped, whole.dropped.iter().map(|drop| drop.spans).sum::<u64>());
        }
    }
}

#[test]
fn bytes_are_a_request_to_it_as_to_decoding() {
    let requests = golden_requests();
    let mut refused = 0;
    for (request, seed) in requests.iter().filter(|request| !request.is_empty()).cycle().zip(0..6_000) {
        let (mut bytes, mut draw) = (request.clone(), Draw(seed));
        for _ in 0..draw.index(3) {
            let at = draw.index(bytes.len());
            bytes[at] = draw.byte();
        }
        let options = Options::default();
        let translated = Translator::new(&options, None).translate(&bytes).map(drop);
        let decoded = otlp::TraceRequest::decode(bytes.as_slice());
        assert_eq!(translated.is_ok(), decoded.is_ok(), "{seed}: {decoded:?} {}", hex::encode(&bytes));
        refused += u32::from(decoded.is_err());
    }
    assert!((1_000..5_000).contains(&refused), "{refused}");
}

#[test]
fn a_resource_is_known_again_by_its_bytes_alone() {
    let requests = golden_requests();
    let (options, identity) = (Options::default(), identity());
    let mut one = Translator::new(&options, Some(&identity));
    for request in requests.iter().chain(&requests) {
        let alone = Translator::new(&options, Some(&identity)).translate(request);
        assert_eq!(one.translate(request), alone);
    }
}

#[test]
fn the_identity_takes_the_place_of_the_first_of_its_key() {
    let own = |key: &'static str, text: &'static str| Attribute { key, value: Some(Value::String(text)) };
    let mut attributes = vec![own("a", "1"), own("b", "2"), own("a", "3")];
    identify(&mut attributes, own("a", "found"));
    identify(&mut attributes, own("c", "found"));
    let want = [own("a", "found"), own("b", "2"), own("a", "3"), own("c", "found")];
    assert_eq!(attributes, want);
}
