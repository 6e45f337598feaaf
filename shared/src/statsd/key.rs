//! What makes a series: its name, its type and its sorted tags, as one string of bytes that also sorts by name and type.
//!
//! ```text
//! name FF type (FF tag FE value)*
//! ```
//! Neither FE nor FF occurs in text, so different series have different keys.

use super::{Line, Type};
use crate::otlp::{AnyValue, KeyValue, Value};

const FIELD: u8 = 0xff;
const VALUE: u8 = 0xfe;

const TYPES: [(Type, u8); 5] = [
    (Type::Counter, b'c'),
    (Type::Gauge, b'g'),
    (Type::Timer, b'm'),
    (Type::Distribution, b'd'),
    (Type::Set, b's'),
];

/// Writes the key of a line's series into `key`. A tag without a value counts as absent.
pub(super) fn write(line: &Line<'_>, key: &mut Vec<u8>) {
    let byte = TYPES.into_iter().find(|(kind, _)| *kind == line.kind).map_or(0, |(_, byte)| byte);
    key.clear();
    key.extend_from_slice(line.name.as_bytes());
    key.extend_from_slice(&[FIELD, byte]);
    for tag in line.tags.as_slice().iter().filter(|tag| !tag.value.is_empty()) {
        key.push(FIELD);
        key.extend_from_slice(tag.name.as_bytes());
        key.push(VALUE);
        key.extend_from_slice(tag.value.as_bytes());
    }
}

/// The part of a key that all series of one metric share: its name and type.
pub(super) fn metric(key: &[u8]) -> &[u8] {
    let end = key.iter().position(|byte| *byte == FIELD).map_or(key.len(), |at| at + 2);
    key.get(..end).unwrap_or(key)
}

/// A key's name and type.
pub(super) fn name(key: &[u8]) -> (&str, Type) {
    let mut fields = key.split(|byte| *byte == FIELD);
    let name = text(fields.next().unwrap_or_default());
    let byte = fields.next().and_then(|field| field.first().copied());
    let kind =
        TYPES.into_iter().find(|(_, known)| Some(*known) == byte).map_or(Type::Gauge, |(kind, _)| kind);
    (name, kind)
}

/// A key's tags as attributes.
pub(super) fn attributes(key: &[u8]) -> Vec<KeyValue> {
    let tags = key.split(|byte| *byte == FIELD).skip(2);
    tags.map(|tag| {
        let mut parts = tag.split(|byte| *byte == VALUE).map(text);
        let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = Some(AnyValue { value: Some(Value::String(value.to_owned())) });
        KeyValue { key: key.to_owned(), value }
    })
    .collect()
}

/// All of a key was text.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str) -> Vec<u8> {
        let mut key = b"old".to_vec();
        write(&Line::parse(line.as_bytes()).unwrap(), &mut key);
        key
    }

    #[test]
    fn a_key_tells_name_type_and_tags() {
        let key = key("shop.orders:1|c|#b:2,a:x:y,empty:,canary");
        assert_eq!(name(&key), ("shop.orders", Type::Counter));
        let tags = attributes(&key);
        let tags: Vec<_> = tags.iter().map(|tag| (tag.key.as_str(), tag.value().unwrap().clone())).collect();
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!(tags, [("a", text("x:y")), ("b", text("2")), ("canary", text("true"))]);
        assert_eq!(metric(&key), b"shop.orders\xffc");
    }

    #[test]
    fn the_same_series_has_the_same_key_and_no_other_has() {
        assert_eq!(key("n:1|c|#a:1,b:2"), key("n:7|c|@0.1|#b:2|#a:1"));
        assert_eq!(key("n:1|c|#a:"), key("n:1|c"));
        assert_eq!(key("n:1|h"), key("n:1|d"));
        let keys = [
            "n:1|c",
            "n:1|g",
            "n:1|ms",
            "n:1|h",
            "n:1|s",
            "n:1|c|#a:1",
            "n:1|c|#a:1,b:2",
            "na:1|c",
            "n:1|c|#a",
        ];
        let distinct: std::collections::BTreeSet<_> = keys.map(key).into_iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
