//! The fields of a protobuf message as they lie on the wire
//! (<https://protobuf.dev/programming-guides/encoding/>).

use bytes::Bytes;
use prost::bytes::BufMut;

/// Groups within each other that are followed.
const NESTING_LIMIT: u32 = 100;

/// One field.
pub(super) struct Field {
    /// Its number.
    pub(super) tag: u32,
    /// All of it: key, length if it has one, content.
    pub(super) whole: Bytes,
    /// The content of a text, of bytes or of a message; empty for any other type.
    pub(super) content: Bytes,
}

/// The fields of `message` in order, up to the first that is none.
pub(super) fn fields(mut message: Bytes) -> impl Iterator<Item = Field> {
    std::iter::from_fn(move || {
        let Extent { tag, content, end } = extent(&message, NESTING_LIMIT)?;
        let whole = message.split_to(end);
        let content = whole.slice(content..end);
        Some(Field { tag, whole, content })
    })
}

/// Appends the key and the length of a field of that number whose content has `length` bytes.
pub(super) fn put_head(out: &mut Vec<u8>, tag: u32, length: usize) {
    out.put_u8(u8::try_from(tag << 3 | DELIMITED).unwrap_or_default()); // all numbers here are below 16
    // The only way to fail is a buffer without room, and this one grows.
    let _ = prost::encode_length_delimiter(length, out);
}

/// The bytes that [`put_head`] appends.
pub(super) fn head_length(length: usize) -> usize {
    1 + prost::length_delimiter_len(length)
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const DELIMITED: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

/// How far the first field of a message goes.
struct Extent {
    tag: u32,
    /// Where its content begins, and where it ends; the same if it has none that counts.
    content: usize,
    end: usize,
}

fn extent(message: &[u8], nesting: u32) -> Option<Extent> {
    let (key, mut at) = varint(message)?;
    let key = u32::try_from(key).ok()?;
    let tag = key >> 3;
    let end = match key & 7 {
        VARINT => at + varint(message.get(at..)?)?.1,
        FIXED64 => at + 8,
        FIXED32 => at + 4,
        DELIMITED => {
            let (length, bytes) = varint(message.get(at..)?)?;
            at += bytes;
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            return (end <= message.len()).then_some(Extent { tag, content: at, end });
        }
        GROUP_START => group(message, at, tag, nesting.checked_sub(1)?)?,
        _ => return None,
    };
    (end <= message.len()).then_some(Extent { tag, content: end, end })
}

/// Where the group `tag` ends whose first field begins at `at`.
fn group(message: &[u8], mut at: usize, tag: u32, nesting: u32) -> Option<usize> {
    loop {
        let rest = message.get(at..)?;
        let (key, bytes) = varint(rest)?;
        if key == u64::from(tag << 3 | GROUP_END) {
            return Some(at + bytes);
        }
        at += extent(rest, nesting)?.end;
    }
}

/// A number of variable length, and its bytes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((number, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &[u8]) -> Vec<(u32, usize, Vec<u8>)> {
        let fields = fields(Bytes::copy_from_slice(message));
        fields.map(|field| (field.tag, field.whole.len(), field.content.to_vec())).collect()
    }

    #[test]
    fn fields_of_every_type_are_told_apart() {
        let message = [
            &[0x08, 0x96, 0x01][..],            // 1: varint
            &[0x11, 0, 0, 0, 0, 0, 0, 0, 0],    // 2: fixed64
            &[0x1a, 2, b'h', b'i'],             // 3: text
            &[0x23, 0x2b, 0x08, 1, 0x2c, 0x24], // 4: group with group 5 in it
            &[0x35, 0, 0, 0, 0],                // 6: fixed32
            &[0xc2, 0x3e, 0],                   // 1000: empty message
        ]
        .concat();
        let want = [(1, 3, vec![]), (2, 9, vec![]), (3, 4, b"hi".to_vec()), (4, 6, vec![])];
        let want = [&want[..], &[(6, 5, vec![]), (1000, 3, vec![])]].concat();
        assert_eq!(shown(&message), want);
        let wholes: Vec<u8> = fields(message.clone().into()).flat_map(|field| field.whole).collect();
        assert_eq!(wholes, message);
    }

    #[test]
    fn what_is_no_field_ends_the_message() {
        for bad in [
            &[0x0a, 5, 1][..], // longer than the message
            &[0x0a],           // no length
            &[0x09, 1],        // half a number
            &[0x23, 0x08, 1],  // a group without end
            &[0x0c],           // an end without group
            &[0x0f],           // no such type
            &[0xff; 11],       // an endless number
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x0b; 200], // groups without end
        ] {
            assert_eq!(shown(&[&[0x08, 1], bad].concat()), [(1, 2, vec![])], "{bad:?}");
        }
    }

    #[test]
    fn heads_are_as_long_as_told() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 5_000_000] {
            let mut out = Vec::new();
            put_head(&mut out, 15, length);
            assert_eq!(out.len(), head_length(length));
            assert_eq!(varint(&out[1..]), Some((length as u64, out.len() - 1)));
        }
    }
}
