//! Writes fields whose number is below 16, one by one.

/// Wire types, the low three bits of a field's key.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;

const fn key(tag: u8, wire_type: u8) -> u8 {
    (tag << 3) | wire_type
}

/// Bytes of a delimited field.
pub(crate) fn delimited_len(content: usize) -> usize {
    1 + prost::length_delimiter_len(content) + content
}

/// The key of a delimited field and the length of the content that follows.
pub(crate) fn delimited(tag: u8, content: usize, out: &mut Vec<u8>) {
    out.push(key(tag, DELIMITED));
    varint(content as u64, out);
}

/// A delimited field.
pub(crate) fn bytes(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    delimited(tag, content.len(), out);
    out.extend_from_slice(content);
}

/// Packed numbers, which are left out if there are none.
pub(crate) fn packed(tag: u8, numbers: &[u8], out: &mut Vec<u8>) {
    if !numbers.is_empty() {
        bytes(tag, numbers, out);
    }
}

/// A `double`, which is left out if it is 0, as every number is.
pub(crate) fn double(tag: u8, value: f64, out: &mut Vec<u8>) {
    if value != 0.0 {
        out.push(key(tag, FIXED64));
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

/// An `int64`.
pub(crate) fn int64(tag: u8, value: i64, out: &mut Vec<u8>) {
    if value != 0 {
        out.push(key(tag, VARINT));
        varint(value.cast_unsigned(), out);
    }
}

/// A number of variable length.
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}
