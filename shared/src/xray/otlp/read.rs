//! One `ExportTraceServiceRequest` into its spans.

use bytes::Bytes;
use prost::Message;

use super::super::{Drop, NamedSpan};
use super::batch::{Limits, MAX_SPAN_BYTES, request_bytes};
use super::fields::{Field, fields, put_head};
use super::{ATTRIBUTES, KEY, RESOURCE, RESOURCE_SPANS, SCOPE_SPANS, SPANS, Span};
use crate::ecs::Identity;
use crate::otlp::{self, check};

/// The spans of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// In order.
    pub spans: Vec<Span>,
    /// `span_too_large`: spans that the endpoint would refuse, over 200 kB or too large for a request.
    pub dropped: Vec<Drop>,
}

/// Reads `payload`, as an agent received it, and gives every resource the task's identity: attributes in place of its
/// own of the same keys.
///
/// # Errors
/// [`check::Fault`]: the first place where `payload` is no such request.
pub fn read(payload: &Bytes, identity: Option<&Identity>, limits: &Limits) -> Result<Read, check::Fault> {
    check::traces(payload)?;
    let identity = identity.map_or(&[][..], Identity::attributes);
    let mut read = Read::default();
    for group in fields(payload.clone()).filter(|field| field.tag == RESOURCE_SPANS) {
        let (resource, scopes) = resource_spans(group.content, identity);
        for scope in scopes {
            let (scope, spans) = scope_spans(scope.content);
            for span in spans {
                let content = span.content;
                let span = Span { resource: resource.clone(), scope: scope.clone(), span: span.whole };
                if content.len() > MAX_SPAN_BYTES || request_bytes(&span) > limits.body_bytes {
                    read.drop_span(&content);
                } else {
                    read.spans.push(span);
                }
            }
        }
    }
    Ok(read)
}

impl Read {
    fn drop_span(&mut self, span: &[u8]) {
        Drop::add(&mut self.dropped, "span_too_large", || NamedSpan::read(span));
    }
}

/// The fields of a `ResourceSpans` but for its scopes, with the identity; and the scopes.
fn resource_spans(message: Bytes, identity: &[otlp::KeyValue]) -> (Bytes, Vec<Field>) {
    let (mut resource, mut others, mut scopes) = (Vec::new(), Vec::new(), Vec::new());
    let mut any = !identity.is_empty();
    for field in fields(message) {
        match field.tag {
            RESOURCE => {
                any = true;
                put_resource(&mut resource, field.content, identity);
            }
            SCOPE_SPANS => scopes.push(field),
            _ => others.extend(field.whole),
        }
    }
    for attribute in identity {
        put_head(&mut resource, ATTRIBUTES, attribute.encoded_len());
        resource.extend(attribute.encode_to_vec());
    }
    let mut out = Vec::with_capacity(resource.len() + others.len() + 6);
    if any {
        put_head(&mut out, RESOURCE, resource.len());
        out.extend(resource);
    }
    out.extend(others);
    (out.into(), scopes)
}

/// Appends the fields of a `Resource`, but for attributes that the identity replaces. A resource that comes in several
/// pieces is one, as protobuf has it.
fn put_resource(out: &mut Vec<u8>, message: Bytes, identity: &[otlp::KeyValue]) {
    let replaced = |field: &Field| {
        let key = fields(field.content.clone()).filter(|field| field.tag == KEY).last();
        let key = key.map(|key| key.content).unwrap_or_default();
        field.tag == ATTRIBUTES && identity.iter().any(|own| own.key.as_bytes() == key)
    };
    for field in fields(message).filter(|field| !replaced(field)) {
        out.extend(field.whole);
    }
}

/// The fields of a `ScopeSpans` but for its spans; and the spans.
fn scope_spans(message: Bytes) -> (Bytes, Vec<Field>) {
    let (spans, others): (Vec<_>, Vec<_>) = fields(message).partition(|field| field.tag == SPANS);
    let others: Vec<u8> = others.into_iter().flat_map(|field| field.whole).collect();
    (others.into(), spans)
}
