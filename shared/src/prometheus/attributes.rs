//! Attribute values as text, as OpenTelemetry's `pdata` v1 writes them (`Value.AsString`), and attributes as labels.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

use crate::{
    otlp::{AnyValue, KeyValue, Value, view},
    protobuf::read::Malformed,
};

/// An attribute on its way to a label.
#[derive(Clone, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) label: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
}

/// A label in the making.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The labels of attributes that come sorted by key. Where two keys make one label name their values are joined by `;`,
/// unless the second adds nothing.
pub(super) fn joined<'a>(sorted: impl IntoIterator<Item = Attribute<'a>>) -> Vec<Pair<'a>> {
    let mut labels: Vec<Pair<'a>> = Vec::new();
    for Attribute { label, value, .. } in sorted {
        match labels.iter_mut().find(|(name, _)| *name == label) {
            Some((_, first)) if *first == value => {}
            Some((_, first)) => *first = format!("{first};{value}").into(),
            None => labels.push((label, value)),
        }
    }
    labels
}

/// An attribute's value as the text of a label.
pub(super) fn text_of<'a>(attribute: &view::KeyValue<'a>) -> Result<Cow<'a, str>, Malformed> {
    if let Some(plain) = attribute.plain_text()? {
        return Ok(Cow::Borrowed(plain));
    }
    let AnyValue { value } = attribute.value.decode_merged()?;
    Ok(Cow::Owned(text(value.as_ref()).into_owned()))
}

/// A value as the text of a label; empty where there is none.
pub(super) fn text(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Bool(true)) => Cow::Borrowed("true"),
        Some(Value::Bool(false)) => Cow::Borrowed("false"),
        Some(Value::Int(whole)) => Cow::Owned(whole.to_string()),
        Some(Value::Double(real)) => Cow::Owned(real_text(*real)),
        Some(Value::Bytes(bytes)) => Cow::Owned(base64(bytes)),
        Some(value @ (Value::Array(_) | Value::Map(_))) => Cow::Owned(json(value).unwrap_or_default()),
    }
}

/// As Go's `encoding/json` writes a float: the shortest text that reads back the same, with an exponent only below
/// 1e-6 and from 1e21 on.
fn real_text(real: f64) -> String {
    let size = real.abs();
    if real.is_nan() {
        "NaN".to_owned()
    } else if real.is_infinite() {
        if real > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{real:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    } else {
        decimal(real)
    }
}

/// The shortest decimal that reads back the same, without an exponent. Of two that are equally near it is the even one, as
/// Go writes it; Rust writes the larger.
pub(super) fn decimal(real: f64) -> String {
    const DIGITS: usize = 16; // with fewer none lies in the middle of two
    let text = real.to_string();
    match text.split_once('.') {
        Some((_, fraction)) if text.len() > DIGITS => {
            let even = format!("{real:.*}", fraction.len());
            if even.parse() == Ok(real) { even } else { text }
        }
        _ => text,
    }
}

/// Compact JSON with sorted keys, as Go writes it; `None` where a number has no JSON.
fn json(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_json(Some(value), &mut out)?;
    Some(out)
}

fn write_json(value: Option<&Value>, out: &mut String) -> Option<()> {
    match value {
        None => out.push_str("null"),
        Some(Value::Bytes(bytes)) if bytes.is_empty() => out.push_str("null"), // Go has no empty ones
        Some(Value::Double(real)) if !real.is_finite() => return None,
        Some(value @ (Value::Bool(_) | Value::Int(_) | Value::Double(_))) => out.push_str(&text(Some(value))),
        Some(value @ (Value::String(_) | Value::Bytes(_))) => write_json_text(&text(Some(value)), out),
        Some(Value::Array(list)) => {
            let items = list.values.iter().map(|AnyValue { value }| (None, value.as_ref()));
            write_json_items(items, ['[', ']'], out)?;
        }
        Some(Value::Map(map)) => {
            let sorted: BTreeMap<&str, Option<&Value>> =
                map.values.iter().map(|entry: &KeyValue| (entry.key.as_str(), entry.value())).collect();
            write_json_items(sorted.into_iter().map(|(key, value)| (Some(key), value)), ['{', '}'], out)?;
        }
    }
    Some(())
}

fn write_json_items<'a>(
    items: impl Iterator<Item = (Option<&'a str>, Option<&'a Value>)>,
    [open, close]: [char; 2],
    out: &mut String,
) -> Option<()> {
    out.push(open);
    for (index, (key, value)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(key) = key {
            write_json_text(key, out);
            out.push(':');
        }
        write_json(value, out)?;
    }
    out.push(close);
    Some(())
}

fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c)); // writing to a String can't fail
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Standard base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((group >> shift & 63) as usize).copied().unwrap_or(b'=');
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{ArrayValue, KeyValueList};

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn pair(key: &str, value: Option<Value>) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value }) }
    }

    #[test]
    fn every_type_has_its_text() {
        let list = |values: Vec<AnyValue>| Value::Array(ArrayValue { values });
        let map = |values: Vec<KeyValue>| Value::Map(KeyValueList { values });
        let string = |s: &str| Value::String(s.to_owned());
        for (value, want) in [
            (string("a\"b"), "a\"b"),
            (Value::Bool(true), "true"),
            (Value::Bool(false), "false"),
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::Double(1.5), "1.5"),
            (Value::Double(1.0), "1"),
            (Value::Double(-0.0), "-0"),
            (Value::Double(1e-6), "0.000001"),
            (Value::Double(9.5e-7), "9.5e-7"),
            (Value::Double(1e-10), "1e-10"),
            (Value::Double(123_456_789_012_345_680_000.0), "123456789012345680000"),
            (Value::Double(947_419_401_186_146.0 + 0.25), "947419401186146.2"),
            (Value::Double(-947_419_401_186_146.0 - 0.75), "-947419401186146.8"),
            (Value::Double(100_000_000_000_000.0 + 0.125), "100000000000000.12"),
            (Value::Double(0.1 + 0.2), "0.30000000000000004"),
            (Value::Double(-1e21), "-1e+21"),
            (Value::Double(1.25e100), "1.25e+100"),
            (Value::Double(f64::NAN), "NaN"),
            (Value::Double(f64::INFINITY), "Infinity"),
            (Value::Double(f64::NEG_INFINITY), "-Infinity"),
            (Value::Bytes(vec![0, 255]), "AP8="),
            (Value::Bytes(b"a".to_vec()), "YQ=="),
            (Value::Bytes(b"abc".to_vec()), "YWJj"),
            (Value::Bytes(vec![]), ""),
            (
                list(vec![any(Value::Int(1)), any(string("x<&>\n\u{1}\u{2028}")), AnyValue { value: None }]),
                "[1,\"x<&>\\n\\u0001\\u2028\",null]",
            ),
            (list(vec![]), "[]"),
            (map(vec![pair("k", Some(Value::Int(1)))]), "{\"k\":1}"),
            (
                map(vec![
                    pair("b", Some(Value::Double(2.0))),
                    pair("a", None),
                    pair("b", Some(Value::Bytes(vec![0]))),
                ]),
                "{\"a\":null,\"b\":\"AA==\"}",
            ),
            (list(vec![any(Value::Double(f64::NAN))]), ""),
            (list(vec![any(Value::Bytes(vec![])), any(string(""))]), "[null,\"\"]"),
        ] {
            assert_eq!(text(Some(&value)), want, "{value:?}");
        }
        assert_eq!(text(None), "");
    }

    #[test]
    fn values_of_one_label_are_joined() {
        let attribute =
            |value: &'static str| Attribute { key: "k".into(), label: "a_b".into(), value: value.into() };
        for (values, want) in [
            (vec!["x", "y"], "x;y"),
            (vec!["x", "x"], "x"),
            (vec!["x", "y", "y"], "x;y;y"),
            (vec!["x;y", "x;y"], "x;y"),
        ] {
            assert_eq!(joined(values.into_iter().map(attribute)), [("a_b".into(), want.into())]);
        }
    }
}
