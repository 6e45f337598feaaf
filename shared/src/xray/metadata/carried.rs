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
    let mut object: Option<JsonObject> = serde_json::from_str(text).ok()?;
    object.iter_mut().flat_map(JsonObject::values_mut).for_each(round);
    Some((namespace, object))
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
    fn only_objects_and_null_are_metadata() {
        for text in ["", "1", "[1]", "{", "{} {}"] {
            assert_eq!(carried("aws.xray.metadata.a", &Value::String(text)), None, "{text}");
        }
        assert_eq!(carried("aws.xray.metadata.a", &Value::String("null")), Some(("a", None)));
        assert_eq!(carried("aws.xray.metadata", &Value::String("{}")), None);
    }
}
