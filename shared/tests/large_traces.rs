//! Spans of any size: their documents fit what X-Ray takes, say what they lost, and lose no more than they must.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod documents;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;
use serde_json::{Value as Json, json};
use siphon_core::otlp::{
    AnyValue, ArrayValue, Event, KeyValue, KeyValueList, Link, Resource, ResourceSpans, ScopeSpans, Span,
    Status, TraceRequest, Value,
};
use siphon_core::xray::{MAX_DOCUMENT_BYTES, Options, Translation, Translator};

fn any_value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any_value(value)) }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::String(value.into()))
}

fn span(attributes: Vec<KeyValue>) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "op".into(),
        kind: 2,
        attributes,
        ..Span::default()
    }
}

fn exception(message: &str, frames: usize) -> Event {
    let lines: String = (0..frames).map(|n| format!("\n\tat shop.Cart.pay(Cart.java:{n})")).collect();
    let attributes = vec![
        text("exception.type", "java.io.IOException"),
        text("exception.message", message),
        text("exception.stacktrace", format!("java.io.IOException: {message}{lines}")),
    ];
    Event { name: "exception".into(), attributes, time_unix_nano: 1 }
}

fn request(resource: Vec<KeyValue>, spans: Vec<Span>) -> TraceRequest {
    let resource = Some(Resource { attributes: resource });
    let scope_spans = vec![ScopeSpans { scope: None, spans }];
    TraceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans }] }
}

fn java(span: Span) -> TraceRequest {
    request(vec![text("telemetry.sdk.language", "java")], vec![span])
}

fn translate(request: &TraceRequest, options: &Options) -> Translation {
    Translator::new(options, None).translate(&request.encode_to_vec()).unwrap()
}

fn only(request: &TraceRequest) -> Json {
    let translation = translate(request, &Options::default());
    assert_eq!((translation.documents.len(), translation.dropped.len()), (1, 0));
    documents::check(&translation.documents[0])
}

fn truncated(document: &Json) -> Vec<&str> {
    let places = document.pointer("/metadata/siphon/truncated").and_then(Json::as_array);
    places.into_iter().flatten().map(|place| place.as_str().unwrap()).collect()
}

#[test]
fn stack_frames_go_first_and_are_counted() {
    let mut long = span(vec![text("big", "x".repeat(40_000))]);
    long.events = vec![exception("first", 600), exception("second", 20)];
    let document = only(&java(long));
    assert_eq!(truncated(&document), ["cause.exceptions.stack"]);
    let exceptions = document["cause"]["exceptions"].as_array().unwrap();
    let frames: Vec<_> = exceptions.iter().map(|e| e["stack"].as_array().unwrap().len()).collect();
    assert_eq!((frames, &exceptions[0]["truncated"]), (vec![50, 20], &json!(550)));
    assert_eq!(exceptions[1].get("truncated"), None);
    assert_eq!(exceptions[0]["stack"][49]["line"], 49, "the innermost frames stay");
    assert_eq!(document["metadata"]["default"]["big"].as_str().unwrap().len(), 40_000);
}

#[test]
fn long_texts_go_before_whole_entries_and_the_longest_first() {
    let document = only(&java(span(vec![
        text("a", "x".repeat(60_000)),
        text("b", "x".repeat(12_000)),
        pair("list", Value::Array(ArrayValue { values: vec![any_value(Value::String("x".repeat(20_000)))] })),
    ])));
    assert_eq!(truncated(&document), ["metadata.default.a", "metadata.default.list"]);
    let default = &document["metadata"]["default"];
    let lengths =
        [&default["a"], &default["b"], &default["list"][0]].map(|text| text.as_str().unwrap().len());
    assert_eq!(lengths, [16_000, 12_000, 16_000]);
}

#[test]
fn the_largest_entries_go_and_no_more_than_needed() {
    let numbers = |n: i64| {
        let values = (0..n).map(|n| any_value(Value::Int(1_000_000 + n))).collect();
        Value::Array(ArrayValue { values })
    };
    let document = only(&java(span(vec![
        pair("a", numbers(2_000)),
        pair("b", numbers(5_000)),
        pair("c", numbers(4_000)),
        pair("d", numbers(1)),
    ])));
    assert_eq!(truncated(&document), ["metadata.default.b"]);
    let kept = document["metadata"]["default"].as_object().unwrap();
    assert!(["a", "c", "d"].iter().all(|key| kept.contains_key(*key)), "{:?}", kept.keys());
}

#[test]
fn links_and_statements_come_after_the_metadata_and_before_messages() {
    let link = |n: u32| Link {
        trace_id: vec![3; 16],
        span_id: [[9; 4], n.to_be_bytes()].concat(),
        attributes: vec![text("why", "retry")],
    };
    let mut long = span(vec![
        text("note", "n"),
        text("db.system", "mysql"),
        text("db.statement", "SELECT ".repeat(5_000)),
    ]);
    long.links = (0..400).map(link).collect();
    long.events = vec![exception(&"m".repeat(14_000), 0)];
    let document = only(&java(long));
    assert_eq!(truncated(&document), ["links"]);
    assert_eq!(
        document["metadata"]["default"]["note"], "n",
        "a small entry would have freed next to nothing"
    );
    let links = document["links"].as_array().unwrap().len();
    assert!((100..400).contains(&links) && document["links"][0].get("attributes").is_none(), "{links}");
    assert_eq!(document["sql"]["sanitized_query"].as_str().unwrap().len(), 35_000);
}

#[test]
fn exceptions_stay_as_far_as_they_fit_and_the_first_in_any_case() {
    let mut many = span(vec![]);
    many.status = Some(Status { message: "failed".into(), code: 2 });
    many.events = (0..3_000).map(|n| exception(&format!("number {n}"), 2)).collect();
    let document = only(&java(many));
    assert!(truncated(&document).ends_with(&["cause.exceptions.stack", "cause.exceptions"]));
    let exceptions = document["cause"]["exceptions"].as_array().unwrap();
    assert!(exceptions.len() > 300, "{}", exceptions.len());
    assert_eq!((&exceptions[0]["message"], &exceptions[0]["truncated"]), (&json!("number 0"), &json!(2)));
    assert_eq!(document["fault"], true);
}

#[test]
fn a_chain_of_causes_ends_where_it_is_cut() {
    let causes: String = (0..3_000).map(|n| format!("\nCaused by: E{n}: m\n\tat f(F.java:1)")).collect();
    let attributes = vec![text("exception.stacktrace", format!("E: m{causes}"))];
    let events = vec![Event { name: "exception".into(), attributes, time_unix_nano: 1 }];
    let document = only(&java(Span { events, ..span(vec![]) }));
    let exceptions = document["cause"]["exceptions"].as_array().unwrap();
    let ids: Vec<&Json> = exceptions.iter().map(|exception| &exception["id"]).collect();
    let causes: Vec<&Json> = exceptions.iter().filter_map(|exception| exception.get("cause")).collect();
    assert_eq!(causes, ids[1..], "each cause is in the document");
}

#[test]
fn identity_http_and_annotations_outlast_everything() {
    let asked = (0..50).map(|n| any_value(Value::String(format!("k{n}")))).collect();
    let mut attributes = vec![
        text("http.method", "GET"),
        text("http.url", "https://shop/cart"),
        text("enduser.id", "u"),
        text("rpc.method", "Get".repeat(10_000)),
        text("aws.request_id", "r".repeat(60_000)),
        pair("aws.xray.annotations", Value::Array(ArrayValue { values: asked })),
    ];
    attributes.extend((0..50).map(|n| text(&format!("k{n}"), "v".repeat(1_000))));
    let document = only(&java(span(attributes)));
    assert_eq!(truncated(&document), ["aws"]);
    assert_eq!(document["annotations"].as_object().unwrap().len(), 50);
    assert_eq!(document["http"]["request"]["url"], "https://shop/cart");
    assert_eq!(
        (&document["user"], document["aws"]["request_id"].as_str().unwrap().len()),
        (&json!("u"), 250)
    );
}

#[test]
fn annotations_beyond_the_fiftieth_are_kept_as_metadata() {
    let mut attributes: Vec<_> = (0..60).map(|n| pair(&format!("k-{n:02}"), Value::Int(n))).collect();
    attributes.extend([text("long", "v".repeat(1_001)), text(&"k".repeat(501), "v"), text("", "no key")]);
    let resource = vec![text("service.name", "shop")];
    let options = Options { index_all: true, ..Options::default() };
    let translation = translate(&request(resource, vec![span(attributes)]), &options);
    assert_eq!(translation.shortened, 0, "it fits as it is");
    let document = documents::check(&translation.documents[0]);
    let annotations = document["annotations"].as_object().unwrap();
    assert_eq!((annotations.len(), annotations.keys().next_back().unwrap().as_str()), (50, "k_49"));
    let moved = document["metadata"]["siphon"]["annotations"].as_object().unwrap();
    assert_eq!((moved.len(), &moved["k_59"], &moved[""]), (14, &json!(59), &json!("no key")));
    assert_eq!(moved["long"].as_str().unwrap().len(), 1_001);
    assert_eq!(
        (&moved["otel.resource.service.name"], truncated(&document)),
        (&json!("shop"), vec!["annotations"])
    );
}

#[test]
fn long_texts_that_x_ray_limits_are_cut_and_kept_whole_beside() {
    let (url, name) = (format!("https://shop/{}", "é".repeat(300)), "n".repeat(201));
    let attributes = vec![
        text("http.url", &url),
        text("http.user_agent", "a".repeat(250)),
        text("aws.local.service", &name),
    ];
    let document = only(&java(span(attributes)));
    assert_eq!(document["name"], name[..200]);
    assert_eq!(document["http"]["request"]["url"].as_str().unwrap().chars().count(), 250);
    assert_eq!(document["http"]["request"]["user_agent"], "a".repeat(250));
    let siphon = &document["metadata"]["siphon"];
    assert_eq!((&siphon["http.request.url"], &siphon["name"]), (&json!(url), &json!(name)));
    assert_eq!(truncated(&document), ["name", "http.request.url"]);
}

/// A text of up to so many characters, some of which take six bytes in JSON.
fn any_text(most: usize) -> impl Strategy<Value = String> {
    let letter = select(vec!["x", "\u{1}", "\"", "é", "🦀", " "]);
    let length = prop_oneof![4 => 0..20_usize, 1 => 0..most];
    (letter, length).prop_map(|(letter, length)| letter.repeat(length))
}

fn any_attribute() -> impl Strategy<Value = KeyValue> {
    let keys = [
        "http.url",
        "http.user_agent",
        "enduser.id",
        "db.system",
        "db.statement",
        "db.user",
        "peer.service",
        "rpc.method",
        "aws.dynamodb.table_names",
        "aws.xray.metadata.shop",
        "aws.xray.metadata.siphon",
        "aws.span.kind",
    ];
    let key = prop_oneof![
        select(keys.to_vec()).prop_map(str::to_owned),
        any_text(2_000),
        "aws\\.xray\\.metadata\\.[a-z]{1,9}"
    ];
    let known = select(vec!["mysql", "LOCAL_ROOT", r#"{"truncated":1,"a":["b",{"c":"d"}]}"#]);
    let value = prop_oneof![
        any_text(100_000).prop_map(Value::String),
        known.prop_map(|text| Value::String(text.to_owned())),
        any::<i64>().prop_map(Value::Int),
        vec(any_text(3_000), 0..60).prop_map(|texts| {
            let values = texts.into_iter().map(|text| any_value(Value::String(text))).collect();
            Value::Array(ArrayValue { values })
        }),
        any_text(30_000).prop_map(|value| Value::Map(KeyValueList { values: vec![text("k", value)] })),
    ];
    (key, value).prop_map(|(key, value)| pair(&key, value))
}

prop_compose! {
    fn any_span()(
        mut attributes in vec(any_attribute(), 0..12),
        small in prop_oneof![3 => 0..10_usize, 1 => 0..3_000_usize],
        name in any_text(80_000),
        kind in 0..6_i32,
        parent in any::<bool>(),
        exceptions in prop_oneof![
            3 => vec((any_text(5_000), 0..120_usize), 0..4),
            1 => vec((any_text(50), 0..5_usize), 0..800),
        ],
        links in prop_oneof![3 => vec(any_text(100), 0..3), 1 => vec(any_text(20), 0..900)],
    ) -> Span {
        attributes.extend((0..small).map(|n| text(&format!("small.{n}"), n.to_string())));
        let link = |why| Link { trace_id: vec![3; 16], span_id: vec![4; 8], attributes: vec![text("why", why)] };
        Span {
            name,
            kind,
            parent_span_id: vec![7; if parent { 8 } else { 0 }],
            events: exceptions.iter().map(|(message, frames)| exception(message, *frames)).collect(),
            links: links.into_iter().map(link).collect(),
            ..span(attributes)
        }
    }
}

prop_compose! {
    fn any_options()(
        index_all in any::<bool>(),
        log_groups in vec(any_text(100_000), 0..2),
    ) -> Options {
        Options { index_all, log_groups, ..Options::default() }
    }
}

/// Exceptions with frames of which one got lost uncounted. Chains of causes are none here: one exception an event.
fn check_frames(document: &Json, span: &Span) {
    let exceptions = document.pointer("/cause/exceptions").and_then(Json::as_array).into_iter().flatten();
    for (exception, event) in exceptions.zip(&span.events) {
        let Some(Value::String(trace)) = event.attributes[2].value() else { continue };
        let stack = exception.get("stack").map_or(0, |stack| stack.as_array().unwrap().len());
        let lost = exception.get("truncated").map_or(0, |lost| lost.as_u64().unwrap());
        assert_eq!(stack as u64 + lost, trace.matches("\tat shop").count() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_span_fits_or_is_counted_and_named(span in any_span(), options in any_options()) {
        let request = java(span.clone());
        let translation = translate(&request, &options);
        prop_assert_eq!(&translation, &translate(&request, &options), "shortening is deterministic");
        let Translation { documents, shortened, dropped } = translation;
        prop_assert!(documents.is_empty() != dropped.is_empty(), "one or the other");
        for drop in dropped {
            let short: String = span.name.chars().take(200).collect();
            prop_assert_eq!((drop.reason, drop.spans, drop.named.len()), ("document_too_large", 1, 1));
            prop_assert_eq!((&drop.named[0].name, drop.named[0].id.as_str()), (&short, "0202020202020202"));
            prop_assert!(options.log_groups.iter().any(|name| name.len() > 5_000), "only identity can be too large");
        }
        let documents: Vec<Json> = documents.iter().map(documents::check).collect();
        let marked = documents.iter().filter(|document| !truncated(document).is_empty()).count();
        prop_assert!(marked as u64 >= shortened, "what is shortened says so");
        documents.iter().for_each(|document| check_frames(document, &span));
    }

    #[test]
    fn a_span_that_fits_is_not_touched(size in 0..MAX_DOCUMENT_BYTES - 1_000, frames in 0..3_usize) {
        let events = vec![exception("m", frames)];
        let document = only(&java(Span { events, ..span(vec![text("k", "x".repeat(size))]) }));
        prop_assert_eq!(document["metadata"]["default"]["k"].as_str().map(str::len), Some(size));
        prop_assert_eq!(document["metadata"].get("siphon"), None);
    }
}
