//! Attribute values in their native form.

use std::borrow::Cow;

use super::{Json, Object, json, write_list};
use crate::otlp::view::values::{Attribute, Value};

/// An attribute's value in its native JSON form; bytes are base64, an absent value is null.
///
/// JSON has no NaN and no infinity: these are written as text, so that they cost neither the span nor themselves.
pub(in super::super) struct Native<'a>(pub(in super::super) Option<&'a Value<'a>>);

impl Json for Native<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self.0 {
            None => out.extend_from_slice(b"null"),
            Some(Value::String(text)) => text.write(out),
            Some(Value::Bool(bool)) => bool.write(out),
            Some(Value::Int(int)) => int.write(out),
            Some(Value::Double(double)) => match not_a_number(*double) {
                Some(text) => text.write(out),
                None => double.write(out),
            },
            Some(Value::Array(list)) => write_list(list.iter().map(|item| Native(item.as_ref())), out),
            Some(Value::Map(map)) => NativeMap(map).write(out),
            // No bytes are null, as they are to Go.
            Some(Value::Bytes([])) => out.extend_from_slice(b"null"),
            Some(Value::Bytes(bytes)) => base64(bytes).as_str().write(out),
        }
    }
}

fn not_a_number(double: f64) -> Option<&'static str> {
    match double {
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => double.is_nan().then_some("NaN"),
    }
}

/// A value of any type as text: a text as it is, bytes as base64, a list or map as its JSON, in which the two separators
/// that JavaScript takes for ends of lines are escaped, as Go does. One that contains what JSON has no number for is
/// empty.
pub(in super::super) fn as_text<'a>(value: Option<&Value<'a>>) -> Cow<'a, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Bytes(bytes)) => Cow::Owned(base64(bytes)),
        Some(Value::Double(double)) if let Some(text) = not_a_number(*double) => Cow::Borrowed(text),
        Some(value) if !is_json(value) => Cow::Borrowed(""),
        other => {
            Cow::Owned(json(&Native(other)).replace('\u{2028}', r"\u2028").replace('\u{2029}', r"\u2029"))
        }
    }
}

/// Whether JSON has all numbers of a value.
fn is_json(value: &Value<'_>) -> bool {
    match value {
        Value::Double(double) => double.is_finite(),
        Value::Array(list) => list.iter().flatten().all(is_json),
        Value::Map(map) => map.iter().filter_map(|entry| entry.value.as_ref()).all(is_json),
        Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Bytes(_) => true,
    }
}

/// Attributes as one JSON object: keys sorted, of repeated keys the last.
pub(in super::super) struct NativeMap<'a>(pub(in super::super) &'a [Attribute<'a>]);

impl Json for NativeMap<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut entries: Vec<_> = self.0.iter().map(|entry| (entry.key, &entry.value)).collect();
        sort_keep_last(&mut entries);
        let mut object = Object::begin(out);
        for (key, value) in entries {
            object.entry(key, &Native(value.as_ref()));
        }
        object.end();
    }
}

/// Sorts by key and keeps, of entries with the same key, the last.
pub(in super::super) fn sort_keep_last<K: Ord, V>(entries: &mut Vec<(K, V)>) {
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

/// Bytes in the standard base64 alphabet, padded (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let letter = ALPHABET.get(bits >> (18 - 6 * digit) & 63).copied().unwrap_or(b'A');
            text.push(if digit > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::attributes::tests::{IntoValue, pair};
    use super::*;

    #[test]
    fn values_keep_their_type() {
        let list = |values: Vec<Value<'static>>| Value::Array(values.into_iter().map(Some).collect());
        let map = Value::Map(vec![pair("b", 1), pair("a", "x"), pair("b", true)]);
        for (value, expected) in [
            ("a\"<".into_value(), r#""a\"<""#),
            (7.into_value(), "7"),
            (i64::MIN.into_value(), "-9223372036854775808"),
            (0.5.into_value(), "0.5"),
            (f64::NAN.into_value(), r#""NaN""#),
            (f64::NEG_INFINITY.into_value(), r#""-Infinity""#),
            (Value::Bytes(&[0, 1]), r#""AAE=""#),
            (Value::Bytes(&[]), "null"),
            (list(vec![1.into_value(), "x".into_value(), list(vec![])]), r#"[1,"x",[]]"#),
            (map, r#"{"a":"x","b":true}"#),
        ] {
            assert_eq!(json(&Native(Some(&value))), expected);
        }
        assert_eq!(json(&Native(None)), "null");
    }

    #[test]
    fn any_value_can_be_text() {
        for (value, expected) in [
            (Some("a<b".into_value()), "a<b"),
            (Some(503.into_value()), "503"),
            (Some(0.5.into_value()), "0.5"),
            (Some(1e21.into_value()), "1e+21"),
            (Some(true.into_value()), "true"),
            (Some(Value::Bytes(&[0, 1])), "AAE="),
            (Some(Value::Bytes(&[])), ""),
            (Some(f64::INFINITY.into_value()), "Infinity"),
            (Some(vec!["<&>", "é\u{2028}"].into_value()), r#"["<&>","é\u2028"]"#),
            (Some(Value::Map(vec![pair("a", f64::NAN)])), ""),
            (Some(Value::Array(vec![None, Some(f64::NAN.into_value())])), ""),
            (None, ""),
        ] {
            assert_eq!(as_text(value.as_ref()), expected);
        }
    }

    #[test]
    fn bytes_become_base64() {
        // RFC 4648, section 10
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xff, 0xfe]), "//4=");
    }
}
