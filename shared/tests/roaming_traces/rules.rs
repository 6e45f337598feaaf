//! Rules that hold for any span.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;
use serde_json::Value as Json;
use siphon_core::otlp::{KeyValue, Resource, ResourceSpans, ScopeSpans, Span, TraceRequest, Value};
use siphon_core::xray::{Options, Translation, Translator};

use crate::identity;
use crate::spans::{RESOURCE_KEYS, SPAN_KEYS, options, pair, span, value};

/// Keys that are read as text, and go where they are read or nowhere.
const TAKEN_TEXTS: &[&str] = &[
    "http.method",
    "http.request.method",
    "http.client_ip",
    "http.user_agent",
    "user_agent.original",
    "http.url",
    "url.full",
    "http.scheme",
    "url.scheme",
    "http.host",
    "http.target",
    "http.server_name",
    "url.path",
    "url.query",
    "host.name",
    "net.host.name",
    "net.peer.name",
    "server.address",
    "net.peer.ip",
    "network.peer.address",
    "client.address",
    "aws.operation",
    "rpc.method",
    "aws.account_id",
    "aws.region",
    "aws.request_id",
    "aws.requestId",
    "aws.queue_url",
    "aws.queue.url",
    "aws.table_name",
    "aws.table.name",
    "enduser.id",
];

/// Keys that share a meaning with another key, so that their order counts.
const ORDERED: &[&str] = &[
    "http.request.method",
    "user_agent.original",
    "http.response.status_code",
    "url.full",
    "url.scheme",
    "http.client_ip",
    "net.peer.ip",
    "network.peer.address",
    "client.address",
];

fn request(span: Span, resource: Resource) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { scope: None, spans: vec![span] }];
    TraceRequest { resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans }] }
        .encode_to_vec()
}

fn translate(span: &Span, options: &Options) -> Translation {
    Translator::new(options, None).translate(&request(span.clone(), Resource::default())).unwrap()
}

/// Attributes of which no two have one key.
fn unique(keys: Vec<&'static str>) -> impl Strategy<Value = Vec<KeyValue>> {
    let list = |map: BTreeMap<&str, _>| {
        map.into_iter().map(|(key, value)| KeyValue { key: key.to_owned(), value: Some(value) }).collect()
    };
    btree_map(select(keys), value(), 0..30).prop_map(list)
}

fn orderless() -> impl Strategy<Value = Vec<KeyValue>> {
    unique(SPAN_KEYS.iter().filter(|key| !ORDERED.contains(key)).copied().collect())
}

proptest! {
    #[test]
    fn what_no_rule_takes_is_found_again(
        mut span in span(),
        options in options(),
        own in vec((any::<Index>(), any::<i64>()), 1..6),
    ) {
        for (number, (at, value)) in own.iter().enumerate() {
            let at = at.index(span.attributes.len() + 1);
            span.attributes.insert(at, pair(&format!("own.{number}"), Value::Int(*value)));
        }
        let translation = translate(&span, &options);
        prop_assume!(translation.shortened == 0);
        let Some(document) = translation.documents.first() else { return Ok(()) };
        let document: Json = serde_json::from_str(&document.json()).unwrap();
        for (number, (_, value)) in own.iter().enumerate() {
            let key = format!("own.{number}");
            let places = match options.index_all {
                true => ["/annotations", "/metadata/siphon/annotations"].as_slice(),
                false => &["/metadata/default"],
            };
            let found = places.iter().find_map(|place| document.pointer(place)?.get(&key));
            prop_assert_eq!(found, Some(&Json::from(*value)), "{} in {}", key, document);
        }
    }

    #[test]
    fn what_is_no_text_reads_as_an_empty_one(
        span in span(),
        at: Index,
        key in select(TAKEN_TEXTS),
        value in value().prop_filter_map("a value that is no text", |value| {
            value.value.filter(|value| !matches!(value, Value::String(_)))
        }),
    ) {
        let at = at.index(span.attributes.len() + 1);
        let with = |value| {
            let mut span = span.clone();
            span.attributes.insert(at, pair(key, value));
            translate(&span, &Options::default())
        };
        prop_assert_eq!(with(value), with(Value::String(String::new())));
    }

    #[test]
    fn attributes_that_share_no_meaning_may_come_in_any_order(
        span in span(),
        (one, other) in orderless().prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        options in options(),
    ) {
        let with = |attributes| translate(&Span { attributes, ..span.clone() }, &options);
        prop_assert_eq!(with(one), with(other));
    }

    #[test]
    fn the_identity_is_as_if_the_resource_had_it(
        span in span(),
        attributes in unique(RESOURCE_KEYS.to_vec()),
        options in options(),
    ) {
        let (identity, own) = (identity(), Resource { attributes });
        let mut whole = own.clone();
        identity.apply(&mut whole);
        let (own, whole) = (request(span.clone(), own), request(span, whole));
        let found = Translator::new(&options, Some(&identity)).translate(&own).unwrap();
        prop_assert_eq!(found, Translator::new(&options, None).translate(&whole).unwrap());
    }
}
