//! Attributes as X-Ray's rules read them: by type, without conversion, and with a say on repeated keys.

use super::keys::Key;
use crate::otlp::{AnyValue, ArrayValue, KeyValue, Value};

/// The attributes of a span, each with the meaning that its key has here.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a> {
    list: Vec<(Option<Key>, &'a KeyValue)>,
    /// One bit for each key that occurs: most look-ups are for keys that do not.
    present: u64,
}

impl<'a> Attributes<'a> {
    /// Takes the attributes of the next span, into the same memory.
    pub(super) fn read(&mut self, pairs: &'a [KeyValue]) {
        self.list.clear();
        self.list.extend(pairs.iter().map(|pair| (Key::of(&pair.key), pair)));
        self.present = self.list.iter().filter_map(|(key, _)| *key).fold(0, |bits, key| bits | bit(key));
    }

    /// The same without some keys.
    pub(super) fn without(&self, unwanted: &[Key]) -> Self {
        let list = self
            .list
            .iter()
            .copied()
            .filter(|(key, _)| !key.is_some_and(|key| unwanted.contains(&key)))
            .collect();
        let present = unwanted.iter().fold(self.present, |bits, key| bits & !bit(*key));
        Self { list, present }
    }

    /// All in the order of the wire.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Option<Key>, &'a KeyValue)> + '_ {
        self.list.iter().copied()
    }

    /// Those with a known key, in the order of the wire.
    pub(super) fn known(&self) -> impl Iterator<Item = (Key, &'a KeyValue)> + '_ {
        self.list.iter().filter_map(|(key, pair)| Some(((*key)?, *pair)))
    }

    /// Whether the key occurs, with any value.
    pub(super) fn has(&self, key: Key) -> bool {
        self.present & bit(key) != 0
    }

    /// Whether a key occurs for which `is` holds, judged by one walk over the known ones.
    pub(super) fn any(&self, is: impl Fn(Key) -> bool) -> bool {
        self.present != 0 && self.known().any(|(key, _)| is(key))
    }

    /// The first attribute of that key: what a rule sees that asks the span itself.
    pub(super) fn first(&self, key: Key) -> Option<&'a KeyValue> {
        if !self.has(key) {
            return None;
        }
        self.known().find(|(known, _)| *known == key).map(|(_, pair)| pair)
    }

    /// The last attribute of that key: what a rule sees that asks a map filled from the span.
    pub(super) fn last(&self, key: Key) -> Option<&'a KeyValue> {
        if !self.has(key) {
            return None;
        }
        self.list.iter().rev().find(|(known, _)| *known == Some(key)).map(|(_, pair)| *pair)
    }

    /// The first attribute's text, unless empty or no text.
    pub(super) fn first_text(&self, key: Key) -> Option<&'a str> {
        self.first(key).map(text).filter(|text| !text.is_empty())
    }

    /// The last attribute's text, unless empty or no text.
    pub(super) fn last_text(&self, key: Key) -> Option<&'a str> {
        self.last(key).map(text).filter(|text| !text.is_empty())
    }
}

fn bit(key: Key) -> u64 {
    1 << (key as u8)
}

/// A text; anything else reads as empty.
pub(super) fn text(pair: &KeyValue) -> &str {
    pair.value().and_then(as_text).unwrap_or_default()
}

/// An entry of a list as text; anything else reads as empty.
pub(super) fn item(entry: &AnyValue) -> &str {
    entry.value.as_ref().and_then(as_text).unwrap_or_default()
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A whole number; anything else reads as 0.
pub(super) fn int(pair: &KeyValue) -> i64 {
    match pair.value() {
        Some(Value::Int(int)) => *int,
        _ => 0,
    }
}

/// The texts of a list; whatever is no text is left out.
pub(super) fn texts(list: &ArrayValue) -> Vec<&str> {
    list.values.iter().filter_map(|item| item.value.as_ref()).filter_map(as_text).collect()
}

/// The first attribute named `key` of a short list.
pub(super) fn find<'a>(pairs: &'a [KeyValue], key: &str) -> Option<&'a KeyValue> {
    pairs.iter().find(|pair| pair.key == key)
}

/// The last attribute named `key` of a short list.
pub(super) fn find_last<'a>(pairs: &'a [KeyValue], key: &str) -> Option<&'a KeyValue> {
    pairs.iter().rev().find(|pair| pair.key == key)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::xray) fn pair(key: &str, value: impl IntoValue) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value.into_value()) }) }
    }

    pub(in crate::xray) fn pairs(texts: &[(&str, &str)]) -> Vec<KeyValue> {
        texts.iter().map(|(key, value)| pair(key, *value)).collect()
    }

    pub(in crate::xray) fn attributes(pairs: &[KeyValue]) -> Attributes<'_> {
        let mut attributes = Attributes::default();
        attributes.read(pairs);
        attributes
    }

    /// Attribute values from plain ones.
    pub(in crate::xray) trait IntoValue {
        fn into_value(self) -> Value;
    }

    impl IntoValue for Value {
        fn into_value(self) -> Value {
            self
        }
    }

    impl IntoValue for &str {
        fn into_value(self) -> Value {
            Value::String(self.into())
        }
    }

    impl IntoValue for i64 {
        fn into_value(self) -> Value {
            Value::Int(self)
        }
    }

    impl IntoValue for f64 {
        fn into_value(self) -> Value {
            Value::Double(self)
        }
    }

    impl IntoValue for bool {
        fn into_value(self) -> Value {
            Value::Bool(self)
        }
    }

    impl IntoValue for Vec<&str> {
        fn into_value(self) -> Value {
            let values = self.into_iter().map(|text| AnyValue { value: Some(text.into_value()) }).collect();
            Value::Array(ArrayValue { values })
        }
    }

    #[test]
    fn reads_are_by_type_and_repeated_keys_have_a_first_and_a_last() {
        let pairs = [pair("http.method", "GET"), pair("db.name", 7), pair("http.method", "PUT")];
        let attributes = attributes(&pairs);
        assert_eq!(attributes.first_text(Key::HttpMethod), Some("GET"));
        assert_eq!(attributes.last_text(Key::HttpMethod), Some("PUT"));
        assert_eq!(attributes.first_text(Key::DbName), None);
        assert!(attributes.has(Key::DbName) && !attributes.has(Key::DbUser));
        assert_eq!((int(&pairs[1]), int(&pairs[0])), (7, 0));
    }

    #[test]
    fn the_next_span_starts_clean() {
        let (before, after) = (pairs(&[("db.name", "a")]), pairs(&[("db.user", "b")]));
        let mut attributes = attributes(&before);
        attributes.read(&after);
        assert!(!attributes.has(Key::DbName) && attributes.has(Key::DbUser));
        assert!(!attributes.without(&[Key::DbUser]).has(Key::DbUser));
    }
}
