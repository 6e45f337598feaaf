//! One span into one document, or into two where a service's first span in the trace is a call to another service.

use super::Options;
use super::annotations::{Index, Leftover, sort_out};
use super::attributes::{Attributes, text, texts};
use super::cause::{Failure, Flags};
use super::document::{AwsCall, Segment};
use super::http::http;
use super::ids::{Derived, SpanIds, segment_id, trace_id};
use super::keys::Key;
use super::links::links;
use super::names::{Named, remote_service};
use super::resource::Resource;
use super::sql::sql;
use super::time::seconds;
use crate::otlp::{ArrayValue, KeyValue, Span, SpanKind, Value};

/// The type of a document that is no segment.
const SUBSEGMENT: Option<&str> = Some("subsegment");

/// A span with all that its documents are made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'s, 'a> {
    pub(super) span: &'a Span,
    pub(super) ids: SpanIds,
    pub(super) attributes: &'s Attributes<'a>,
    pub(super) resource: &'a Resource<'a>,
    pub(super) options: &'a Options,
}

impl<'a> Source<'_, 'a> {
    /// The document, and a second one if the span stands for two.
    pub(super) fn segments(&self) -> (Segment<'a>, Option<Segment<'a>>) {
        let own_ids = Derived::new(self.ids.trace, self.ids.span);
        if !self.is_local_root() {
            return (self.segment(own_ids), None);
        }
        match self.span.kind() {
            SpanKind::Server | SpanKind::Internal => {
                let segment = self.segment(own_ids);
                (Segment { kind: None, namespace: None, ..segment }, None)
            }
            // In another cloud there is no `aws` block to tell the two apart by.
            _ if self.resource.place.is_none() => (self.segment(own_ids), None),
            _ => self.split(own_ids),
        }
    }

    /// Whether the sender marked the span as its service's first in the trace.
    fn is_local_root(&self) -> bool {
        self.attributes.first(Key::AwsSpanKind).is_some_and(|kind| text(kind) == "LOCAL_ROOT")
    }

    /// The call as a subsegment, and around it a segment for the service that makes it.
    fn split(&self, mut own_ids: Derived) -> (Segment<'a>, Option<Segment<'a>>) {
        let service_id = own_ids.next();
        let call = Self { ids: SpanIds { parent: Some(service_id), ..self.ids }, ..*self };
        let attributes = self.attributes.without(&[
            Key::AwsRemoteService,
            Key::AwsRemoteOperation,
            Key::RemoteTarget,
            Key::K8sRemoteNamespace,
        ]);
        let service_ids = SpanIds { span: service_id, ..self.ids };
        let service = Source { ids: service_ids, attributes: &attributes, ..*self };
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
        let Self { span, ids, attributes, resource, .. } = *self;
        let kind = span.kind();
        let failure =
            Failure { events: &span.events, status: span.status.as_ref(), kind, language: resource.language };
        let flags =
            Flags::of(attributes, span.status.as_ref().map(|status| status.code()).unwrap_or_default());
        let sql = sql(attributes, &span.name);
        let is_subsegment = ids.parent.is_some() && !matches!(kind, SpanKind::Server | SpanKind::Consumer);
        let leftover = self.leftover(sql.is_some(), failure.spends_status_text(attributes));
        let of_resource = if is_subsegment { &[] } else { resource.attributes.as_slice() };
        let index = Index {
            options: self.options,
            asked: asked_annotations(attributes).map_or_else(Vec::new, texts),
        };
        let (annotations, metadata) = sort_out(leftover, of_resource, &index);
        let in_progress = in_progress(attributes).unwrap_or(false);
        let named = Named {
            attributes,
            kind,
            local_root: self.is_local_root(),
            span_name: &span.name,
            service_name: resource.service_name,
        };
        Segment {
            name: named.name(),
            id: segment_id(&ids.span),
            start_time: seconds(span.start_time_unix_nano),
            service: resource.service.as_deref(),
            origin: resource.origin,
            user: attributes.last_text(Key::EnduserId),
            links: links(&span.links),
            trace_id: trace_id(&ids.trace),
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
            parent_id: ids.parent.as_ref().map(segment_id),
            kind: if is_subsegment { SUBSEGMENT } else { None },
            sql,
        }
    }

    /// The attributes that no block took. What the settings index is left over in any case.
    fn leftover(&self, sql: bool, status_text: bool) -> Leftover<'a> {
        let attributes = self.attributes;
        let for_good = |key| match key {
            Key::EnduserId => true,
            Key::XrayInProgress => in_progress(attributes).is_some(),
            Key::XrayAnnotations => asked_annotations(attributes).is_some(),
            _ => false,
        };
        let taken = |key: Key| match key {
            Key::HttpStatusText => status_text,
            key => key.is_http() || key.is_aws() || sql && key.is_sql(),
        };
        let is_left = |key: Key, pair: &KeyValue| {
            !for_good(key) && (!taken(key) || self.options.indexed_attributes.contains(&pair.key))
        };
        attributes
            .iter()
            .filter(|(key, pair)| key.is_none_or(|key| is_left(key, pair)))
            .map(|(_, pair)| (pair.key.as_str(), pair.value()))
            .collect()
    }
}

/// What the span says of being in progress, if it says so by a truth value.
fn in_progress(attributes: &Attributes<'_>) -> Option<bool> {
    match attributes.first(Key::XrayInProgress)?.value() {
        Some(Value::Bool(bool)) => Some(*bool),
        _ => None,
    }
}

/// The keys that the span wants as annotations, if it lists any.
fn asked_annotations<'a>(attributes: &Attributes<'a>) -> Option<&'a ArrayValue> {
    match attributes.last(Key::XrayAnnotations)?.value() {
        Some(Value::Array(keys)) => Some(keys),
        _ => None,
    }
}
