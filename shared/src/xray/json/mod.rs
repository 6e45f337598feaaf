//! JSON text, written straight into memory: most of what a document costs is this.
//!
//! Compact, in the form that the OpenTelemetry exporter's documents have; keys in the order in which they are given.

mod native;
mod number;
mod text;

use std::borrow::Cow;

use serde_json::Value;

pub(super) use native::{Native, NativeMap, as_text, sort_keep_last};

/// What can be written as JSON.
pub(super) trait Json {
    /// Appends it to `out`.
    fn write(&self, out: &mut String);
}

/// `value` as JSON.
pub(super) fn json(value: &(impl Json + ?Sized)) -> String {
    let mut out = String::new();
    value.write(&mut out);
    out
}

/// The bytes of `value` as JSON.
pub(super) fn length(value: &(impl Json + ?Sized)) -> usize {
    json(value).len()
}

/// What is JSON already, to be copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a>(pub(super) &'a str);

impl Json for Raw<'_> {
    fn write(&self, out: &mut String) {
        out.push_str(self.0);
    }
}

/// An object on its way.
pub(super) struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut String) -> Self {
        out.push('{');
        Self::open(out)
    }

    /// Without its brackets, to be copied into other objects.
    pub(super) fn open(out: &'o mut String) -> Self {
        Self { out, is_empty: true }
    }

    /// A field whose name needs no escape.
    #[inline]
    pub(super) fn field(&mut self, name: &'static str, value: &(impl Json + ?Sized)) -> &mut Self {
        self.comma();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
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
        self.out.push(':');
        value.write(self.out);
        self
    }

    /// Entries that are JSON already: all between the brackets of an object. There has to be one at least.
    pub(super) fn entries(&mut self, json: &str) -> &mut Self {
        self.comma();
        self.out.push_str(json);
        self
    }

    pub(super) fn end(&mut self) {
        self.out.push('}');
    }

    #[inline]
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(',');
        }
    }
}

/// A list of them.
fn write_list<T: Json>(items: impl Iterator<Item = T>, out: &mut String) {
    out.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        item.write(out);
    }
    out.push(']');
}

impl<T: Json + ?Sized> Json for &T {
    #[inline]
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut String) {
        self.as_slice().write(out);
    }
}

impl<T: Json> Json for [T] {
    fn write(&self, out: &mut String) {
        write_list(self.iter(), out);
    }
}

/// None is null.
impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl Json for str {
    #[inline]
    fn write(&self, out: &mut String) {
        text::write(self, out);
    }
}

impl Json for Cow<'_, str> {
    #[inline]
    fn write(&self, out: &mut String) {
        text::write(self, out);
    }
}

impl Json for bool {
    #[inline]
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl Json for i64 {
    fn write(&self, out: &mut String) {
        number::write_int(*self, out);
    }
}

impl Json for u64 {
    fn write(&self, out: &mut String) {
        number::write_int(*self, out);
    }
}

impl Json for f64 {
    fn write(&self, out: &mut String) {
        number::write(*self, out);
    }
}

/// JSON that came as such. Its real numbers get the form that all have here.
impl Json for Value {
    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(bool) => bool.write(out),
            Self::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(double) => double.write(out),
                None => out.push_str(&number.to_string()),
            },
            Self::String(text) => text.as_str().write(out),
            Self::Array(values) => values.as_slice().write(out),
            Self::Object(entries) => entries.write(out),
        }
    }
}

impl Json for serde_json::Map<String, Value> {
    fn write(&self, out: &mut String) {
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
        let mut out = String::new();
        let mut object = Object::begin(&mut out);
        object
            .field("a", "x")
            .some("b", Some(&7_i64))
            .some("c", None::<&str>)
            .entry("\"", &[true, false][..]);
        object.entries(r#""d":1,"e":2"#).field("f", &None::<bool>).end();
        assert_eq!(out, r#"{"a":"x","b":7,"\"":[true,false],"d":1,"e":2,"f":null}"#);
        let mut out = String::new();
        Object::begin(&mut out).end();
        assert_eq!(out, "{}");
    }

    #[test]
    fn json_that_came_as_such_stays_what_it_is_but_for_real_numbers() {
        let given = r#"{"b":[null,true,{"k":"\u0001é\""}],"a":[1.0,1e-7,-3,18446744073709551615,1e300]}"#;
        let value: Value = serde_json::from_str(given).unwrap();
        let want = r#"{"a":[1,1e-7,-3,18446744073709551615,1e300],"b":[null,true,{"k":"\u0001é\""}]}"#;
        assert_eq!(json(&value), want);
        assert_eq!(length(&value), want.len());
    }
}
