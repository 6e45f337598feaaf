//! One span into one document, or into two where a service's first span in the trace is a call to another service.

use std::ptr;

use super::Options;
use super::annotations::{Index, Leftover, sort_out};
use super::attributes::{Attributes, texts};
use super::cause::{Failure, Flags};
use super::document::{AwsCall, Segment};
use super::http::http;
use super::ids::{Derived, SegmentId, SpanIds, TraceId};
use super::keys::{Key, KeySet};
use super::links::links;
use super::names::{Named, remote_service};
use super::resource::Resource;
use super::sql::sql;
use super::time::seconds;
use crate::otlp::SpanKind;
use crate::otlp::view::{
    traces::Span,
    values::{Attribute, Value},
};

/// The type of a document that is no segment.
const SUBSEGMENT: Option<&str> = Some("subsegment");

/// A span with all that its documents are made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) span: &'a Span<'a>,
    pub(super) ids: SpanIds,
    pub(super) attributes: Attributes<'a>,
    /// Those of the service, if the span stands for two documents: see [`is_split`].
    pub(super) service: Option<Attributes<'a>>,
    /// Whether the sender marked the span as its service's first in the trace.
    pub(super) local_root: bool,
    pub(super) in_progress: bool,
    pub(super) resource: &'a Resource<'a>,
    pub(super) options: &'a Options,
}

/// Whether a service's first span in the trace is a call to another service, and so stands for two documents.
pub(super) fn is_split(local_root: bool, kind: SpanKind, resource: &Resource<'_>) -> bool {
    // In another cloud there is no `aws` block to tell the two apart by.
    local_root && resource.place.is_some() && !serves(kind)
}

const fn serves(kind: SpanKind) -> bool {
    matches!(kind, SpanKind::Server | SpanKind::Internal)
}

impl<'a> Source<'a> {
    /// The document, and a second one if the span stands for two.
    pub(super) fn segments(&self) -> (Segment<'a>, Option<Segment<'a>>) {
        let own_ids = Derived::new(self.ids.trace, self.ids.span);
        match self.service {
            Some(attributes) => self.split(attributes, own_ids),
            None if self.local_root && serves(self.span.kind()) => {
                let segment = self.segment(own_ids);
                (Segment { kind: None, namespace: None, ..segment }, None)
            }
            None => (self.segment(own_ids), None),
        }
    }

    /// The call as a subsegment, and around it a segment for the service that makes it.
    fn split(&self, attributes: Attributes<'a>, mut own_ids: Derived) -> (Segment<'a>, Option<Segment<'a>>) {
        let service_id = own_ids.next();
        let call = Self { ids: SpanIds { parent: Some(service_id), ..self.ids }, ..*self };
        let service_ids = SpanIds { span: service_id, ..self.ids };
        let service = Source { ids: service_ids, attributes, ..*self };
        (call.call_subsegment(own_ids), Some(service.service_segment()))
    }

    fn call_subsegment(&self, own_ids: Derived) -> Segment<'a> {
        let mut segment = self.segment(own_ids);
        segment.kind = SUBSEGMENT;
        segment.namespace = segment.namespace.or(Some("remote"));
        if self.span.kind() == SpanKind::Consumer {
            segment.links.clear();
        }
        if let Some(name) = remote_service(self.attributes) {
            segment.name = name.into();
        }
        segment
    }

    /// The call's own details stay with the call.
    fn service_segment(&self) -> Segment<'a> {
        let mut segment = self.segment(Derived::new(self.ids.trace, self.ids.span));
        segment.kind = None;
        segment.namespace = None;
        segment.http = None;
        segment.metadata.keep_resource();
        if let Some(aws) = &mut segment.aws {
            aws.call = AwsCall::default();
        }
        if self.span.kind() != SpanKind::Consumer {
            segment.links.clear();
        }
        let resource_name = Some(self.resource.service_name).filter(|name| !name.is_empty());
        if let Some(name) = self.attributes.first_text(Key::AwsLocalService).or(resource_name) {
            segment.name = name.into();
        }
        segment
    }

    /// The span as one document, by the rules for any span.
    fn segment(&self, mut own_ids: Derived) -> Segment<'a> {
        let Self { span, ids, attributes, in_progress, resource, .. } = *self;
        let kind = span.kind();
        let failure =
            Failure { events: &span.events, status: span.status, kind, language: resource.language };
        let flags = Flags::of(attributes, span.status);
        let sql = sql(attributes, span.name);
        let is_subsegment = ids.parent.is_some() && !matches!(kind, SpanKind::Server | SpanKind::Consumer);
        let leftover = self.leftover(sql.is_some(), failure.spends_status_text(attributes));
        let of_resource = (!is_subsegment).then_some(&resource.attributes);
        let index = Index {
            options: self.options,
            asked: asked_annotations(attributes).map_or_else(Vec::new, texts),
        };
        let (annotations, metadata) = sort_out(leftover, of_resource, &index);
        let named = Named {
            attributes,
            kind,
            local_root: self.local_root,
            span_name: span.name,
            service_name: resource.service_name,
        };
        Segment {
            name: named.name(),
            id: SegmentId::new(ids.span),
            start_time: seconds(span.start_time_unix_nano),
            service: resource.service.as_ref(),
            origin: resource.origin,
            user: attributes.last_text(Key::EnduserId),
            links: links(&span.links),
            trace_id: TraceId::new(ids.trace),
            end_time: (!in_progress).then(|| seconds(span.end_time_unix_nano)),
            in_progress,
            http: http(attributes, kind, &span.events),
            fault: flags.fault,
            error: flags.error,
            throttle: flags.throttle,
            cause: failure.cause(attributes, &mut own_ids),
            aws: resource.place.as_ref().map(|place| place.block(attributes)),
            annotations,
            metadata,
            namespace: named.namespace(),
            parent_id: ids.parent.map(SegmentId::new),
            kind: if is_subsegment { SUBSEGMENT } else { None },
            sql,
        }
    }

    /// The attributes that no block took. What the settings index is left over in any case; of a key that came several
    /// times, the first.
    fn leftover(&self, sql: bool, status_text: bool) -> Leftover<'a> {
        let Self { attributes, options, .. } = *self;
        let for_good = KeySet::of(&[Key::EnduserId])
            .with_if(asked_annotations(attributes).is_some(), Key::XrayAnnotations);
        let taken = KeySet::HTTP
            .union(KeySet::AWS)
            .union(if sql { KeySet::SQL } else { KeySet::default() })
            .with_if(status_text, Key::HttpStatusText);
        let is_first =
            |key: Key, one: &Attribute<'_>| attributes.first(key).is_some_and(|first| ptr::eq(first, one));
        let is_left = |key: Key, attribute: &Attribute<'_>| {
            let is_back = || options.indexed_attributes.contains(attribute.key) && is_first(key, attribute);
            !taken.has(key) || is_back()
        };
        attributes
            .without(for_good)
            .iter()
            .filter(|(key, attribute)| key.is_none_or(|key| is_left(key, attribute)))
            .map(|(_, attribute)| (attribute.key, attribute.value.as_ref()))
            .collect()
    }
}

/// The keys that the span wants as annotations, if it lists any.
fn asked_annotations<'a>(attributes: Attributes<'a>) -> Option<&'a [Option<Value<'a>>]> {
    match &attributes.last(Key::XrayAnnotations)?.value {
        Some(Value::Array(keys)) => Some(keys),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{attributes, pair, pairs};
    use super::super::attributes::{is_local_root, keep_service, take_in_progress};
    use super::super::json::json as text;
    use super::*;
    use crate::otlp::view::traces::Link;
    use serde_json::json;

    const TRACE: [u8; 16] = [1; 16];
    const ROOT: Option<[u8; 8]> = None;
    const CHILD: Option<[u8; 8]> = Some([3; 8]);

    fn translate(
        span: &Span<'_>,
        parent: Option<[u8; 8]>,
        resource: &[Attribute<'_>],
        options: &Options,
    ) -> Vec<serde_json::Value> {
        let (resource, mut span) = (&Resource::of(resource, options), span.clone());
        let local_root = is_local_root(&span.attributes);
        let mut service = Vec::new();
        keep_service(&span.attributes, &mut service);
        let service = is_split(local_root, span.kind(), resource).then(|| attributes(&service));
        let in_progress = take_in_progress(&mut span.attributes).unwrap_or(false);
        let (span, attributes) = (&span, attributes(&span.attributes));
        let ids = SpanIds { trace: TRACE, span: [2; 8], parent };
        let source = Source { span, ids, attributes, service, local_root, in_progress, resource, options };
        let (first, second) = source.segments();
        let json = |segment: Segment<'_>| serde_json::from_str(&text(&segment)).unwrap();
        std::iter::once(first).chain(second).map(json).collect()
    }

    fn span(kind: SpanKind, attributes: Vec<Attribute<'_>>) -> Span<'_> {
        Span { name: "op", kind: kind.into(), attributes, ..Span::default() }
    }

    fn local_root(kind: SpanKind) -> Span<'static> {
        let attributes = [
            ("aws.span.kind", "LOCAL_ROOT"),
            ("aws.local.service", "shop"),
            ("aws.remote.service", "pay"),
            ("aws.remote.operation", "Charge"),
            ("http.url", "https://pay/charge"),
            ("aws.region", "eu-west-1"),
            ("cart", "7"),
        ];
        let link = Link { trace_id: &[4; 16], span_id: &[5; 8], attributes: vec![] };
        Span { links: vec![link], ..span(kind, pairs(&attributes)) }
    }

    #[test]
    fn servers_and_roots_are_segments() {
        use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};
        for (kind, parent, is_subsegment, namespace) in [
            (Server, ROOT, false, None),
            (Server, CHILD, false, None),
            (Consumer, CHILD, false, None),
            (Internal, ROOT, false, None),
            (Internal, CHILD, true, None),
            (Unspecified, CHILD, true, None),
            (Client, ROOT, false, Some("remote")),
            (Client, CHILD, true, Some("remote")),
            (Producer, CHILD, true, Some("remote")),
        ] {
            let resource = pairs(&[("tier", "gold")]);
            let [document] = &translate(&span(kind, vec![]), parent, &resource, &Options::default())[..]
            else {
                panic!("one document for {kind:?}")
            };
            assert_eq!(
                document["type"].as_str(),
                is_subsegment.then_some("subsegment"),
                "{kind:?} {parent:?}"
            );
            assert_eq!(document["namespace"].as_str(), namespace, "{kind:?} {parent:?}");
            assert_eq!(document["parent_id"].as_str(), parent.map(|_| "0303030303030303"), "{kind:?}");
            assert_eq!(document.get("metadata").is_none(), is_subsegment, "only segments carry the resource");
        }
    }

    #[test]
    fn a_services_first_span_that_calls_another_service_becomes_two_documents() {
        for (kind, parent, links) in [
            (SpanKind::Client, CHILD, [true, false]),
            (SpanKind::Producer, ROOT, [true, false]),
            (SpanKind::Unspecified, CHILD, [true, false]),
            (SpanKind::Consumer, CHILD, [false, true]),
        ] {
            let documents = translate(&local_root(kind), parent, &[], &Options::default());
            let [call, service] = &documents[..] else { panic!("two documents for {kind:?}") };
            assert_eq!((&call["id"], &call["name"]), (&json!("0202020202020202"), &json!("pay")));
            assert_eq!((&call["type"], &call["namespace"]), (&json!("subsegment"), &json!("remote")));
            assert_eq!(call["parent_id"], service["id"]);
            assert_eq!(
                (&call["aws"]["region"], &service["aws"]["region"]),
                (&json!("eu-west-1"), &json!(null))
            );
            assert_eq!((call.get("http").is_some(), service.get("http").is_some()), (true, false));
            assert_eq!(service["name"], "shop");
            assert_eq!((service.get("type"), service.get("namespace")), (None, None));
            assert_eq!(service["parent_id"].as_str(), parent.map(|_| "0303030303030303"));
            assert_eq!(service["metadata"], json!({"default": {}}));
            assert_eq!([call, service].map(|document| document.get("links").is_some()), links, "{kind:?}");
        }
    }

    #[test]
    fn a_services_first_span_that_serves_becomes_one_segment() {
        for (kind, name) in [(SpanKind::Server, "shop"), (SpanKind::Internal, "shop")] {
            let resource = pairs(&[("tier", "gold")]);
            let documents = translate(&local_root(kind), CHILD, &resource, &Options::default());
            let [document] = &documents[..] else { panic!("one document for {kind:?}") };
            assert_eq!((&document["name"], document.get("type")), (&json!(name), None));
        }
    }

    #[test]
    fn outside_aws_no_span_is_split() {
        let elsewhere = pairs(&[("cloud.provider", "gcp")]);
        let documents = translate(&local_root(SpanKind::Client), CHILD, &elsewhere, &Options::default());
        let [document] = &documents[..] else { panic!("one document") };
        assert_eq!((&document["type"], document.get("aws")), (&json!("subsegment"), None));
    }

    #[test]
    fn a_service_segment_is_named_by_its_resource_if_the_span_does_not_say() {
        let mut span = local_root(SpanKind::Client);
        span.attributes.retain(|pair| pair.key != "aws.local.service");
        let named = pairs(&[("service.name", "shop-svc")]);
        let service_name = |resource: &[Attribute<'_>]| {
            translate(&span, ROOT, resource, &Options::default())[1]["name"].clone()
        };
        assert_eq!(service_name(&named), "shop-svc");
        assert_eq!(service_name(&[]), "op");
    }

    #[test]
    fn a_span_in_progress_has_no_end() {
        for (value, in_progress, left) in [
            (pair("aws.xray.inprogress", true), true, false),
            (pair("aws.xray.inprogress", false), false, false),
            (pair("aws.xray.inprogress", "true"), false, true),
        ] {
            let document =
                &translate(&span(SpanKind::Server, vec![value]), ROOT, &[], &Options::default())[0];
            assert_eq!(document.get("in_progress").is_some(), in_progress);
            assert_eq!(document.get("end_time").is_none(), in_progress);
            assert_eq!(document.get("metadata").is_some(), left);
        }
    }

    #[test]
    fn what_a_block_took_is_left_over_only_if_the_settings_index_it() {
        let attributes = pairs(&[
            ("http.method", "GET"),
            ("aws.region", "eu-west-1"),
            ("db.name", "shop"),
            ("db.system", "mysql"),
            ("enduser.id", "u"),
        ]);
        let span = span(SpanKind::Server, attributes);
        let document = &translate(&span, ROOT, &[], &Options::default())[0];
        assert_eq!((document.get("annotations"), document.get("metadata")), (None, None));
        assert_eq!(document["user"], "u");
        let indexed = ["http.method", "aws.region", "db.name", "enduser.id", "absent"];
        let indexed_attributes = indexed.iter().map(ToString::to_string).collect();
        let document = &translate(&span, ROOT, &[], &Options { indexed_attributes, ..Options::default() })[0];
        let expected = json!({"aws.region": "eu-west-1", "db.name": "shop", "http.method": "GET"});
        assert_eq!(document["annotations"], expected);
    }

    #[test]
    fn of_a_repeated_key_the_first_comes_back_and_else_the_last_is_left() {
        let twice = |key| [pair(key, "first"), pair(key, "last")];
        let span = span(SpanKind::Server, [twice("http.method"), twice("cart")].concat());
        let indexed_attributes = ["http.method", "cart"].iter().map(ToString::to_string).collect();
        let document = &translate(&span, ROOT, &[], &Options { indexed_attributes, ..Options::default() })[0];
        assert_eq!(document["annotations"], json!({"cart": "last", "http.method": "first"}));
        assert_eq!(document["http"]["request"]["method"], "last");
    }

    #[test]
    fn databases_without_sql_keep_their_attributes() {
        let redis = span(SpanKind::Client, pairs(&[("db.system", "redis"), ("db.statement", "GET a")]));
        let document = &translate(&redis, CHILD, &[], &Options::default())[0];
        assert_eq!(document["metadata"]["default"], json!({"db.statement": "GET a", "db.system": "redis"}));
    }

    #[test]
    fn the_keys_that_a_span_asks_for_are_annotations() {
        let asked = vec![pair("aws.xray.annotations", vec!["cart"]), pair("cart", 7), pair("other", 8)];
        let document = &translate(&span(SpanKind::Server, asked), ROOT, &[], &Options::default())[0];
        assert_eq!(document["annotations"], json!({"cart": 7}));
        assert_eq!(document["metadata"], json!({"default": {"other": 8}}));
    }
}
