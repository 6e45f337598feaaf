//! Says whether bytes are an OTLP request, and how many items it holds, without building the messages.
//!
//! A receiver that stores requests as received needs no more than that. The walk follows the tables of `shape.rs`,
//! allocates nothing, and accepts exactly what decoding the messages of [`super`] would: the encoding's rules
//! (<https://protobuf.dev/programming-guides/encoding/>), UTF-8 in text, at most 100 messages within each other.

#[cfg(test)]
mod tests;

use std::fmt;

use super::shape::{METRICS_REQUEST, Shape, TRACE_REQUEST, Type};

/// Messages (and groups of unknown fields) within each other that decoding takes.
const NESTING_LIMIT: u32 = 100;

/// The number of spans in an `ExportTraceServiceRequest`.
///
/// # Errors
/// [`Fault`]: the first place where the bytes are no such message.
pub fn traces(bytes: &[u8]) -> Result<u64, Fault> {
    Walk { bytes, at: 0 }.message(&TRACE_REQUEST, bytes.len(), NESTING_LIMIT)
}

/// The number of data points in an `ExportMetricsServiceRequest`.
///
/// # Errors
/// [`Fault`]: the first place where the bytes are no such message.
pub fn metrics(bytes: &[u8]) -> Result<u64, Fault> {
    Walk { bytes, at: 0 }.message(&METRICS_REQUEST, bytes.len(), NESTING_LIMIT)
}

/// Where and why bytes are not the message they should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset from the first byte of the request.
    pub at: usize,
    /// What is wrong there.
    pub problem: &'static str,
    /// Field names from the innermost out.
    path: Vec<&'static str>,
}

impl Fault {
    fn within(mut self, field: &'static str) -> Self {
        self.path.push(field);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outer, name) in self.path.iter().rev().enumerate() {
            write!(f, "{}{name}", if outer == 0 { "" } else { "." })?;
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{} at byte {}", self.problem, self.at)
    }
}

impl std::error::Error for Fault {}

/// How a value lies on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WireType {
    Varint,
    Fixed64,
    Delimited,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl WireType {
    const fn of(bits: u64) -> Option<Self> {
        Some(match bits {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Delimited,
            3 => Self::GroupStart,
            4 => Self::GroupEnd,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// A place within the request. Every method leaves it behind what it has checked.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// Checks a message that ends at `end` and counts the items in it.
    fn message(&mut self, shape: &Shape, end: usize, nesting: u32) -> Result<u64, Fault> {
        let mut items = u64::from(shape.is_item);
        let (mut chosen, mut chosen_items) = (0, 0);
        while self.at < end {
            let key_at = self.at;
            let (tag, wire_type) = self.key(end)?;
            let Some(field) = shape.fields.iter().find(|field| field.tag == tag) else {
                self.skip(tag, wire_type, end, nesting).map_err(|fault| fault.within("unknown field"))?;
                continue;
            };
            let found =
                self.value(field.kind, wire_type, key_at, end, nesting).map_err(|f| f.within(field.name))?;
            match field.kind {
                // Of several alternatives on the wire the last one counts; one that comes again is merged.
                Type::Choice(_) if chosen == tag => chosen_items += found,
                Type::Choice(_) => (chosen, chosen_items) = (tag, found),
                _ => items += found,
            }
        }
        Ok(items + chosen_items)
    }

    fn value(
        &mut self,
        kind: Type,
        wire_type: WireType,
        key_at: usize,
        end: usize,
        nesting: u32,
    ) -> Result<u64, Fault> {
        match (kind, wire_type) {
            (Type::Varint | Type::Varints, WireType::Varint) => self.varint(end).map(|_| 0),
            (Type::Fixed64 | Type::Fixed64s, WireType::Fixed64) => self.take(8, end).map(|_| 0),
            (Type::Bytes, WireType::Delimited) => self.delimited(end).map(|_| 0),
            (Type::Text, WireType::Delimited) => self.text(end),
            (Type::Varints | Type::Fixed64s, WireType::Delimited) => self.packed(kind, end),
            (Type::Message(shape) | Type::Choice(shape), WireType::Delimited) => {
                let nesting = self.deeper(nesting)?;
                let end = self.end_of_delimited(end)?;
                self.message(shape, end, nesting)
            }
            _ => Err(Self::fault(key_at, "wire type is not this field's")),
        }
    }

    fn text(&mut self, end: usize) -> Result<u64, Fault> {
        let text = self.delimited(end)?;
        let start = self.at - text.len();
        match std::str::from_utf8(text) {
            Ok(_) => Ok(0),
            Err(error) => Err(Self::fault(start + error.valid_up_to(), "text is not UTF-8")),
        }
    }

    fn packed(&mut self, kind: Type, end: usize) -> Result<u64, Fault> {
        let end = self.end_of_delimited(end)?;
        while self.at < end {
            match kind {
                Type::Varints => self.varint(end).map(|_| ())?,
                _ => self.take(8, end).map(|_| ())?,
            }
        }
        Ok(0)
    }

    /// Passes over a field that no table names.
    fn skip(&mut self, tag: u32, wire_type: WireType, end: usize, nesting: u32) -> Result<(), Fault> {
        let deeper = self.deeper(nesting)?;
        match wire_type {
            WireType::Varint => self.varint(end).map(|_| ()),
            WireType::Fixed64 => self.take(8, end).map(|_| ()),
            WireType::Fixed32 => self.take(4, end).map(|_| ()),
            WireType::Delimited => self.delimited(end).map(|_| ()),
            WireType::GroupStart => self.skip_group(tag, end, deeper),
            WireType::GroupEnd => Err(Self::fault(self.at, "group ends that never began")),
        }
    }

    fn skip_group(&mut self, tag: u32, end: usize, nesting: u32) -> Result<(), Fault> {
        loop {
            let key_at = self.at;
            let (inner, wire_type) = self.key(end)?;
            if wire_type != WireType::GroupEnd {
                self.skip(inner, wire_type, end, nesting)?;
            } else if inner == tag {
                return Ok(());
            } else {
                return Err(Self::fault(key_at, "group ends that never began"));
            }
        }
    }

    /// A field number and wire type.
    fn key(&mut self, end: usize) -> Result<(u32, WireType), Fault> {
        let at = self.at;
        let key = self.varint(end)?;
        let tag = u32::try_from(key).map_err(|_| Self::fault(at, "field number is too large"))? >> 3;
        if tag == 0 {
            return Err(Self::fault(at, "field number is 0"));
        }
        let wire_type = WireType::of(key & 7).ok_or_else(|| Self::fault(at, "wire type is unknown"))?;
        Ok((tag, wire_type))
    }

    fn varint(&mut self, end: usize) -> Result<u64, Fault> {
        let rest = self.bytes.get(self.at..end).unwrap_or_default();
        let mut value = 0;
        for (index, byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    break;
                }
                self.at += index + 1;
                return Ok(value);
            }
        }
        let problem = if rest.len() < 10 { "number is cut off" } else { "number is over 64 bits" };
        Err(Self::fault(self.at, problem))
    }

    fn end_of_delimited(&mut self, end: usize) -> Result<usize, Fault> {
        let at = self.at;
        let length = self.varint(end)?;
        match usize::try_from(length).ok().and_then(|length| self.at.checked_add(length)) {
            Some(inner) if inner <= end => Ok(inner),
            _ => Err(Self::fault(at, "length passes the end of what holds it")),
        }
    }

    fn delimited(&mut self, end: usize) -> Result<&'a [u8], Fault> {
        let inner = self.end_of_delimited(end)?;
        self.take(inner - self.at, end)
    }

    fn take(&mut self, count: usize, end: usize) -> Result<&'a [u8], Fault> {
        let taken = self.bytes.get(self.at..end).and_then(|rest| rest.get(..count));
        let taken = taken.ok_or_else(|| Self::fault(self.at, "value is cut off"))?;
        self.at += count;
        Ok(taken)
    }

    fn deeper(&self, nesting: u32) -> Result<u32, Fault> {
        nesting.checked_sub(1).ok_or_else(|| Self::fault(self.at, "nested more than 100 deep"))
    }

    const fn fault(at: usize, problem: &'static str) -> Fault {
        Fault { at, problem, path: Vec::new() }
    }
}
