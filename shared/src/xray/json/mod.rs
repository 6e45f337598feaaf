//! JSON text, written straight into memory: most of what a document costs is this.
//!
//! Compact, in the form that the OpenTelemetry exporter's documents have; keys in the order in which they are given.
//!
//! In a call to X-Ray a document is a text within JSON: its quotes and backslashes have a backslash before them. All is
//! written in this form at once, for to escape a document afterwards costs as much as to write it.

mod native;
mod number;
mod text;

use std::borrow::Cow;

use serde_json::Value;

use text::QUOTE;

pub(super) use text::within_text;

pub(super) use native::{Native, NativeMap, as_text, sort_keep_last};

/// What can be written as JSON.
pub(super) trait Json {
    /// Appends it to `out`.
    fn write(&self, out: &mut Vec<u8>);
}

/// `value` as JSON, by itself.
pub(super) fn json(value: &(impl Json + ?Sized)) -> String {
    plain(&Written::of(value).0)
}

/// The bytes of `value` as JSON, by itself.
pub(super) fn length(value: &(impl Json + ?Sized)) -> usize {
    plain_length(&Written::of(value).0)
}

/// What was written, as JSON by itself.
pub(super) fn plain(written: &[u8]) -> String {
    let mut plain = Vec::with_capacity(written.len());
    let mut bytes = written.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().map_or(byte, text::unescaped) } else { byte });
    }
    String::from_utf8(plain).unwrap_or_default() // never another: whole texts and ASCII are all that is written
}

/// The bytes of what was written, as JSON by itself.
pub(super) fn plain_length(written: &[u8]) -> usize {
    let mut bytes = written.iter();
    let mut length = 0;
    while let Some(byte) = bytes.next() {
        length += 1;
        if *byte == b'\\' {
            bytes.next();
        }
    }
    length
}

/// What is written already, to be copied.
#[derive(Clone, Debug)]
pub(super) struct Written(Vec<u8>);

impl Written {
    pub(super) fn of(value: &(impl Json + ?Sized)) -> Self {
        let mut out = Vec::new();
        value.write(&mut out);
        Self(out)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Json for Written {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// An object on its way.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self::open(out)
    }

    /// Without its brackets, to be copied into other objects.
    pub(super) fn open(out: &'o mut Vec<u8>) -> Self {
        Self { out, is_empty: true }
    }

    /// A field whose name needs no escape.
    #[inline]
    pub(super) fn field(&mut self, name: &'static str, value: &(impl Json + ?Sized)) -> &mut Self {
        self.comma();
        self.out.extend_from_slice(QUOTE);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\\\":");
        value.write(self.out);
        self
    }

    /// The same, if there is a value.
    #[inline]
    pub(super) fn some(&mut self, name: &'static str, value: Option<&(impl Json + ?Sized)>) -> &mut Self {
        if let Some(value) = value {
            self.field(name, value);
        }
        self
    }

    /// An entry with any key.
    pub(super) fn entry(&mut self, key: &str, value: &(impl Json + ?Sized)) -> &mut Self {
        self.comma();
        text::write(key, self.out);
        self.out.push(b':');
        value.write(self.out);
        self
    }

    /// Entries that are written already: all between the brackets of an object. There has to be one at least.
    pub(super) fn entries(&mut self, written: &[u8]) -> &mut Self {
        self.comma();
        self.out.extend_from_slice(written);
        self
    }

    pub(super) fn end(&mut self) {
        self.out.push(b'}');
    }

    #[inline]
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
    }
}

/// A list of them.
fn write_list<T: Json>(items: impl Iterator<Item = T>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        item.write(out);
    }
    out.push(b']');
}

impl<T: Json + ?Sized> Json for &T {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_slice().write(out);
    }
}

impl<T: Json> Json for [T] {
    fn write(&self, out: &mut Vec<u8>) {
        write_list(self.iter(), out);
    }
}

/// None is null.
impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl Json for str {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        text::write(self, out);
    }
}

impl Json for Cow<'_, str> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        text::write(self, out);
    }
}

impl Json for bool {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Json for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        number::write_int(*self, out);
    }
}

impl Json for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        number::write_unsigned(*self, out);
    }
}

impl Json for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        number::write(*self, out);
    }
}

/// JSON that came as such. Its real numbers get the form that all have here.
impl Json for Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(bool) => bool.write(out),
            Self::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(double) => double.write(out),
                None => out.extend_from_slice(number.to_string().as_bytes()),
            },
            Self::String(text) => text.as_str().write(out),
            Self::Array(values) => values.as_slice().write(out),
            Self::Object(entries) => entries.write(out),
        }
    }
}

impl Json for serde_json::Map<String, Value> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        for (key, value) in self {
            object.entry(key, value);
        }
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_lists_are_compact() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object
            .field("a", "x")
            .some("b", Some(&7_i64))
            .some("c", None::<&str>)
            .entry("\"", &[true, false][..]);
        object.entries(br#"\"d\":1"#).field("f", &None::<bool>).end();
        assert_eq!(plain(&out), r#"{"a":"x","b":7,"\"":[true,false],"d":1,"f":null}"#);
        assert_eq!(plain_length(&out), plain(&out).len());
        let quoted = serde_json::to_string(&plain(&out)).unwrap();
        assert_eq!(str::from_utf8(&out), Ok(quoted.trim_matches('"')), "as it is within other JSON");
        let mut out = Vec::new();
        Object::begin(&mut out).end();
        assert_eq!(out, b"{}");
    }

    #[test]
    fn json_that_came_as_such_stays_what_it_is_but_for_real_numbers() {
        let given = r#"{"b":[null,true,{"k":"\u0001é\""}],"a":[1.0,1e-7,-3,18446744073709551615,1e300]}"#;
        let value: Value = serde_json::from_str(given).unwrap();
        let want = r#"{"a":[1,1e-7,-3,18446744073709551615,1e+300],"b":[null,true,{"k":"\u0001é\""}]}"#;
        assert_eq!(json(&value), want);
        assert_eq!(length(&value), want.len());
    }
}
