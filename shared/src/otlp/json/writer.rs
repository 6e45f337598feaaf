//! Writes a message while its JSON is read: lengths are known only at the end of what they are of.

use serde::de::Error;

use super::Step;
use crate::protobuf::write::varint;

/// Wire types, the low three bits of a field's key.
pub(super) const VARINT: u32 = 0;
pub(super) const FIXED64: u32 = 1;
pub(super) const DELIMITED: u32 = 2;
pub(super) const FIXED32: u32 = 5;

/// The message so far, and after an error the way to its place.
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    limit: usize,
    pub(super) is_too_large: bool,
    /// From the innermost step out.
    pub(super) path: Vec<Step>,
}

/// Where the content of a delimited field begins.
#[must_use]
pub(super) struct Content(usize);

impl Writer {
    pub(super) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, is_too_large: false, path: Vec::new() }
    }

    pub(super) fn key(&mut self, tag: u32, wire_type: u32) {
        varint(u64::from(tag << 3 | wire_type), &mut self.bytes);
    }

    pub(super) fn varint(&mut self, number: u64) {
        varint(number, &mut self.bytes);
    }

    pub(super) fn delimited(&mut self, content: &[u8]) {
        varint(content.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(content);
    }

    /// Begins a delimited field, with room for a length of one byte.
    pub(super) fn begin(&mut self, tag: u32) -> Content {
        self.key(tag, DELIMITED);
        self.bytes.push(0);
        Content(self.bytes.len())
    }

    /// Ends it. A longer length moves the content on.
    pub(super) fn end(&mut self, content: Content) {
        let mut length = Vec::with_capacity(5);
        varint((self.bytes.len() - content.0) as u64, &mut length);
        self.bytes.splice(content.0 - 1..content.0, length);
    }

    /// Fails if what is written is over the limit.
    pub(super) fn check<E: Error>(&mut self) -> Result<(), E> {
        self.is_too_large = self.bytes.len() > self.limit;
        if self.is_too_large { Err(E::custom("too large")) } else { Ok(()) }
    }
}
