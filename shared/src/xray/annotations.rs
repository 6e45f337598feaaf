//! What is left of the attributes: annotations, which X-Ray indexes, and metadata, which it only keeps.

use std::borrow::Cow;

use super::Options;
use super::json::{Json, Native, Object, Written, json, length, sort_keep_last};
use super::metadata::{Entry, JsonObject, Metadata, RESOURCE, carried};
use super::shorten::largest;
use crate::otlp::view::values::{Attribute, Value};

/// The most annotations that X-Ray indexes.
const MOST: usize = 50;
/// The most characters of an annotation's key.
const MOST_OF_KEY: usize = 500;
/// The most characters of an annotation's text.
const MOST_OF_TEXT: usize = 1000;

/// Of each key the value, if it has one.
pub(super) type Leftover<'a> = Vec<(&'a str, Option<&'a Value<'a>>)>;

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

/// The attributes of a resource, as every segment carries them.
#[derive(Debug, Default)]
pub(super) struct ResourceAttributes<'a> {
    /// Sorted; those without value are left out. A key may come again: one that the settings index is an annotation by
    /// its last scalar, and metadata by its last list or map.
    list: Vec<ResourceAttribute<'a>>,
    /// Those that the settings do not index, as entries of metadata, written once.
    metadata: Vec<u8>,
}

#[derive(Debug)]
struct ResourceAttribute<'a> {
    key: String,
    value: Value<'a>,
    written: Written,
    /// Whether the settings make it an annotation.
    indexed: bool,
}

impl<'a> ResourceAttributes<'a> {
    pub(super) fn new(resource: &[Attribute<'a>], options: &Options) -> Self {
        let mut entries: Vec<_> = resource.iter().map(|entry| (entry.key, &entry.value)).collect();
        entries.sort_by_key(|(key, _)| *key);
        let index = Index { options, asked: Vec::new() };
        let attribute = |(key, value): (&str, &Option<Value<'a>>)| {
            let (key, value) = (format!("{RESOURCE}{key}"), value.clone()?);
            let indexed = is_scalar(&value) && index.has(&key);
            let written = Written::of(&Native(Some(&value)));
            Some(ResourceAttribute { key, value, written, indexed })
        };
        let mut all = Self { list: entries.into_iter().filter_map(attribute).collect(), ..Self::default() };
        let mut metadata = Vec::new();
        let mut object = Object::open(&mut metadata);
        for (key, entry) in all.entries() {
            object.entry(&key, &entry);
        }
        all.metadata = metadata;
        all
    }

    /// What the settings do not index, as entries of metadata: one by one, and written.
    pub(super) fn entries(&self) -> Vec<(Cow<'_, str>, Entry<'_>)> {
        let rest = self.list.iter().filter(|attribute| !attribute.indexed);
        let mut entries = rest.map(ResourceAttribute::entry).collect();
        sort_keep_last(&mut entries);
        entries
    }

    pub(super) const fn metadata(&self) -> &[u8] {
        self.metadata.as_slice()
    }
}

impl ResourceAttribute<'_> {
    /// Whether it is an annotation of a span that asks for these keys.
    fn is_annotation(&self, asked: &[&str]) -> bool {
        self.indexed || is_scalar(&self.value) && asked.contains(&self.key.as_str())
    }

    fn annotation(&self) -> (Cow<'_, str>, Native<'_>) {
        (annotation_key(&self.key), Native(Some(&self.value)))
    }

    fn entry(&self) -> (Cow<'_, str>, Entry<'_>) {
        (Cow::Borrowed(&self.key), Entry::Written(&self.written))
    }
}

/// Indexed values. Of keys that become the same by cleaning, the last in the order of the alphabet counts.
#[derive(Default)]
pub(super) struct Annotations<'a>(Vec<(Cow<'a, str>, Native<'a>)>);

impl Annotations<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out those that X-Ray would not index, if there are any: with a key or a text that is too long, and
    /// beyond the fiftieth. A span's own come before those of its resource, which all its segments share, and else
    /// the alphabet decides.
    pub(super) fn over_limits(&mut self) -> Option<JsonObject> {
        if self.0.len() <= MOST && self.0.iter().all(is_indexable) {
            return None;
        }
        let of_resource = |(key, _): &(Cow<'_, str>, Native<'_>)| key.starts_with(RESOURCE);
        let own = self.0.iter().filter(|one| is_indexable(one) && !of_resource(one)).count();
        let (mut own_room, mut resource_room) = (MOST, MOST.saturating_sub(own));
        let mut moved = JsonObject::new();
        self.0.retain(|annotation| {
            let room = if of_resource(annotation) { &mut resource_room } else { &mut own_room };
            let stays = *room > 0 && is_indexable(annotation);
            if stays {
                *room -= 1;
            } else {
                let (key, value) = annotation;
                moved.insert(key.to_string(), serde_json::from_str(&json(value)).unwrap_or_default());
            }
            stays
        });
        Some(moved)
    }

    /// Takes out the largest, as many as free `bytes`; gives their keys.
    pub(super) fn drop_largest(&mut self, bytes: usize) -> Vec<String> {
        let sizes = self.0.iter().map(|(key, value)| length(key) + length(value));
        let mut goes = largest(sizes, bytes, 0).into_iter();
        let lost = self.0.extract_if(.., |_| goes.next().unwrap_or(false));
        lost.map(|(key, _)| key.into_owned()).collect()
    }
}

fn is_indexable((key, value): &(Cow<'_, str>, Native<'_>)) -> bool {
    let fits = |text: &str, most| text.len() <= most || text.chars().count() <= most;
    let text = match value {
        Native(Some(Value::String(text))) => text,
        _ => "",
    };
    !key.is_empty() && fits(key, MOST_OF_KEY) && fits(text, MOST_OF_TEXT)
}

/// Sorts out what is left of a span's attributes and, for a segment, those of its resource.
///
/// Where entries of the default namespace have one key, the span's attribute outranks what JSON metadata carries,
/// and that the resource's.
pub(super) fn sort_out<'a>(
    mut leftover: Leftover<'a>,
    resource: Option<&'a ResourceAttributes<'a>>,
    index: &Index<'_>,
) -> (Annotations<'a>, Metadata<'a>) {
    sort_keep_last(&mut leftover);
    let mut sorted = Sorted::default();
    sorted.default.reserve(leftover.len() + 1);
    let of_resource = resource.iter().flat_map(|resource| &resource.list);
    let of_resource = of_resource.filter(|attribute| attribute.is_annotation(&index.asked));
    sorted.annotations.extend(of_resource.map(ResourceAttribute::annotation));
    for (key, value) in leftover {
        if let Some(value) = value {
            sorted.take(key, value, index);
        }
    }
    sort_keep_last(&mut sorted.annotations);
    if let Some(resource) = resource {
        sorted.take_resource(resource, index);
    }
    sorted.merge_json();
    (Annotations(sorted.annotations), Metadata::new(sorted.default, sorted.others))
}

/// Attributes by where they go.
#[derive(Default)]
struct Sorted<'a> {
    annotations: Vec<(Cow<'a, str>, Native<'a>)>,
    /// By key, each key once.
    default: Vec<(Cow<'a, str>, Entry<'a>)>,
    /// What JSON metadata adds to the default namespace.
    json: Vec<(Cow<'a, str>, Entry<'a>)>,
    others: Vec<(&'a str, Option<JsonObject>)>,
}

impl<'a> Sorted<'a> {
    /// All that is no annotation: as one entry where nothing comes between.
    fn take_resource(&mut self, resource: &'a ResourceAttributes<'a>, index: &Index<'_>) {
        let is_apart = |(key, _): &(Cow<'_, str>, Entry<'_>)| !key.starts_with(RESOURCE);
        if index.asked.is_empty() && self.json.is_empty() && self.default.iter().all(is_apart) {
            let place = self.default.partition_point(|(key, _)| key.as_ref() < RESOURCE);
            let whole =
                (!resource.metadata.is_empty()).then_some((RESOURCE.into(), Entry::Resource(resource)));
            self.default.splice(place..place, whole);
        } else {
            let rest = resource.list.iter().filter(|attribute| !attribute.is_annotation(&index.asked));
            self.json.splice(..0, rest.map(ResourceAttribute::entry));
        }
    }

    /// Brings what outranks nothing under what outranks it.
    fn merge_json(&mut self) {
        if !self.json.is_empty() {
            self.default.splice(..0, self.json.drain(..));
            sort_keep_last(&mut self.default);
        }
    }

    fn take(&mut self, key: &'a str, value: &'a Value<'a>, index: &Index<'_>) {
        if index.has(key) {
            if is_scalar(value) {
                self.annotations.push((annotation_key(key), Native(Some(value))));
            }
        } else if let Some((namespace, object)) = carried(key, value) {
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

const fn is_scalar(value: &Value<'_>) -> bool {
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

impl Json for Annotations<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        for (key, value) in &self.0 {
            object.entry(key, value);
        }
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::pair;
    use super::super::json::json;
    use super::*;

    fn sorted(
        span: &[Attribute<'_>],
        resource: &[Attribute<'_>],
        options: &Options,
        asked: &[&str],
    ) -> (String, String) {
        let leftover = span.iter().map(|own| (own.key, own.value.as_ref())).collect();
        let resource = ResourceAttributes::new(resource, options);
        let index = Index { options, asked: asked.to_vec() };
        let (annotations, metadata) = sort_out(leftover, Some(&resource), &index);
        (json(&annotations), json(&metadata))
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
            pair("aws.xray.metadata.shop", r#"{"n":1.0,"m":{"k":[null,9007199254740993]}}"#),
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
        let expected = format!(
            r#"{{"default":{default},"none":null,"shop":{{"m":{{"k":[null,9007199254740992]}},"n":1}}}}"#
        );
        let (annotations, metadata) = sorted(&span, &[pair("tier", "gold")], &Options::default(), &[]);
        assert_eq!((annotations.as_str(), metadata), ("{}", expected));
    }

    #[test]
    fn repeated_and_empty_attributes_leave_one_or_none() {
        let empty = Attribute { key: "empty", value: None };
        let span = [pair("a", 1), pair("a", 2), empty.clone(), pair("a b", 3), pair("a-b", 4)];
        let metadata = sorted(&span, std::slice::from_ref(&empty), &Options::default(), &[]).1;
        assert_eq!(metadata, r#"{"default":{"a":2,"a b":3,"a-b":4}}"#);
        assert_eq!(sorted(&span, &[], &options(&[], true), &[]).0, r#"{"a":2,"a_b":4}"#);
    }

    #[test]
    fn a_repeated_key_of_the_resource_is_indexed_by_its_scalars_alone() {
        let empty = Attribute { key: "a", value: None };
        let resource =
            [pair("a", 1), pair("b", vec!["x"]), pair("a", 2), pair("a", vec!["y"]), pair("b", 3), empty];
        let all = r#"{"default":{"otel.resource.a":["y"],"otel.resource.b":3}}"#;
        assert_eq!(sorted(&[], &resource, &Options::default(), &[]), ("{}".into(), all.into()));
        let annotations = r#"{"otel.resource.a":2,"otel.resource.b":3}"#;
        let metadata = r#"{"default":{"otel.resource.a":["y"],"otel.resource.b":["x"]}}"#;
        let expected = (annotations.to_owned(), metadata.to_owned());
        assert_eq!(sorted(&[], &resource, &options(&[], true), &[]), expected);
        assert_eq!(
            sorted(&[], &resource, &options(&[], false), &["otel.resource.a", "otel.resource.b"]),
            expected
        );
    }

    #[test]
    fn only_the_resource_can_be_kept() {
        let leftover = [("aws.xray.metadata.ns", Some(pair("", r#"{"a":1}"#))), ("b", Some(pair("", 1)))];
        let values = leftover
            .iter()
            .map(|(key, pair)| (*key, pair.as_ref().and_then(|pair| pair.value.as_ref())))
            .collect();
        let options = Options::default();
        let mut metadata = sort_out(values, None, &Index { options: &options, asked: Vec::new() }).1;
        metadata.keep_resource();
        assert_eq!(json(&metadata), r#"{"default":{},"ns":{}}"#);
    }
}
