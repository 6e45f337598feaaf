//! JSON text: numbers in the exporter's form, attribute values in their native form.

use std::borrow::Cow;
use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::RawValue;

use crate::otlp::{AnyValue, KeyValue, Value};

/// Appends `value` as compact JSON.
/// # Errors
/// If `value` can't be JSON, such as a map whose keys are no text.
pub(super) fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Numbers))
}

/// `value` as JSON written once, to be copied into many documents. None if it can't be JSON.
pub(super) fn raw<T: Serialize>(value: &T) -> Option<Box<RawValue>> {
    let mut out = Vec::new();
    write(&mut out, value).ok()?;
    RawValue::from_string(String::from_utf8(out).ok()?).ok()
}

/// The bytes of `value` as JSON; none if it can't be JSON.
pub(super) fn length<T: Serialize>(value: &T) -> usize {
    let mut counted = Counted(0);
    match value.serialize(&mut serde_json::Serializer::with_formatter(&mut counted, Numbers)) {
        Ok(()) => counted.0,
        Err(_) => 0,
    }
}

/// Counts what is written, and forgets it.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) fn text<T: Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    write(&mut out, value).unwrap();
    assert_eq!(length(value), out.len());
    String::from_utf8(out).unwrap()
}

/// Writes whole doubles as whole numbers (`3`, not `3.0`) and uses an exponent only below 1e-6 and from 1e21 on:
/// the form that the OpenTelemetry exporter's documents have.
struct Numbers;

impl Formatter for Numbers {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            if !(1e-5..1e16).contains(&size) {
                return write!(writer, "{value}");
            }
            // Where both forms are alike but for `.0`, the faster one.
            let mut digits = [0; 32];
            let mut rest = digits.as_mut_slice();
            CompactFormatter.write_f64(&mut rest, value)?;
            let free = rest.len();
            let digits = digits.get(..digits.len() - free).unwrap_or_default();
            writer.write_all(digits.strip_suffix(b".0").unwrap_or(digits))
        } else {
            write!(writer, "{value:e}")
        }
    }
}

/// An attribute's value in its native JSON form; bytes are base64, an absent value is null.
///
/// JSON has no NaN and no infinity: these are written as text, so that they cost neither the span nor themselves.
pub(super) struct Native<'a>(pub(super) Option<&'a Value>);

impl Serialize for Native<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_unit(),
            Some(Value::String(text)) => serializer.serialize_str(text),
            Some(Value::Bool(bool)) => serializer.serialize_bool(*bool),
            Some(Value::Int(int)) => serializer.serialize_i64(*int),
            Some(Value::Double(double)) => match not_a_number(*double) {
                Some(text) => serializer.serialize_str(text),
                None => serializer.serialize_f64(*double),
            },
            Some(Value::Array(array)) => serializer.collect_seq(array.values.iter().map(item)),
            Some(Value::Map(map)) => NativeMap(&map.values).serialize(serializer),
            Some(Value::Bytes(bytes)) => serializer.serialize_str(&base64(bytes)),
        }
    }
}

fn item(value: &AnyValue) -> Native<'_> {
    Native(value.value.as_ref())
}

fn not_a_number(double: f64) -> Option<&'static str> {
    match double {
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => double.is_nan().then_some("NaN"),
    }
}

/// A value of any type as text: a text as it is, anything else as its JSON.
pub(super) fn as_text(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        other => raw(&Native(other)).map_or(Cow::Borrowed(""), |json| Cow::Owned(json.get().to_owned())),
    }
}

/// Attributes as one JSON object: keys sorted, of repeated keys the last.
pub(super) struct NativeMap<'a>(pub(super) &'a [KeyValue]);

impl Serialize for NativeMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs: Vec<(&str, &KeyValue)> = self.0.iter().map(|pair| (pair.key.as_str(), pair)).collect();
        sort_keep_last(&mut pairs);
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (key, pair) in pairs {
            map.serialize_entry(key, &Native(pair.value()))?;
        }
        map.end()
    }
}

/// Sorts by key and keeps, of entries with the same key, the last.
pub(super) fn sort_keep_last<K: Ord, V>(entries: &mut Vec<(K, V)>) {
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
    use super::super::attributes::tests::{IntoValue, pair};
    use super::*;
    use crate::otlp::{ArrayValue, KeyValueList};

    #[test]
    fn doubles_have_the_exporters_form() {
        for (double, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (1_795_400_000.249_999_8, "1795400000.2499998"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1.5e20, "150000000000000000000"),
            (1e21, "1e21"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            assert_eq!(text(&double), expected);
        }
    }

    #[test]
    fn values_keep_their_type() {
        let list = |values: Vec<Value>| {
            let values = values.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
            Value::Array(ArrayValue { values })
        };
        let map = Value::Map(KeyValueList { values: vec![pair("b", 1), pair("a", "x"), pair("b", true)] });
        for (value, expected) in [
            ("a\"<".into_value(), r#""a\"<""#),
            (7.into_value(), "7"),
            (i64::MIN.into_value(), "-9223372036854775808"),
            (0.5.into_value(), "0.5"),
            (f64::NAN.into_value(), r#""NaN""#),
            (f64::NEG_INFINITY.into_value(), r#""-Infinity""#),
            (Value::Bytes(vec![0, 1]), r#""AAE=""#),
            (list(vec![1.into_value(), "x".into_value(), list(vec![])]), r#"[1,"x",[]]"#),
            (map, r#"{"a":"x","b":true}"#),
        ] {
            assert_eq!(text(&Native(Some(&value))), expected);
        }
        assert_eq!(text(&Native(None)), "null");
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
