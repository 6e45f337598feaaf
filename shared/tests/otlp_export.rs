//! Spans for X-Ray's OTLP endpoint: nothing of them is lost, and no request is over the endpoint's limits.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use siphon_core::ecs::Identity;
use siphon_core::otlp::{self, KeyValue};
use siphon_core::xray::otlp::{Limits, Span, body, first_request, read};

/// The messages of opentelemetry-proto 1.9 as far as the traces' reach, whole, with a field that is yet to come.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(message, repeated, tag = "1")]
        pub(super) resource_spans: Vec<ResourceSpans>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(super) scope_spans: Vec<ScopeSpans>,
        #[prost(string, tag = "3")]
        pub(super) schema_url: String,
        #[prost(string, tag = "900")]
        pub(super) yet_to_come: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(super) attributes: Vec<siphon_core::otlp::KeyValue>,
        #[prost(uint32, tag = "2")]
        pub(super) dropped_attributes_count: u32,
        #[prost(bytes = "vec", repeated, tag = "3")]
        pub(super) entity_refs: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ScopeSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")]
        pub(super) spans: Vec<Span>,
        #[prost(string, tag = "3")]
        pub(super) schema_url: String,
        #[prost(fixed32, tag = "900")]
        pub(super) yet_to_come: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Scope {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(uint32, tag = "4")]
        pub(super) dropped_attributes_count: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) span_id: Vec<u8>,
        #[prost(string, tag = "3")]
        pub(super) trace_state: String,
        #[prost(string, tag = "5")]
        pub(super) name: String,
        #[prost(uint32, tag = "10")]
        pub(super) dropped_attributes_count: u32,
        #[prost(message, repeated, tag = "13")]
        pub(super) links: Vec<Link>,
        #[prost(fixed32, tag = "16")]
        pub(super) flags: u32,
        #[prost(uint64, tag = "900")]
        pub(super) yet_to_come: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Link {
        #[prost(string, tag = "3")]
        pub(super) trace_state: String,
        #[prost(fixed32, tag = "6")]
        pub(super) flags: u32,
    }
}

use proto::{Link, Request, Resource, ResourceSpans, Scope, ScopeSpans};

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(otlp::AnyValue { value: Some(otlp::Value::String(value.to_owned())) });
    KeyValue { key: key.to_owned(), value }
}

fn span(id: u8) -> proto::Span {
    proto::Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        trace_state: "vendor=1".into(),
        name: format!("op {id}"),
        dropped_attributes_count: 2,
        links: vec![Link { trace_state: "other=2".into(), flags: 1 }],
        flags: 0x101,
        yet_to_come: u64::MAX,
    }
}

fn request() -> Request {
    let scope = Some(Scope { name: "shop".into(), dropped_attributes_count: 4 });
    let scope_spans =
        ScopeSpans { scope, spans: vec![span(1), span(2)], schema_url: "s".into(), yet_to_come: 5 };
    let attributes = vec![text("service.name", "shop"), text("cloud.region", "mars"), text("b", "c")];
    let resource =
        Resource { attributes, dropped_attributes_count: 3, entity_refs: vec![vec![0x0a, 1, b'e']] };
    let first = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans, ScopeSpans { spans: vec![span(3)], ..ScopeSpans::default() }],
        schema_url: "https://opentelemetry.io/schemas/1.27.0".into(),
        yet_to_come: "yet to come".into(),
    };
    let bare = ScopeSpans { spans: vec![span(4)], ..ScopeSpans::default() };
    let second = ResourceSpans { scope_spans: vec![bare], ..ResourceSpans::default() };
    Request { resource_spans: vec![first, second] }
}

fn identity() -> Identity {
    let task = br#"{"TaskARN":"arn:aws:ecs:eu-west-1:111122223333:task/shop/1","Cluster":"shop","Family":"web","Revision":"3"}"#;
    Identity::from_task(task, "").unwrap()
}

fn spans(request: &impl Message, identity: Option<&Identity>) -> Vec<Span> {
    let read = read(&Bytes::from(request.encode_to_vec()), identity, &Limits::default()).unwrap();
    assert_eq!(read.dropped, []);
    read.spans
}

fn sent<M: Message + Default>(spans: &[Span]) -> M {
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(body(spans).unwrap().as_slice()).read_to_end(&mut message).unwrap();
    M::decode(message.as_slice()).unwrap()
}

#[test]
fn nothing_is_lost() {
    assert_eq!(sent::<Request>(&spans(&request(), None)), request());
}

#[test]
fn every_resource_has_the_tasks_identity_and_keeps_the_rest() {
    let identity = identity();
    let mut want = request();
    for group in &mut want.resource_spans {
        let resource = group.resource.get_or_insert_default();
        resource.attributes.retain(|attribute| attribute.key != "cloud.region");
        resource.attributes.extend_from_slice(identity.attributes());
    }
    assert!(identity.attributes().iter().any(|attribute| attribute.key == "cloud.region"));
    assert_eq!(sent::<Request>(&spans(&request(), Some(&identity))), want);
}

#[test]
fn requests_in_a_row_share_their_resource() {
    let twice = [spans(&request(), None), spans(&request(), None)].concat();
    let mut want = request();
    want.resource_spans.extend(request().resource_spans);
    assert_eq!(sent::<Request>(&twice), want, "the second resource lies between");
    let first = |request: Request| Request { resource_spans: vec![request.resource_spans[0].clone()] };
    let twice = [spans(&first(request()), None), spans(&first(request()), None)].concat();
    assert_eq!(sent::<Request>(&twice).resource_spans.len(), 1);
}

#[test]
fn what_is_no_request_is_refused() {
    let fault = read(&Bytes::from_static(b"\x0a\x05\x12"), None, &Limits::default()).unwrap_err();
    assert_eq!(fault.at, 1);
}

#[test]
fn a_span_over_the_limit_costs_no_other() {
    let mut request = request();
    request.resource_spans[0].scope_spans[0].spans[0].name = "n".repeat(200_000);
    let payload = Bytes::from(request.encode_to_vec());
    let large = read(&payload, None, &Limits::default()).unwrap();
    assert_eq!((large.spans.len(), large.dropped.len()), (3, 1));
    let drop = &large.dropped[0];
    assert_eq!(
        (drop.reason, drop.spans, drop.named[0].id.as_str()),
        ("span_too_large", 1, "0101010101010101")
    );
    assert_eq!(drop.named[0].name.len(), 200);
    let tiny = Limits { body_bytes: 100, ..Limits::default() };
    let tiny = read(&payload, None, &tiny).unwrap();
    assert_eq!((tiny.spans.len(), tiny.dropped[0].spans), (1, 3), "no room beside its resource");
}

prop_compose! {
    fn any_request()(groups in vec(
        ("[a-c]", vec(("[a-c]{0,60}", vec("[a-z]{0,40}", 0..6)), 0..4)), 0..4,
    )) -> otlp::TraceRequest {
        let scope = |(name, spans): (String, Vec<String>)| otlp::ScopeSpans {
            scope: Some(otlp::Scope { name, ..otlp::Scope::default() }),
            spans: spans.into_iter().map(|name| otlp::Span { name, ..otlp::Span::default() }).collect(),
        };
        let group = |(name, scopes): (String, Vec<_>)| otlp::ResourceSpans {
            resource: Some(otlp::Resource { attributes: vec![text("service.name", &name)] }),
            scope_spans: scopes.into_iter().map(scope).collect(),
        };
        otlp::TraceRequest { resource_spans: groups.into_iter().map(group).collect() }
    }
}

/// Each span with its resource and scope.
fn flat(request: &otlp::TraceRequest) -> Vec<(Option<otlp::Resource>, Option<otlp::Scope>, otlp::Span)> {
    let mut flat = Vec::new();
    for group in &request.resource_spans {
        for scope in &group.scope_spans {
            for span in &scope.spans {
                flat.push((group.resource.clone(), scope.scope.clone(), span.clone()));
            }
        }
    }
    flat
}

proptest! {
    #[test]
    fn cutting_loses_and_reorders_nothing_and_keeps_the_limits(
        request in any_request(),
        body_bytes in 200..600_usize,
        most in 1..9_usize,
    ) {
        let limits = Limits { body_bytes, spans: most };
        let spans = spans(&request, None);
        let (mut rest, mut all) = (&spans[..], Vec::new());
        while !rest.is_empty() {
            let (first, later) = rest.split_at(first_request(rest, &limits));
            let part: otlp::TraceRequest = sent(first);
            prop_assert!(first.len() <= most && part.encoded_len() <= body_bytes);
            all.extend(flat(&part));
            rest = later;
        }
        prop_assert_eq!(all, flat(&request));
    }

    #[test]
    fn broken_requests_are_refused_or_read_without_panic(flips in vec((any::<Index>(), any::<u8>()), 0..8)) {
        let mut bytes = request().encode_to_vec();
        for (at, with) in flips {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        let counted = otlp::check::traces(&bytes);
        match read(&Bytes::from(bytes), Some(&identity()), &Limits::default()) {
            Ok(read) => prop_assert_eq!(read.spans.len() as u64, counted.unwrap()),
            Err(fault) => prop_assert_eq!(Err(fault), counted),
        }
    }
}
