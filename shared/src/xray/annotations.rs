//! What is left of the attributes: annotations, which X-Ray indexes, and metadata, which it only keeps.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::Options;
use super::json::{Native, raw, sort_keep_last};
use crate::otlp::{KeyValue, Value};

/// Before the keys of a resource's attributes.
const RESOURCE: &str = "otel.resource.";
/// Before the namespace in the key of an attribute that carries metadata as JSON.
const METADATA: &str = "aws.xray.metadata.";

type JsonObject = serde_json::Map<String, serde_json::Value>;

/// Of each key the value, if it has one.
pub(super) type Leftover<'a> = Vec<(&'a str, Option<&'a Value>)>;

/// Whose keys are annotations.
pub(super) struct Index<'s> {
    pub(super) options: &'s Options,
    /// The keys that the span itself asks for.
    pub(super) asked: Vec<&'s str>,
}

impl Index<'_> {
    fn has(&self, key: &str) -> bool {
        self.options.index_all || self.options.indexed_attributes.contains(key) || self.asked.contains(&key)
    }
}

/// An attribute of the resource, as every segment carries it.
#[derive(Debug)]
pub(super) struct ResourceAttribute<'a> {
    key: String,
    value: &'a Value,
    json: Box<RawValue>,
}

impl<'a> ResourceAttribute<'a> {
    /// The attributes of a resource, sorted; those without value are left out.
    pub(super) fn all(resource: &'a [KeyValue]) -> Vec<Self> {
        let mut pairs: Leftover<'a> = resource.iter().map(|pair| (pair.key.as_str(), pair.value())).collect();
        sort_keep_last(&mut pairs);
        let attribute = |(key, value): (&str, Option<&'a Value>)| {
            let value = value?;
            Some(Self { key: format!("{RESOURCE}{key}"), value, json: raw(&Native(Some(value)))? })
        };
        pairs.into_iter().filter_map(attribute).collect()
    }
}

/// Indexed values. Of keys that become the same by cleaning, the last in the order of the alphabet counts.
#[derive(Default)]
pub(super) struct Annotations<'a>(Vec<(Cow<'a, str>, Native<'a>)>);

impl Annotations<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Kept values by namespace.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    /// Written if it ever held an entry.
    default: Option<Vec<(Cow<'a, str>, Entry<'a>)>>,
    others: Vec<(&'a str, Option<JsonObject>)>,
}

impl Metadata<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.default.is_none() && self.others.is_empty()
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
}

enum Entry<'a> {
    Attribute(&'a Value),
    Resource(&'a RawValue),
    Json(serde_json::Value),
}

/// Sorts out what is left of a span's attributes and, for a segment, those of its resource.
///
/// Where entries of the default namespace have one key, the span's attribute outranks what JSON metadata carries,
/// and that the resource's.
pub(super) fn sort_out<'a>(
    mut leftover: Leftover<'a>,
    resource: &'a [ResourceAttribute<'a>],
    index: &Index<'_>,
) -> (Annotations<'a>, Metadata<'a>) {
    sort_keep_last(&mut leftover);
    let mut sorted = Sorted::default();
    sorted.default.reserve(resource.len() + leftover.len());
    for attribute in resource {
        sorted.take_resources(attribute, index);
    }
    let own = sorted.default.len();
    for (key, value) in leftover {
        if let Some(value) = value {
            sorted.take(key, value, index);
        }
    }
    sorted.default.splice(own..own, sorted.json);
    sort_keep_last(&mut sorted.default);
    sort_keep_last(&mut sorted.annotations);
    let default = (!sorted.default.is_empty()).then_some(sorted.default);
    (Annotations(sorted.annotations), Metadata { default, others: sorted.others })
}

/// Attributes by where they go.
#[derive(Default)]
struct Sorted<'a> {
    annotations: Vec<(Cow<'a, str>, Native<'a>)>,
    default: Vec<(Cow<'a, str>, Entry<'a>)>,
    /// What JSON metadata adds to the default namespace.
    json: Vec<(Cow<'a, str>, Entry<'a>)>,
    others: Vec<(&'a str, Option<JsonObject>)>,
}

impl<'a> Sorted<'a> {
    fn take_resources(&mut self, attribute: &'a ResourceAttribute<'a>, index: &Index<'_>) {
        if is_scalar(attribute.value) && index.has(&attribute.key) {
            self.annotations.push((annotation_key(&attribute.key), Native(Some(attribute.value))));
        } else {
            self.default.push((Cow::Borrowed(attribute.key.as_str()), Entry::Resource(&attribute.json)));
        }
    }

    fn take(&mut self, key: &'a str, value: &'a Value, index: &Index<'_>) {
        if index.has(key) {
            if is_scalar(value) {
                self.annotations.push((annotation_key(key), Native(Some(value))));
            }
        } else if let Some((namespace, object)) = json_metadata(key, value) {
            if namespace.eq_ignore_ascii_case("default") {
                let entries = object.into_iter().flatten();
                self.json.extend(entries.map(|(key, value)| (Cow::Owned(key), Entry::Json(value))));
            } else {
                self.others.push((namespace, object));
            }
        } else {
            self.default.push((Cow::Borrowed(key), Entry::Attribute(value)));
        }
    }
}

/// The namespace and the object that `aws.xray.metadata.NAMESPACE` carries as text, or null. An attribute whose text
/// is neither is like any other.
fn json_metadata<'a>(key: &'a str, value: &Value) -> Option<(&'a str, Option<JsonObject>)> {
    let namespace = key.strip_prefix(METADATA)?;
    let Value::String(text) = value else { return None };
    Some((namespace, serde_json::from_str(text).ok()?))
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Int(_) | Value::Double(_) | Value::Bool(_))
}

/// Digits, letters and dots; every other character becomes `_`.
fn annotation_key(key: &str) -> Cow<'_, str> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || char == '.';
    if key.chars().all(allowed) {
        return key.into();
    }
    key.chars().map(|char| if allowed(char) { char } else { '_' }).collect::<String>().into()
}

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(default) = &self.default {
            map.serialize_entry("default", &Entries(default))?;
        }
        for (namespace, entries) in &self.others {
            map.serialize_entry(namespace, entries)?;
        }
        map.end()
    }
}

struct Entries<'s, 'a>(&'s [(Cow<'a, str>, Entry<'a>)]);

impl Serialize for Entries<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, entry)| (key, entry)))
    }
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Attribute(value) => Native(Some(value)).serialize(serializer),
            Self::Resource(json) => json.serialize(serializer),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::pair;
    use super::super::json::write;
    use super::*;

    fn text<T: Serialize>(value: &T) -> String {
        let mut out = Vec::new();
        write(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn sorted(
        span: &[KeyValue],
        resource: &[KeyValue],
        options: &Options,
        asked: &[&str],
    ) -> (String, String) {
        let leftover = span.iter().map(|pair| (pair.key.as_str(), pair.value())).collect();
        let resource = ResourceAttribute::all(resource);
        let (annotations, metadata) =
            sort_out(leftover, &resource, &Index { options, asked: asked.to_vec() });
        (text(&annotations), text(&metadata))
    }

    fn options(indexed: &[&str], index_all: bool) -> Options {
        let indexed_attributes = indexed.iter().map(ToString::to_string).collect();
        Options { indexed_attributes, index_all, ..Options::default() }
    }

    #[test]
    fn nothing_is_indexed_unless_asked_for() {
        let span = [pair("b", 1), pair("a-b", "x"), pair("list", vec!["y"])];
        let resource = [pair("tier", "gold"), pair("zones", vec!["z"])];
        let all = r#"{"default":{"a-b":"x","b":1,"list":["y"],"otel.resource.tier":"gold","otel.resource.zones":["z"]}}"#;
        assert_eq!(sorted(&span, &resource, &options(&[], false), &[]), ("{}".into(), all.into()));
        assert_eq!(sorted(&[], &[], &options(&[], false), &[]), ("{}".into(), "{}".into()));
    }

    #[test]
    fn settings_and_the_span_choose_what_is_indexed() {
        let span = [pair("b", 1), pair("a-b", "x"), pair("list", vec!["y"])];
        let resource = [pair("tier", "gold"), pair("zones", vec!["z"])];
        let annotations = r#"{"a_b":"x","otel.resource.tier":"gold"}"#;
        let metadata = r#"{"default":{"b":1,"otel.resource.zones":["z"]}}"#;
        let expected = (annotations.to_owned(), metadata.to_owned());
        let keys = ["a-b", "list", "tier", "otel.resource.tier", "otel.resource.zones"];
        assert_eq!(sorted(&span, &resource, &options(&keys, false), &[]), expected);
        assert_eq!(sorted(&span, &resource, &options(&[], false), &keys), expected);
        let annotations = r#"{"a_b":"x","b":1,"otel.resource.tier":"gold"}"#;
        let expected = (annotations.to_owned(), r#"{"default":{"otel.resource.zones":["z"]}}"#.to_owned());
        assert_eq!(sorted(&span, &resource, &options(&[], true), &[]), expected);
    }

    #[test]
    fn metadata_may_be_json_text_by_namespace() {
        let span = [
            pair("aws.xray.metadata.shop", r#"{"n":1.0,"m":{"k":[null]}}"#),
            pair("aws.xray.metadata.none", "null"),
            pair("aws.xray.metadata.Default", r#"{"own":"json","x":2,"otel.resource.tier":"json"}"#),
            pair("aws.xray.metadata.default", "null"),
            pair("aws.xray.metadata.bad", "[1]"),
            pair("aws.xray.metadata.int", 7),
            pair("own", "attribute"),
        ];
        let default = concat!(
            r#"{"aws.xray.metadata.bad":"[1]","aws.xray.metadata.int":7,"#,
            r#""otel.resource.tier":"json","own":"attribute","x":2}"#
        );
        let expected = format!(r#"{{"default":{default},"none":null,"shop":{{"m":{{"k":[null]}},"n":1}}}}"#);
        let (annotations, metadata) = sorted(&span, &[pair("tier", "gold")], &Options::default(), &[]);
        assert_eq!((annotations.as_str(), metadata), ("{}", expected));
    }

    #[test]
    fn repeated_and_empty_attributes_leave_one_or_none() {
        let empty = KeyValue { key: "empty".into(), value: None };
        let span = [pair("a", 1), pair("a", 2), empty.clone(), pair("a b", 3), pair("a-b", 4)];
        let metadata = sorted(&span, std::slice::from_ref(&empty), &Options::default(), &[]).1;
        assert_eq!(metadata, r#"{"default":{"a":2,"a b":3,"a-b":4}}"#);
        assert_eq!(sorted(&span, &[], &options(&[], true), &[]).0, r#"{"a":2,"a_b":4}"#);
    }

    #[test]
    fn only_the_resource_can_be_kept() {
        let leftover = [("aws.xray.metadata.ns", Some(pair("", r#"{"a":1}"#))), ("b", Some(pair("", 1)))];
        let values =
            leftover.iter().map(|(key, pair)| (*key, pair.as_ref().and_then(KeyValue::value))).collect();
        let options = Options::default();
        let mut metadata = sort_out(values, &[], &Index { options: &options, asked: Vec::new() }).1;
        metadata.keep_resource();
        assert_eq!(text(&metadata), r#"{"default":{},"ns":{}}"#);
    }
}
