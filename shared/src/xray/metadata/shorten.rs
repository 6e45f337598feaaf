//! What of the metadata goes when a document is too large: first the ends of long texts, then whole entries.

use serde_json::Value as Json;

use super::super::json::{json, length};
use super::super::shorten::{cut, largest, place};
use super::{Entry, JsonObject, Metadata, TRUNCATED};
use crate::otlp::view::values::Value;

impl Metadata<'_> {
    /// Cuts every text of more than `most` characters, at any depth. False if there is none.
    pub(in super::super) fn cut_texts(&mut self, most: usize) -> bool {
        self.part_resource();
        let mut places = Vec::new();
        for (key, entry) in self.default.iter_mut().flatten() {
            if length(entry) > most && entry.cut_texts(most) {
                places.push(place("metadata.default.", key));
            }
        }
        for (namespace, object) in &mut self.others {
            if object.as_mut().is_some_and(|object| cut_object(object, most)) {
                places.push(place("metadata.", namespace));
            }
        }
        for (key, value) in self.siphon.iter_mut().filter(|(key, _)| *key != TRUNCATED) {
            if cut_json(value, most) {
                places.push(place("metadata.siphon.", key));
            }
        }
        self.mark_all(&places)
    }

    /// Takes out the largest entries, as many as free `bytes`, but none under `least` bytes: an entry of the default
    /// namespace or of Siphon's, or another namespace as a whole. False if there is none.
    pub(in super::super) fn drop_largest(&mut self, bytes: usize, least: usize) -> bool {
        self.part_resource();
        let Self { default, others, siphon } = self;
        let default = default.get_or_insert_default();
        let own = |key: &str| key != TRUNCATED && key != "truncated_more";
        let sizes = default.iter().map(|(key, entry)| length(key) + length(entry));
        let sizes =
            sizes.chain(others.iter().map(|(namespace, entries)| length(*namespace) + length(entries)));
        let siphons = siphon.iter().filter(|(key, _)| own(key));
        let sizes = sizes.chain(siphons.map(|(key, value)| length(key.as_str()) + length(value)));
        let mut goes = largest(sizes, bytes, least).into_iter();
        let mut places = Vec::new();
        let mut keep = |namespace, key: &str| {
            let goes = goes.next().unwrap_or(false);
            if goes {
                places.push(place(namespace, key));
            }
            !goes
        };
        default.retain(|(key, _)| keep("metadata.default.", key));
        others.retain(|(namespace, _)| keep("metadata.", namespace));
        siphon.retain(|key, _| !own(key) || keep("metadata.siphon.", key));
        self.mark_all(&places)
    }

    fn mark_all(&mut self, places: &[String]) -> bool {
        for place in places {
            self.mark(place);
        }
        !places.is_empty()
    }
}

impl Entry<'_> {
    fn cut_texts(&mut self, most: usize) -> bool {
        let short = match self {
            Self::Attribute(Value::String(text)) => {
                cut(text, most).map(|short| Json::String(short.to_owned()))
            }
            _ => self.as_json().and_then(|mut json| cut_json(&mut json, most).then_some(json)),
        };
        let is_cut = short.is_some();
        if let Some(short) = short {
            *self = Self::Json(short);
        }
        is_cut
    }

    fn as_json(&self) -> Option<Json> {
        serde_json::from_str(&json(self)).ok()
    }
}

fn cut_json(json: &mut Json, most: usize) -> bool {
    match json {
        Json::String(text) => match cut(text, most).map(str::len) {
            Some(end) => {
                text.truncate(end);
                true
            }
            None => false,
        },
        Json::Array(values) => cut_all(values.iter_mut(), most),
        Json::Object(object) => cut_object(object, most),
        _ => false,
    }
}

fn cut_object(object: &mut JsonObject, most: usize) -> bool {
    cut_all(object.values_mut(), most)
}

fn cut_all<'a>(values: impl Iterator<Item = &'a mut Json>, most: usize) -> bool {
    let mut any = false;
    for value in values {
        any |= cut_json(value, most);
    }
    any
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::super::json::json as text;
    use super::*;
    use serde_json::json;

    fn metadata(default: &'static [(&'static str, &'static str)]) -> Metadata<'static> {
        let entry = |(key, json): &(&'static str, &str)| {
            (Cow::Borrowed(*key), Entry::Json(serde_json::from_str(json).unwrap()))
        };
        Metadata::new(default.iter().map(entry).collect(), Vec::new())
    }

    #[test]
    fn texts_are_cut_at_any_depth_between_characters() {
        let mut metadata = metadata(&[
            ("a", r#""éééé""#),
            ("b", r#"[1.5,["1234"],{"k":"12345","n":null}]"#),
            ("c", r#"[1111,"123"]"#),
        ]);
        assert!(metadata.cut_texts(3));
        let default = r#"{"a":"ééé","b":[1.5,["123"],{"k":"123","n":null}],"c":[1111,"123"]}"#;
        let siphon = r#"{"truncated":["metadata.default.a","metadata.default.b"]}"#;
        assert_eq!(text(&metadata), format!(r#"{{"default":{default},"siphon":{siphon}}}"#));
        assert!(!metadata.cut_texts(3), "there is nothing left to cut");
    }

    #[test]
    fn the_largest_entries_go_first_and_no_more_than_needed() {
        let mut metadata = metadata(&[("a", r#""1234567890""#), ("b", "1"), ("c", r#""123456789""#)]);
        metadata.others.push(("other", json!({"k": "1234567890"}).as_object().cloned()));
        metadata.keep_whole("url", "12345678901234567890".into());
        assert!(!metadata.drop_largest(30, 40));
        assert!(metadata.drop_largest(30, 3));
        let kept = r#"{"default":{"a":"1234567890","b":1,"c":"123456789"},"siphon":"#;
        let marks = r#"{"truncated":["url","metadata.other","metadata.siphon.url"]}}"#;
        assert_eq!(text(&metadata), format!("{kept}{marks}"));
        assert!(metadata.drop_largest(1000, 0) && !metadata.drop_largest(1000, 0));
        let json: Json = serde_json::from_str(&text(&metadata)).unwrap();
        assert_eq!(json["default"], json!({}));
        assert_eq!(json["siphon"]["truncated"].as_array().unwrap().len(), 6);
    }
}
