//! OTLP as JSON, made protobuf (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! One pass over the text writes the message, following the tables of `shape.rs`; no tree is built. It is read as the
//! OpenTelemetry collector reads it:
//!
//! | in | taken |
//! |---|---|
//! | names | `lowerCamelCase` or `snake_case`; unknown ones are passed over, and so is `null` |
//! | whole numbers | a number or text, such as `"1795400000000000000"` |
//! | real numbers | a number, or text: one, `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | choices | a number or a name, such as `"SPAN_KIND_SERVER"` |
//! | ids of traces and spans | hex of the exact length, or nothing |
//! | other bytes | base64, with or without padding |
//!
//! Arrays and objects may lie 127 deep within each other.

mod message;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use std::fmt::{self, Display, Write};

use serde::de::{DeserializeSeed, Unexpected};

use self::{message::Object, writer::Writer};
use super::shape::{METRICS_REQUEST, Shape, TRACE_REQUEST};
use crate::excerpt::beginning;

/// Why JSON can't become protobuf.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// As protobuf it would be over the limit.
    #[error("as protobuf it is over the limit")]
    TooLarge,
    /// It is no JSON, or not that of the message that it should be: where, what was expected, and what is there.
    #[error("{0}")]
    Malformed(String),
}

/// The most of a wrong text that is quoted: it may be all that the application has.
const QUOTED_BYTES: usize = 64;

fn quoted(text: &str) -> Unexpected<'_> {
    Unexpected::Str(beginning(text, QUOTED_BYTES))
}

/// A step on the way to a value.
enum Step {
    Field(&'static str),
    Index(usize),
}

/// An `ExportTraceServiceRequest` of at most `limit` bytes.
///
/// # Errors
/// [`JsonError`]
pub fn traces(json: &[u8], limit: usize) -> Result<Vec<u8>, JsonError> {
    protobuf(&TRACE_REQUEST, json, limit)
}

/// An `ExportMetricsServiceRequest` of at most `limit` bytes.
///
/// # Errors
/// [`JsonError`]
pub fn metrics(json: &[u8], limit: usize) -> Result<Vec<u8>, JsonError> {
    protobuf(&METRICS_REQUEST, json, limit)
}

fn protobuf(shape: &'static Shape, json: &[u8], limit: usize) -> Result<Vec<u8>, JsonError> {
    let mut to = Writer::new(limit);
    let mut from = serde_json::Deserializer::from_slice(json);
    let read = Object { shape, to: &mut to }.deserialize(&mut from).and_then(|()| from.end());
    match read {
        Ok(()) => Ok(to.bytes),
        Err(_) if to.is_too_large => Err(JsonError::TooLarge),
        Err(error) => Err(JsonError::Malformed(format!("{}{error}", Path(&to.path)))),
    }
}

/// A path from its innermost step out, written from the outermost in, with names as JSON has them.
struct Path<'a>(&'a [Step]);

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().rev().enumerate() {
            match step {
                Step::Field(name) => {
                    f.write_str(if depth == 0 { "" } else { "." })?;
                    camel_case(name).try_for_each(|letter| f.write_char(letter))?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        f.write_str(if self.0.is_empty() { "" } else { ": " })
    }
}

/// The letters of `snake_case` as `snakeCase`.
fn camel_case(name: &str) -> impl Iterator<Item = char> {
    let mut after_underscore = false;
    name.chars().filter_map(move |letter| {
        let was_after = std::mem::replace(&mut after_underscore, letter == '_');
        match letter {
            '_' => None,
            letter if was_after => Some(letter.to_ascii_uppercase()),
            letter => Some(letter),
        }
    })
}
