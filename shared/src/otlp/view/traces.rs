//! OTLP spans where they lie in a request: the messages of [`crate::otlp::TraceRequest`] again, borrowed.
//!
//! Whatever order fields come in, and however often: the meaning is the one that decoding the messages would give.

use std::mem;

use super::values::Attribute;
use crate::otlp::{SpanKind, StatusCode};
use crate::protobuf::read::{Fields, Malformed, Repeated};

/// `ExportTraceServiceRequest`.
#[derive(Default)]
pub(crate) struct TraceRequest<'a> {
    pub(crate) resource_spans: Repeated<'a>,
}

/// The spans of one resource.
#[derive(Default)]
pub(crate) struct ResourceSpans<'a> {
    pub(crate) resource: Repeated<'a>,
    pub(crate) scope_spans: Repeated<'a>,
}

/// The spans of one scope.
#[derive(Default)]
pub(crate) struct ScopeSpans<'a> {
    pub(crate) scope: Repeated<'a>,
    pub(crate) spans: Repeated<'a>,
}

/// One operation within a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span<'a> {
    pub(crate) trace_id: &'a [u8],
    pub(crate) span_id: &'a [u8],
    pub(crate) parent_span_id: &'a [u8],
    pub(crate) name: &'a str,
    pub(crate) kind: i32,
    pub(crate) start_time_unix_nano: u64,
    pub(crate) end_time_unix_nano: u64,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) status: Status<'a>,
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event<'a> {
    pub(crate) time_unix_nano: u64,
    pub(crate) name: &'a str,
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// A reference to another span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Link<'a> {
    pub(crate) trace_id: &'a [u8],
    pub(crate) span_id: &'a [u8],
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// How a span ended. One that says nothing means as much as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status<'a> {
    pub(crate) message: &'a str,
    pub(crate) code: i32,
}

impl<'a> TraceRequest<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut request = Self::default();
        while let Some(field) = fields.next()? {
            if field.tag == 1 {
                request.resource_spans.add(&field)?;
            }
        }
        Ok(request)
    }
}

impl<'a> ResourceSpans<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut spans = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => spans.resource.add(&field)?,
                2 => spans.scope_spans.add(&field)?,
                _ => {}
            }
        }
        Ok(spans)
    }
}

impl<'a> ScopeSpans<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut spans = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => spans.scope.add(&field)?,
                2 => spans.spans.add(&field)?,
                _ => {}
            }
        }
        Ok(spans)
    }
}

/// The attributes of a resource, all of its pieces together.
pub(crate) fn resource_attributes(mut resource: Repeated<'_>) -> Result<Vec<Attribute<'_>>, Malformed> {
    let mut attributes = Vec::new();
    while let Some(mut fields) = resource.next()? {
        while let Some(field) = fields.next()? {
            if field.tag == 1 {
                Attribute::add(&mut attributes, &field)?;
            }
        }
    }
    Ok(attributes)
}

/// Reads a scope, of which nothing is needed, for its faults.
pub(crate) fn check_scope(mut scope: Repeated<'_>) -> Result<(), Malformed> {
    let mut attributes = Vec::new();
    while let Some(mut fields) = scope.next()? {
        while let Some(field) = fields.next()? {
            match field.tag {
                1 | 2 => _ = field.text()?,
                3 => Attribute::add(&mut attributes, &field)?,
                _ => {}
            }
        }
    }
    Ok(())
}

impl<'a> Span<'a> {
    /// Reads the next span into the same memory.
    pub(crate) fn read(&mut self, mut fields: Fields<'a>) -> Result<(), Malformed> {
        self.clear();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => self.trace_id = field.bytes()?,
                2 => self.span_id = field.bytes()?,
                4 => self.parent_span_id = field.bytes()?,
                5 => self.name = field.text()?,
                6 => self.kind = field.int32()?,
                7 => self.start_time_unix_nano = field.fixed64()?,
                8 => self.end_time_unix_nano = field.fixed64()?,
                9 => Attribute::add(&mut self.attributes, &field)?,
                11 => self.events.push(Event::read(field.message()?)?),
                13 => self.links.push(Link::read(field.message()?)?),
                15 => self.status.merge(field.message()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        let Self { mut attributes, mut events, mut links, .. } = mem::take(self);
        attributes.clear();
        events.clear();
        links.clear();
        *self = Self { attributes, events, links, ..Self::default() };
    }

    /// A kind that is unknown is none.
    pub(crate) fn kind(&self) -> SpanKind {
        SpanKind::try_from(self.kind).unwrap_or_default()
    }
}

impl<'a> Event<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut event = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => event.time_unix_nano = field.fixed64()?,
                2 => event.name = field.text()?,
                3 => Attribute::add(&mut event.attributes, &field)?,
                _ => {}
            }
        }
        Ok(event)
    }
}

impl<'a> Link<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut link = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => link.trace_id = field.bytes()?,
                2 => link.span_id = field.bytes()?,
                4 => Attribute::add(&mut link.attributes, &field)?,
                _ => {}
            }
        }
        Ok(link)
    }
}

impl<'a> Status<'a> {
    /// Reads on top of what is there: a status that comes again is one.
    fn merge(&mut self, mut fields: Fields<'a>) -> Result<(), Malformed> {
        while let Some(field) = fields.next()? {
            match field.tag {
                2 => self.message = field.text()?,
                3 => self.code = field.int32()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it says that the span failed.
    pub(crate) fn is_error(&self) -> bool {
        self.code == StatusCode::Error as i32
    }
}
