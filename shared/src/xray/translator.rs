//! Walks through requests, resource by resource, and counts what is left out.

#[cfg(test)]
mod tests;

use std::{collections::hash_map::Entry, mem, ops::Range};

use bytes::Bytes;
use foldhash::HashMap;

use super::{
    Document, Drop, MAX_DOCUMENT_BYTES, NamedSpan, Options, Translation,
    attributes::{Attributes, is_local_root, keep_service, take_in_progress},
    document::Segment,
    ids::{SegmentId, SpanIds, TraceId},
    json::{Json, plain_length},
    keys::Key,
    limits,
    resource::Resource,
    segment::{Source, is_split},
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
    memory: Memory<'a>,
}

/// Memory for what spans need while they are translated.
#[derive(Default)]
struct Memory<'a> {
    /// For the span at hand.
    keys: Vec<Option<Key>>,
    /// The attributes of its service, where it stands for two documents.
    service: Vec<Attribute<'a>>,
    service_keys: Vec<Option<Key>>,
    /// The documents of the request at hand, one after the other.
    text: Vec<u8>,
    /// Where in it they are.
    written: Vec<Written>,
    /// The bytes of the last request's documents; the next one's will be about as many.
    usual_bytes: usize,
}

/// A document within a text.
struct Written {
    id: SegmentId,
    trace_id: TraceId,
    place: Range<usize>,
    shortened: bool,
}

impl Memory<'_> {
    fn clear(&mut self) {
        self.written.clear();
        self.text = Vec::with_capacity(self.usual_bytes + self.usual_bytes / 8);
    }

    /// The documents, all in the one memory that they were written to.
    fn take_documents(&mut self) -> Vec<Document> {
        self.usual_bytes = self.text.len();
        let text = Bytes::from(mem::take(&mut self.text));
        let document =
            |Written { id, trace_id, place, .. }| Document { id, trace_id, text: text.slice(place) };
        self.written.drain(..).map(document).collect()
    }
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
        Ok(self.translate_part(request, Rest::default(), usize::MAX)?.0)
    }

    /// Translates the spans of a request from `rest` on, until their documents have `max_bytes`. Gives what is left to
    /// translate then: a small request may make very large documents. The same request always gives the same parts.
    ///
    /// # Errors
    /// [`Fault`] if the bytes are no such request: nothing of it is translated.
    pub fn translate_part(
        &mut self,
        request: &'a [u8],
        rest: Rest,
        max_bytes: usize,
    ) -> Result<(Translation, Option<Rest>), Fault> {
        let mut part = Part { out: Translation::default(), from: rest.spans, seen: 0, max_bytes };
        self.memory.clear();
        let left = match self.request(request, &mut part) {
            Ok(Progress::Done) => None,
            Ok(Progress::Cut) => {
                check::traces(request)?; // before anything of it is sent
                Some(Rest { spans: part.seen })
            }
            Err(malformed) => return Err(check::traces(request).err().unwrap_or(malformed.into())), // says in which field
        };
        Ok((Translation { documents: self.memory.take_documents(), ..part.out }, left))
    }

    fn request(&mut self, request: &'a [u8], part: &mut Part) -> Result<Progress, Malformed> {
        let mut resource_spans = TraceRequest::read(Fields::of(request))?.resource_spans;
        while let Some(fields) = resource_spans.next()? {
            if self.resource(ResourceSpans::read(fields)?, part)? == Progress::Cut {
                return Ok(Progress::Cut);
            }
        }
        Ok(Progress::Done)
    }

    fn resource(&mut self, mut spans: ResourceSpans<'a>, part: &mut Part) -> Result<Progress, Malformed> {
        let Self { options, identity, resources, span, memory } = self;
        let resource = match resources.entry(spans.resource.bytes()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(read_resource(spans.resource, *identity, options)?),
        };
        while let Some(fields) = spans.scope_spans.next()? {
            let mut scope_spans = ScopeSpans::read(fields)?;
            check_scope(scope_spans.scope)?;
            while let Some(fields) = scope_spans.spans.next()? {
                if part.seen >= part.from {
                    if memory.text.len() >= part.max_bytes {
                        return Ok(Progress::Cut);
                    }
                    span.read(fields)?;
                    part.out.add(span, resource, options, memory);
                }
                part.seen += 1;
            }
        }
        Ok(Progress::Done)
    }
}

/// What of a request is not translated yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// All but so many spans.
    spans: usize,
}

/// A part of a request on its way.
struct Part {
    out: Translation,
    /// The spans before belong to earlier parts.
    from: usize,
    seen: usize,
    max_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Done,
    /// The part is full, and a span is left.
    Cut,
}

/// The resource, with the identity, ready for its spans.
fn read_resource<'a>(
    resource: Repeated<'a>,
    identity: Option<&'a Identity>,
    options: &Options,
) -> Result<Resource<'a>, Malformed> {
    let mut attributes = resource_attributes(resource)?;
    for found in identity.iter().flat_map(|identity| identity.attributes()) {
        identify(&mut attributes, found.into());
    }
    Ok(Resource::of(&attributes, options))
}

/// Puts an attribute of the identity in the place of the first of its key. Should the key come again, that one stays, as
/// it does in the collector: some rules read the first of a key, and others the last.
fn identify<'a>(attributes: &mut Vec<Attribute<'a>>, found: Attribute<'a>) {
    match attributes.iter_mut().find(|own| own.key == found.key) {
        Some(own) => own.value = found.value,
        None => attributes.push(found),
    }
}

impl Translation {
    /// Adds a span's documents, or why it has none.
    fn add<'a>(
        &mut self,
        span: &mut Span<'a>,
        resource: &Resource<'_>,
        options: &Options,
        memory: &mut Memory<'a>,
    ) {
        if let Err(reason) = self.try_add(span, resource, options, memory) {
            Drop::add(&mut self.dropped, reason, || NamedSpan::of(span));
        }
    }

    fn try_add<'a>(
        &mut self,
        span: &mut Span<'a>,
        resource: &Resource<'_>,
        options: &Options,
        memory: &mut Memory<'a>,
    ) -> Result<(), &'static str> {
        let Memory { keys, service, service_keys, text, written, .. } = memory;
        let ids = SpanIds::check(span.trace_id, span.span_id, span.parent_span_id).ok_or("invalid_ids")?;
        let local_root = is_local_root(&span.attributes);
        let service = is_split(local_root, span.kind(), resource).then(|| {
            keep_service(&span.attributes, service);
            Attributes::of(service, service_keys)
        });
        let in_progress = take_in_progress(&mut span.attributes).unwrap_or(false);
        let attributes = Attributes::of(&span.attributes, keys);
        let source = Source { span, ids, attributes, service, local_root, in_progress, resource, options };
        let (first, second) = source.segments();
        let first = write(first, text)?;
        let second = second.map(|second| write(second, text)).transpose()?;
        for one in [Some(first), second].into_iter().flatten() {
            self.shortened += u64::from(one.shortened);
            written.push(one);
        }
        Ok(())
    }
}

/// Appends the document of one segment to `text`.
fn write(mut segment: Segment<'_>, text: &mut Vec<u8>) -> Result<Written, &'static str> {
    limits::keep(&mut segment);
    let start = text.len();
    segment.write(text);
    let shortened = text.len() - start > MAX_DOCUMENT_BYTES && shorten(&mut segment, text, start)?;
    let Segment { id, trace_id, .. } = segment;
    Ok(Written { id, trace_id, place: start..text.len(), shortened })
}

/// Whether the document from `start` on had to be shortened.
fn shorten(segment: &mut Segment<'_>, text: &mut Vec<u8>, start: usize) -> Result<bool, &'static str> {
    let mut document = text.split_off(start);
    let is_long = plain_length(&document) > MAX_DOCUMENT_BYTES;
    if is_long && !shorten::shorten(segment, &mut document) {
        return Err("document_too_large");
    }
    text.append(&mut document);
    Ok(is_long)
}
