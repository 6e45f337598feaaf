//! Says whether bytes are an OTLP request, and how many items it holds, without building the messages.
//!
//! A receiver that stores requests as received needs no more than that. The walk follows the tables of `shape.rs`,
//! allocates nothing, and accepts exactly what decoding the messages of [`super`] would: the encoding's rules
//! (<https://protobuf.dev/programming-guides/encoding/>), UTF-8 in text, at most 100 messages within each other.

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;

use super::shape::{Field, METRICS_REQUEST, Shape, TRACE_REQUEST, Type};
use crate::protobuf::read::{Fields, Key, Malformed, Value};

/// The number of spans in an `ExportTraceServiceRequest`.
///
/// # Errors
/// [`Fault`]: the first place where the bytes are no such message.
pub fn traces(bytes: &[u8]) -> Result<u64, Fault> {
    message(&TRACE_REQUEST, Fields::of(bytes))
}

/// The number of data points in an `ExportMetricsServiceRequest`.
///
/// # Errors
/// [`Fault`]: the first place where the bytes are no such message.
pub fn metrics(bytes: &[u8]) -> Result<u64, Fault> {
    message(&METRICS_REQUEST, Fields::of(bytes))
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

impl From<Malformed> for Fault {
    fn from(Malformed { at, problem }: Malformed) -> Self {
        Self { at, problem, path: Vec::new() }
    }
}

/// Checks a message and counts the items in it.
fn message(shape: &Shape, mut fields: Fields<'_>) -> Result<u64, Fault> {
    let mut items = u64::from(shape.is_item);
    let (mut chosen, mut chosen_items) = (0, 0);
    // Fields come in the order of the table, as a rule: the next one is looked for from the latest on.
    let mut ahead = shape.fields;
    while let Some(key) = fields.key()? {
        let found = find(ahead, key.tag).or_else(|| find(shape.fields, key.tag));
        let Some((field, from)) = found else {
            skip(key, &mut fields).map_err(|fault| Fault::from(fault).within("unknown field"))?;
            continue;
        };
        ahead = from;
        let found = value(field.kind, key, &mut fields).map_err(|fault| fault.within(field.name))?;
        match field.kind {
            // Of several alternatives on the wire the last one counts; one that comes again is merged.
            Type::Choice(_) if chosen == key.tag => chosen_items += found,
            Type::Choice(_) => (chosen, chosen_items) = (key.tag, found),
            _ => items += found,
        }
    }
    Ok(items + chosen_items)
}

/// The field with this number, and the fields from it on.
fn find(mut fields: &'static [Field], tag: u32) -> Option<(&'static Field, &'static [Field])> {
    while let Some((field, later)) = fields.split_first() {
        if field.tag == tag {
            return Some((field, fields));
        }
        fields = later;
    }
    None
}

/// Checks the value of a field that the tables name.
fn value(kind: Type, key: Key, fields: &mut Fields<'_>) -> Result<u64, Fault> {
    match (kind, fields.value(key)?) {
        (Type::Varint(_) | Type::Varints, Value::Varint(_))
        | (Type::Fixed64(_) | Type::Fixed64s(_), Value::Fixed64(_))
        | (Type::Bytes(_), Value::Delimited(_)) => Ok(0),
        (Type::Text, Value::Delimited(text)) => Ok(text.check_text().map(|()| 0)?),
        (Type::Varints, Value::Delimited(packed)) => each(packed, Fields::varint),
        (Type::Fixed64s(_), Value::Delimited(packed)) => each(packed, Fields::fixed64),
        (Type::Message(shape) | Type::Messages(shape) | Type::Choice(shape), Value::Delimited(inner)) => {
            message(shape, inner.within()?)
        }
        _ => Err(Fault { at: key.at, problem: "wire type is not this field's", path: Vec::new() }),
    }
}

/// Checks packed numbers.
fn each<'a>(
    mut packed: Fields<'a>,
    number: impl Fn(&mut Fields<'a>) -> Result<u64, Malformed>,
) -> Result<u64, Fault> {
    while !packed.is_at_end() {
        number(&mut packed)?;
    }
    Ok(0)
}

/// Passes over a field that no table names.
fn skip(key: Key, fields: &mut Fields<'_>) -> Result<(), Malformed> {
    fields.within()?;
    fields.value(key)?;
    Ok(())
}
