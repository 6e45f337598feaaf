//! Metadata that a span's attributes carry as JSON.

use serde_json::{Number, Value as Json};

use super::JsonObject;
use crate::otlp::view::values::Value;

/// Before the namespace in the key of an attribute that carries metadata as JSON.
const METADATA: &str = "aws.xray.metadata.";

/// The namespace and the object that `aws.xray.metadata.NAMESPACE` carries as text, or null. An attribute whose text
/// is neither is like any other.
pub(in super::super) fn carried<'a>(
    key: &'a str,
    value: &Value<'_>,
) -> Option<(&'a str, Option<JsonObject>)> {
    let namespace = key.strip_prefix(METADATA)?;
    let Value::String(text) = value else { return None };
    let read = serde_json::from_str(text).or_else(|_| serde_json::from_str(&whole_letters(text)));
    let mut object: Option<JsonObject> = read.ok()?;
    object.iter_mut().flat_map(JsonObject::values_mut).for_each(round);
    Some((namespace, object))
}

/// JSON with U+FFFD for each escape that is half a letter alone, as Go reads it.
fn whole_letters(text: &str) -> String {
    const HALF: usize = r"\uXXXX".len();
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        let length = match (half(escape), escape.get(HALF..).and_then(half)) {
            (Some(Half::First), Some(Half::Second)) => 2 * HALF,
            (Some(_), _) => {
                whole.push_str(before);
                whole.push_str(r"\ufffd");
                rest = escape.get(HALF..).unwrap_or_default();
                continue;
            }
            // The backslash, and the character that it escapes.
            (None, _) => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        let (kept, after) = rest.split_at_checked(before.len() + length).unwrap_or((rest, ""));
        whole.push_str(kept);
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// Of a letter that takes two escapes (RFC 8259, section 7).
enum Half {
    First,
    Second,
}

/// The half that an escape at the start of `text` is.
fn half(text: &str) -> Option<Half> {
    let digits = text.strip_prefix(r"\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..0xdc00 => Some(Half::First),
        0xdc00..0xe000 => Some(Half::Second),
        _ => None,
    }
}

/// Makes doubles of numbers that a double can't tell from their neighbours: to Go all numbers in JSON are doubles.
fn round(json: &mut Json) {
    const EXACT: f64 = (1_u64 << 53) as f64;
    match json {
        Json::Number(number) => {
            let rounded = number.as_f64().filter(|double| double.abs() >= EXACT);
            if let Some(rounded) = rounded.and_then(Number::from_f64) {
                *number = rounded;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(round),
        Json::Object(entries) => entries.values_mut().for_each(round),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<JsonObject> {
        carried("aws.xray.metadata.a", &Value::String(text)).and_then(|(_, object)| object)
    }

    #[test]
    fn numbers_are_what_doubles_can_tell() {
        for (text, double) in [
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("-18446744073709551616", -18_446_744_073_709_551_616.0),
        ] {
            let number = &of(&format!(r#"{{"k":[{{"n":{text}}}]}}"#)).unwrap()["k"][0]["n"];
            assert_eq!((number.is_f64(), number.as_f64()), (true, Some(double)), "{text}");
        }
        assert!(of(r#"{"n":9007199254740991}"#).unwrap()["n"].is_i64());
    }

    #[test]
    fn half_a_letter_is_replaced() {
        for (text, expected) in [
            (r"\ud83d\ude00", "😀"),
            (r"\ud800", "\u{fffd}"),
            (r"\uDFFFx\ud800\u0041\ud800\n", "\u{fffd}x\u{fffd}A\u{fffd}\n"),
            (r"\ud800\ud83d\ude00\ude00é", "\u{fffd}😀\u{fffd}é"),
            (r"\\ud800\ud800\\", r"\ud800�\"),
        ] {
            assert_eq!(of(&format!(r#"{{"k":"{text}"}}"#)).unwrap()["k"], expected, "{text}");
            assert!(of(&format!(r#"{{"{text}":1}}"#)).unwrap().contains_key(expected), "{text}");
        }
        for text in [r#"{"k":"\ud800}"#, r#"{"k":"\ud80"}"#, r#"{"k":"\ud800\"}"#, "{\\ud800}", "\\é\\"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn only_objects_and_null_are_metadata() {
        for text in ["", "1", "[1]", "{", "{} {}"] {
            assert_eq!(carried("aws.xray.metadata.a", &Value::String(text)), None, "{text}");
        }
        assert_eq!(carried("aws.xray.metadata.a", &Value::String("null")), Some(("a", None)));
        assert_eq!(carried("aws.xray.metadata", &Value::String("{}")), None);
    }
}
