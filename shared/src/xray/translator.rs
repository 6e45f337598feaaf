//! Walks through requests, resource by resource, and counts what is left out.

#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;

use foldhash::HashMap;

use super::{
    Document, Drop, MAX_DOCUMENT_BYTES, NamedSpan, Options, Translation,
    attributes::Attributes,
    document::Segment,
    ids::SpanIds,
    json::{Json, plain_length},
    keys::Key,
    limits,
    resource::Resource,
    segment::Source,
    shorten,
};
use crate::{
    ecs::Identity,
    otlp::{
        check::{self, Fault},
        view::{
            traces::{ResourceSpans, ScopeSpans, Span, TraceRequest, check_scope, resource_attributes},
            values::Attribute,
        },
    },
    protobuf::read::{Fields, Malformed, Repeated},
};

/// Translates requests.
///
/// It borrows them, and knows again what it has seen in them: what all spans of a resource have in common is worked out
/// once, not once for each request or span.
pub struct Translator<'a> {
    options: &'a Options,
    identity: Option<&'a Identity>,
    /// The resources that were seen, by the bytes that they have in a request.
    resources: HashMap<&'a [u8], Resource<'a>>,
    /// Memory for the span at hand.
    span: Span<'a>,
    memory: Memory,
}

/// Memory for what one span needs while it is translated.
#[derive(Default)]
struct Memory {
    keys: Vec<Option<Key>>,
    text: Vec<u8>,
}

impl<'a> Translator<'a> {
    /// Resources get the attributes of `identity`, in place of their own of the same keys.
    #[must_use]
    pub fn new(options: &'a Options, identity: Option<&'a Identity>) -> Self {
        Self {
            options,
            identity,
            resources: HashMap::default(),
            span: Span::default(),
            memory: Memory::default(),
        }
    }

    /// Translates every span of an `ExportTraceServiceRequest`. The same request always gives the same documents. A span
    /// that can't be translated is counted and costs no other.
    ///
    /// # Errors
    /// [`Fault`] if the bytes are no such request: nothing of it is translated.
    pub fn translate(&mut self, request: &'a [u8]) -> Result<Translation, Fault> {
        let mut out = Translation::default();
        match self.request(request, &mut out) {
            Ok(()) => Ok(out),
            Err(malformed) => Err(check::traces(request).err().unwrap_or(malformed.into())), // says in which field
        }
    }

    fn request(&mut self, request: &'a [u8], out: &mut Translation) -> Result<(), Malformed> {
        let mut resource_spans = TraceRequest::read(Fields::of(request))?.resource_spans;
        while let Some(fields) = resource_spans.next()? {
            self.resource(ResourceSpans::read(fields)?, out)?;
        }
        Ok(())
    }

    fn resource(&mut self, mut spans: ResourceSpans<'a>, out: &mut Translation) -> Result<(), Malformed> {
        let Self { options, identity, resources, span, memory } = self;
        let resource = match resources.entry(spans.resource.bytes()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(read_resource(spans.resource, *identity, options)?),
        };
        while let Some(fields) = spans.scope_spans.next()? {
            let mut scope_spans = ScopeSpans::read(fields)?;
            check_scope(scope_spans.scope)?;
            while let Some(fields) = scope_spans.spans.next()? {
                span.read(fields)?;
                out.add(span, resource, options, memory);
            }
        }
        Ok(())
    }
}

/// The resource, with the identity, ready for its spans.
fn read_resource<'a>(
    resource: Repeated<'a>,
    identity: Option<&'a Identity>,
    options: &Options,
) -> Result<Resource<'a>, Malformed> {
    let mut attributes = resource_attributes(resource)?;
    if let Some(identity) = identity {
        attributes.retain(|own| identity.attributes().iter().all(|found| found.key != own.key));
        attributes.extend(identity.attributes().iter().map(Attribute::from));
    }
    Ok(Resource::of(&attributes, options))
}

impl Translation {
    /// Adds a span's documents, or why it has none.
    fn add<'a>(
        &mut self,
        span: &'a Span<'a>,
        resource: &'a Resource<'a>,
        options: &'a Options,
        memory: &'a mut Memory,
    ) {
        if let Err(reason) = self.try_add(span, resource, options, memory) {
            Drop::add(&mut self.dropped, reason, || NamedSpan::of(span));
        }
    }

    fn try_add<'a>(
        &mut self,
        span: &'a Span<'a>,
        resource: &'a Resource<'a>,
        options: &'a Options,
        memory: &'a mut Memory,
    ) -> Result<(), &'static str> {
        let ids = SpanIds::check(span.trace_id, span.span_id, span.parent_span_id).ok_or("invalid_ids")?;
        let attributes = Attributes::of(&span.attributes, &mut memory.keys);
        let (first, second) = Source { span, ids, attributes, resource, options }.segments();
        let first = write(first, &mut memory.text)?;
        let second = second.map(|second| write(second, &mut memory.text)).transpose()?;
        for written in [Some(first), second].into_iter().flatten() {
            self.documents.push(written.document);
            self.shortened += u64::from(written.shortened);
        }
        Ok(())
    }
}

struct Written {
    document: Document,
    shortened: bool,
}

/// The document of one segment. `text` is memory to write in.
fn write(mut segment: Segment<'_>, text: &mut Vec<u8>) -> Result<Written, &'static str> {
    limits::keep(&mut segment);
    text.clear();
    segment.write(text);
    let shortened = text.len() > MAX_DOCUMENT_BYTES && plain_length(text) > MAX_DOCUMENT_BYTES;
    if shortened && !shorten::shorten(&mut segment, text) {
        return Err("document_too_large");
    }
    let document = Document { id: segment.id, trace_id: segment.trace_id, text: text.clone() };
    Ok(Written { document, shortened })
}
