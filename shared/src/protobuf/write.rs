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

/// A `double`, which is left out if it is 0, as every number is. Minus zero is another number: it keeps its sign.
pub(crate) fn double(tag: u8, value: f64, out: &mut Vec<u8>) {
    if value.to_bits() != 0 {
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

/// Eight bytes, also if they are 0.
pub(crate) fn fixed64(tag: u8, bits: u64, out: &mut Vec<u8>) {
    out.push(key(tag, FIXED64));
    out.extend_from_slice(&bits.to_le_bytes());
}

/// A `uint64` or an enumeration, also if it is 0.
pub(crate) fn uint64(tag: u8, value: u64, out: &mut Vec<u8>) {
    out.push(key(tag, VARINT));
    varint(value, out);
}

/// A `sint32`, also if it is 0.
pub(crate) fn sint32(tag: u8, value: i32, out: &mut Vec<u8>) {
    uint64(tag, ((value << 1) ^ (value >> 31)).cast_unsigned().into(), out);
}

/// A delimited field whose content is being written.
#[must_use]
pub(crate) struct Open {
    content: usize,
    length_bytes: usize,
}

/// Begins a delimited field. Its content is what is written until [`close`]; where that needs as many bytes for its
/// length as `expected` does, nothing has to be moved then.
pub(crate) fn open(tag: u8, expected: usize, out: &mut Vec<u8>) -> Open {
    out.push(key(tag, DELIMITED));
    let length = out.len();
    varint(expected as u64, out);
    Open { content: out.len(), length_bytes: out.len() - length }
}

/// Ends it.
pub(crate) fn close(open: &Open, out: &mut Vec<u8>) {
    let length = out.len() - open.content;
    let last = prost::length_delimiter_len(length) - 1;
    let bytes = (0..=last).map(|place| {
        let [low, ..] = (length >> (7 * place)).to_le_bytes();
        if place == last { low } else { low | 0x80 }
    });
    out.splice(open.content - open.length_bytes..open.content, bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_its_length_whatever_was_expected() {
        for expected in [0, 127, 128, 1 << 14, 1 << 21] {
            for length in [0, 1, 127, 128, 300, 1 << 14] {
                let content = vec![7; length];
                let mut out = b"before".to_vec();
                let field = open(3, expected, &mut out);
                out.extend_from_slice(&content);
                close(&field, &mut out);
                let mut want = b"before".to_vec();
                bytes(3, &content, &mut want);
                assert_eq!(out, want, "{expected} {length}");
            }
        }
    }

    #[test]
    fn only_zero_is_left_out_and_minus_zero_is_another_number() {
        let written = |value| {
            let mut out = Vec::new();
            double(1, value, &mut out);
            out
        };
        assert!(written(0.0).is_empty());
        assert_eq!(written(-0.0), [0x09, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    }

    #[test]
    fn a_signed_number_has_its_sign_in_the_lowest_bit() {
        for (value, want) in [(0, 0), (-1, 1), (1, 2), (i32::MAX, u32::MAX - 1), (i32::MIN, u32::MAX)] {
            let (mut out, mut expected) = (Vec::new(), vec![0x30]);
            sint32(6, value, &mut out);
            varint(want.into(), &mut expected);
            assert_eq!(out, expected, "{value}");
        }
    }
}
