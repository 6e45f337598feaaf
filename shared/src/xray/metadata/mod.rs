//! Metadata: what X-Ray keeps with a document and does not index.

mod carried;
mod shorten;

use std::borrow::Cow;

use super::annotations::ResourceAttributes;
use super::json::{Json, Native, Object, Written};
use crate::otlp::view::values::Value;

pub(super) use carried::carried;

/// Before the keys of a resource's attributes.
pub(super) const RESOURCE: &str = "otel.resource.";

/// The namespace in which Siphon says what it changed: under `truncated` where, and under the name of a field that
/// was cut the whole text.
const SIPHON: &str = "siphon";
const TRUNCATED: &str = "truncated";
/// Places that are named; more are counted.
const MOST_NAMED: usize = 32;

pub(super) type JsonObject = serde_json::Map<String, serde_json::Value>;

/// Kept values by namespace.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    /// Written if it ever held an entry.
    default: Option<Vec<(Cow<'a, str>, Entry<'a>)>>,
    others: Vec<(&'a str, Option<JsonObject>)>,
    /// What Siphon itself has to say; seldom anything.
    siphon: JsonObject,
}

/// A value of the default namespace.
pub(super) enum Entry<'a> {
    Attribute(&'a Value<'a>),
    Json(serde_json::Value),
    /// What is written already.
    Written(&'a Written),
    /// Under the key [`RESOURCE`]: not one entry, but all that the resource has, each under its own key.
    Resource(&'a ResourceAttributes<'a>),
}

impl<'a> Metadata<'a> {
    /// `default` and `others` by key, each key once.
    pub(super) fn new(
        default: Vec<(Cow<'a, str>, Entry<'a>)>,
        others: Vec<(&'a str, Option<JsonObject>)>,
    ) -> Self {
        let default = (!default.is_empty()).then_some(default);
        Self { default, others, siphon: JsonObject::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.default.is_none() && self.others.is_empty() && self.siphon.is_empty()
    }

    /// Makes the resource's entries ones of their own, as whoever takes something from them needs it.
    fn part_resource(&mut self) {
        let Some(entries) = &mut self.default else { return };
        let resource = entries.iter().enumerate().find_map(|(at, (_, entry))| match entry {
            Entry::Resource(resource) => Some((at, *resource)),
            _ => None,
        });
        if let Some((at, resource)) = resource {
            entries.splice(at..=at, resource.entries());
        }
    }

    /// Leaves what the resource tells. A namespace that loses all of its entries stays, empty.
    pub(super) fn keep_resource(&mut self) {
        if let Some(entries) = &mut self.default {
            entries.retain(|(key, _)| key.starts_with(RESOURCE));
        }
        for entries in self.others.iter_mut().filter_map(|(_, entries)| entries.as_mut()) {
            entries.retain(|key, _| key.starts_with(RESOURCE));
        }
    }

    /// Keeps the whole `value` of a field of which the document has but a part, or nothing.
    pub(super) fn keep_whole(&mut self, field: &str, value: serde_json::Value) {
        self.siphon().insert(field.to_owned(), value);
        self.mark(field);
    }

    /// Notes that something is missing at `place`.
    pub(super) fn mark(&mut self, place: &str) {
        let places = self.siphon().entry(TRUNCATED).or_insert_with(|| serde_json::Value::Array(Vec::new()));
        match places {
            serde_json::Value::Array(places) if places.iter().any(|known| known == place) => {}
            serde_json::Value::Array(places) if places.len() < MOST_NAMED => places.push(place.into()),
            _ => {
                let more = self.siphon().entry("truncated_more").or_insert_with(|| 0.into());
                *more = more.as_u64().unwrap_or(0).saturating_add(1).into();
            }
        }
    }

    /// Siphon's own namespace. Should a span's JSON metadata use it too, they share it.
    fn siphon(&mut self) -> &mut JsonObject {
        if self.siphon.is_empty()
            && let Some(at) = self.others.iter().position(|(namespace, _)| *namespace == SIPHON)
        {
            self.siphon = self.others.remove(at).1.unwrap_or_default();
            self.siphon.remove(TRUNCATED);
        }
        &mut self.siphon
    }
}

impl Json for Metadata<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        if let Some(default) = &self.default {
            object.field("default", &Entries(default));
        }
        for (namespace, entries) in &self.others {
            object.entry(namespace, entries);
        }
        if !self.siphon.is_empty() {
            object.field(SIPHON, &self.siphon);
        }
        object.end();
    }
}

struct Entries<'s, 'a>(&'s [(Cow<'a, str>, Entry<'a>)]);

impl Json for Entries<'_, '_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        for (key, entry) in self.0 {
            match entry {
                Entry::Resource(resource) => object.entries(resource.metadata()),
                entry => object.entry(key, entry),
            };
        }
        object.end();
    }
}

impl Json for Entry<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Attribute(value) => Native(Some(value)).write(out),
            Self::Json(value) => value.write(out),
            Self::Written(written) => written.write(out),
            Self::Resource(resource) => Object::begin(out).entries(resource.metadata()).end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::json as text;
    use super::*;
    use serde_json::json;

    #[test]
    fn siphon_shares_its_namespace_with_a_span_that_uses_it() {
        let theirs = json!({"own": 1, "truncated": "theirs", "url": "theirs"});
        let theirs = theirs.as_object().cloned();
        let mut metadata = Metadata::new(Vec::new(), vec![("a", None), (SIPHON, theirs), ("z", None)]);
        metadata.keep_whole("url", "whole".into());
        metadata.mark("links");
        metadata.mark("links");
        let siphon = r#"{"own":1,"truncated":["url","links"],"url":"whole"}"#;
        assert_eq!(text(&metadata), format!(r#"{{"a":null,"z":null,"siphon":{siphon}}}"#));
    }

    #[test]
    fn so_many_places_are_named_and_the_rest_is_counted() {
        let mut metadata = Metadata::default();
        for place in 0..MOST_NAMED + 3 {
            metadata.mark(&place.to_string());
        }
        let json: serde_json::Value = serde_json::from_str(&text(&metadata)).unwrap();
        assert_eq!(json["siphon"]["truncated"].as_array().map(Vec::len), Some(MOST_NAMED));
        assert_eq!(json["siphon"]["truncated_more"], 3);
    }
}
