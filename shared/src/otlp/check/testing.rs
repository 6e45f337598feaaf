//! Requests for tests: draws, and the same request in other bytes.

use super::super::shape::{Bytes, METRICS_REQUEST, Shape, TRACE_REQUEST, Type};
use crate::protobuf::read::{Fields, Value};

/// Draws that a test can repeat: splitmix64.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 31) % bound
    }

    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}

pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

pub(super) fn put_delimited(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A message of `shape` with any of its fields, some of them repeated, and now and then one that it doesn't know.
pub(in crate::otlp) fn drawn(shape: &Shape, depth: u32, draw: &mut Draw) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..draw.below(if depth > 12 { 2 } else { 5 }) {
        let field = &shape.fields[draw.index(shape.fields.len())];
        let (wire_type, mut value) = (field.kind, Vec::new());
        if draw.below(12) == 0 {
            any_field(draw, &mut out);
        }
        let bits = match wire_type {
            Type::Varint(_) => {
                put_varint(draw.below(u64::MAX) >> draw.below(64), &mut value);
                0
            }
            Type::Varints => {
                let mut packed = Vec::new();
                (0..draw.below(4)).for_each(|_| put_varint(draw.below(1 << 40), &mut packed));
                put_delimited(&packed, &mut value);
                2
            }
            Type::Fixed32 => unreachable!("no field that is read has four bytes"),
            Type::Fixed64(_) => {
                value.extend_from_slice(&draw.below(u64::MAX).to_le_bytes());
                1
            }
            Type::Fixed64s(_) => {
                put_delimited(&vec![7; 8 * draw.index(4)], &mut value);
                2
            }
            Type::Text => {
                put_delimited(["", "name", "größe", "✓"][draw.index(4)].as_bytes(), &mut value);
                2
            }
            Type::Bytes(Bytes::Id(length)) => {
                put_delimited(&vec![draw.byte(); length * draw.index(2)], &mut value);
                2
            }
            Type::Bytes(Bytes::Base64) => {
                put_delimited(&vec![0xff; draw.index(20)], &mut value);
                2
            }
            Type::Message(inner) | Type::Messages(inner) | Type::Choice(inner) => {
                put_delimited(&drawn(inner, depth + 1, draw), &mut value);
                2
            }
        };
        put_varint(u64::from(field.tag) << 3 | bits, &mut out);
        out.extend_from_slice(&value);
    }
    out
}

/// A field of any number and wire type, well formed in itself.
fn any_field(draw: &mut Draw, out: &mut Vec<u8>) {
    let (tag, bits) = (1 + draw.below(20), draw.below(6));
    put_varint(tag << 3 | bits, out);
    match bits {
        0 => put_varint(draw.below(u64::MAX), out),
        1 => out.extend_from_slice(&[1; 8]),
        2 => put_delimited(b"\x08\x01", out),
        3 => {
            any_field(draw, out);
            put_varint(tag << 3 | 4, out);
        }
        5 => out.extend_from_slice(&[1; 4]),
        _ => {}
    }
}

/// An `ExportMetricsServiceRequest` with its fields, and those of the messages in it, in any order, some of them twice,
/// packed numbers unpacked, and fields between that nothing reads.
pub(crate) fn rearranged_metrics(request: &[u8], draw: &mut Draw) -> Vec<u8> {
    rearranged(&METRICS_REQUEST, Fields::of(request), draw)
}

/// An `ExportTraceServiceRequest` likewise.
pub(crate) fn rearranged_traces(request: &[u8], draw: &mut Draw) -> Vec<u8> {
    rearranged(&TRACE_REQUEST, Fields::of(request), draw)
}

fn rearranged(shape: &Shape, mut fields: Fields<'_>, draw: &mut Draw) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    while let Some(key) = fields.key().unwrap() {
        let kind = shape.fields.iter().find(|field| field.tag == key.tag).map(|field| field.kind);
        parts.push(rewritten(kind, key.tag, fields.value(key).unwrap(), draw));
        if draw.below(12) == 0 {
            parts.push(parts[draw.index(parts.len())].clone());
        }
        if draw.below(12) == 0 {
            parts.push(b"\xa3\x06\x08\x01\xa4\x06\xa2\x06\x01x".to_vec()); // group 100 with a number in it, text 100
        }
    }
    if draw.below(2) == 0 {
        (1..parts.len()).for_each(|place| parts.swap(place, draw.index(place + 1)));
    }
    parts.concat()
}

fn rewritten(kind: Option<Type>, tag: u32, value: Value<'_>, draw: &mut Draw) -> Vec<u8> {
    let mut out = Vec::new();
    let put_key = |bits, out: &mut Vec<u8>| put_varint(u64::from(tag) << 3 | bits, out);
    match (value, kind) {
        (
            Value::Delimited(inner),
            Some(Type::Message(shape) | Type::Messages(shape) | Type::Choice(shape)),
        ) => {
            put_key(2, &mut out);
            put_delimited(&rearranged(shape, inner, draw), &mut out);
        }
        (Value::Delimited(packed), Some(Type::Fixed64s(_))) if draw.below(2) == 0 => {
            for number in packed.rest().chunks(8) {
                put_key(1, &mut out);
                out.extend_from_slice(number);
            }
        }
        (Value::Delimited(inner), _) => {
            put_key(2, &mut out);
            put_delimited(inner.rest(), &mut out);
        }
        (Value::Varint(number), _) => {
            put_key(0, &mut out);
            put_varint(number, &mut out);
        }
        (Value::Fixed64(bits), _) => {
            put_key(1, &mut out);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        (Value::Other, _) => {}
    }
    out
}
