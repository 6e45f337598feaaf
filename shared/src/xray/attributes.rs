//! Attributes as X-Ray's rules read them: by type, without conversion, and with a say on repeated keys.

use super::keys::{Key, KeySet};
use crate::otlp::view::values::{Attribute, Value};

/// The attributes of a span, each with the meaning that its key has here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes<'a> {
    list: &'a [Attribute<'a>],
    /// What each of them means.
    keys: &'a [Option<Key>],
    /// The keys that occur: most look-ups are for keys that do not.
    present: KeySet,
}

impl<'a> Attributes<'a> {
    /// The attributes in `list`. `keys` is memory for what they mean.
    pub(super) fn of(list: &'a [Attribute<'a>], keys: &'a mut Vec<Option<Key>>) -> Self {
        keys.clear();
        keys.extend(list.iter().map(|attribute| Key::of(attribute.key)));
        let present = keys.iter().flatten().fold(KeySet::default(), |set, key| set.with(*key));
        Self { list, keys, present }
    }

    /// The same without some keys.
    pub(super) const fn without(self, unwanted: KeySet) -> Self {
        Self { present: self.present.without(unwanted), ..self }
    }

    /// All in the order of the wire.
    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = (Option<Key>, &'a Attribute<'a>)> {
        let all = self.keys.iter().copied().zip(self.list);
        all.filter(move |(key, _)| key.is_none_or(|key| self.has(key)))
    }

    /// Those with a known key, in the order of the wire.
    pub(super) fn known(self) -> impl DoubleEndedIterator<Item = (Key, &'a Attribute<'a>)> {
        self.iter().filter_map(|(key, attribute)| Some((key?, attribute)))
    }

    /// Whether the key occurs, with any value.
    pub(super) const fn has(self, key: Key) -> bool {
        self.present.has(key)
    }

    /// Whether one of these keys occurs.
    pub(super) const fn has_any(self, keys: KeySet) -> bool {
        self.present.meets(keys)
    }

    /// The first attribute of that key: what a rule sees that asks the span itself.
    pub(super) fn first(self, key: Key) -> Option<&'a Attribute<'a>> {
        let is_wanted = |known: &Option<Key>| *known == Some(key);
        self.has(key).then(|| self.list.get(self.keys.iter().position(is_wanted)?))?
    }

    /// The last attribute of that key: what a rule sees that asks a map filled from the span.
    pub(super) fn last(self, key: Key) -> Option<&'a Attribute<'a>> {
        let is_wanted = |known: &Option<Key>| *known == Some(key);
        self.has(key).then(|| self.list.get(self.keys.iter().rposition(is_wanted)?))?
    }

    /// The first attribute's text, unless empty or no text.
    pub(super) fn first_text(self, key: Key) -> Option<&'a str> {
        self.first(key).map(text).filter(|text| !text.is_empty())
    }

    /// The last attribute's text, unless empty or no text.
    pub(super) fn last_text(self, key: Key) -> Option<&'a str> {
        self.last(key).map(text).filter(|text| !text.is_empty())
    }
}

/// What tells of the called service, and not of the one that calls.
const OF_CALLED_SERVICE: [&str; 4] =
    ["aws.remote.service", "aws.remote.operation", "remoteTarget", "K8s.RemoteNamespace"];

/// Whether the sender marked the span as its service's first in the trace.
pub(super) fn is_local_root(list: &[Attribute<'_>]) -> bool {
    find(list, "aws.span.kind").is_some_and(|kind| text(kind) == "LOCAL_ROOT")
}

/// Puts into `service` what is left of a span's attributes for the segment of the service that calls another.
pub(super) fn keep_service<'a>(list: &[Attribute<'a>], service: &mut Vec<Attribute<'a>>) {
    service.clear();
    service.extend_from_slice(list);
    for key in OF_CALLED_SERVICE {
        remove(service, key);
    }
    take_in_progress(service);
}

/// Takes out what the span says of being in progress, if it says so by a truth value.
pub(super) fn take_in_progress(list: &mut Vec<Attribute<'_>>) -> Option<bool> {
    const KEY: &str = "aws.xray.inprogress";
    let Some(Value::Bool(in_progress)) = find(list, KEY)?.value else { return None };
    remove(list, KEY);
    Some(in_progress)
}

/// Takes out the first attribute of that key. The last of all takes its place, as in the collector, where of keys with
/// one meaning the later counts.
fn remove(list: &mut Vec<Attribute<'_>>, key: &str) {
    if let Some(at) = list.iter().position(|attribute| attribute.key == key) {
        list.swap_remove(at);
    }
}

/// A text; anything else reads as empty.
pub(super) fn text<'a>(attribute: &Attribute<'a>) -> &'a str {
    attribute.text().unwrap_or_default()
}

/// An entry of a list as text; anything else reads as empty.
pub(super) fn item<'a>(entry: &Option<Value<'a>>) -> &'a str {
    entry.as_ref().and_then(Value::text).unwrap_or_default()
}

/// A whole number; anything else reads as 0.
pub(super) const fn int(attribute: &Attribute<'_>) -> i64 {
    match attribute.value {
        Some(Value::Int(int)) => int,
        _ => 0,
    }
}

/// The texts of a list; whatever is no text is left out.
pub(super) fn texts<'a>(list: &[Option<Value<'a>>]) -> Vec<&'a str> {
    list.iter().flatten().filter_map(Value::text).collect()
}

/// The first attribute named `key` of a short list.
pub(super) fn find<'s, 'a>(list: &'s [Attribute<'a>], key: &str) -> Option<&'s Attribute<'a>> {
    list.iter().find(|attribute| attribute.key == key)
}

/// The last attribute named `key` of a short list.
pub(super) fn find_last<'s, 'a>(list: &'s [Attribute<'a>], key: &str) -> Option<&'s Attribute<'a>> {
    list.iter().rev().find(|attribute| attribute.key == key)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::xray) fn pair<'a>(key: &'a str, value: impl IntoValue<'a>) -> Attribute<'a> {
        Attribute { key, value: Some(value.into_value()) }
    }

    pub(in crate::xray) fn pairs<'a>(texts: &[(&'a str, &'a str)]) -> Vec<Attribute<'a>> {
        texts.iter().map(|(key, value)| pair(key, *value)).collect()
    }

    pub(in crate::xray) fn attributes<'a>(list: &'a [Attribute<'a>]) -> Attributes<'a> {
        Attributes::of(list, Box::leak(Box::default()))
    }

    /// Attribute values from plain ones.
    pub(in crate::xray) trait IntoValue<'a> {
        fn into_value(self) -> Value<'a>;
    }

    impl<'a> IntoValue<'a> for Value<'a> {
        fn into_value(self) -> Self {
            self
        }
    }

    impl<'a> IntoValue<'a> for &'a str {
        fn into_value(self) -> Value<'a> {
            Value::String(self)
        }
    }

    impl<'a> IntoValue<'a> for i64 {
        fn into_value(self) -> Value<'a> {
            Value::Int(self)
        }
    }

    impl<'a> IntoValue<'a> for f64 {
        fn into_value(self) -> Value<'a> {
            Value::Double(self)
        }
    }

    impl<'a> IntoValue<'a> for bool {
        fn into_value(self) -> Value<'a> {
            Value::Bool(self)
        }
    }

    impl<'a> IntoValue<'a> for Vec<&'a str> {
        fn into_value(self) -> Value<'a> {
            Value::Array(self.into_iter().map(|text| Some(text.into_value())).collect())
        }
    }

    #[test]
    fn reads_are_by_type_and_repeated_keys_have_a_first_and_a_last() {
        let pairs = [pair("http.method", "GET"), pair("db.name", 7), pair("http.method", "PUT")];
        let attributes = attributes(&pairs);
        assert_eq!(attributes.first_text(Key::HttpMethod), Some("GET"));
        assert_eq!(attributes.last_text(Key::HttpMethod), Some("PUT"));
        assert_eq!(attributes.first_text(Key::DbName), None);
        assert!(attributes.has(Key::DbName) && !attributes.has(Key::DbUser));
        assert_eq!((int(&pairs[1]), int(&pairs[0])), (7, 0));
    }

    #[test]
    fn what_the_service_keeps_is_not_of_the_one_it_calls() {
        let list = [
            pair("aws.remote.service", "pay"),
            pair("a", 1),
            pair("aws.xray.inprogress", true),
            pair("remoteTarget", "x"),
            pair("aws.remote.service", "again"),
            pair("b", 2),
        ];
        let mut service = vec![pair("of", "the span before")];
        keep_service(&list, &mut service);
        let keys: Vec<_> = service.iter().map(|attribute| attribute.key).collect();
        assert_eq!(keys, ["b", "a", "aws.remote.service"]);
    }

    #[test]
    fn the_last_attribute_takes_the_place_of_the_one_in_progress() {
        let marked = |value: Value<'static>| {
            vec![pair("aws.xray.inprogress", value), pair("http.method", "GET"), pair("http.method", "PUT")]
        };
        for (value, taken, left) in [
            (true.into_value(), Some(true), &["PUT", "GET"][..]),
            (false.into_value(), Some(false), &["PUT", "GET"]),
            ("true".into_value(), None, &["true", "GET", "PUT"]),
        ] {
            let mut pairs = marked(value);
            assert_eq!(take_in_progress(&mut pairs), taken);
            assert_eq!(pairs.iter().map(text).collect::<Vec<_>>(), left);
        }
        assert_eq!(take_in_progress(&mut vec![pair("http.method", "GET")]), None);
    }

    #[test]
    fn the_next_span_starts_clean() {
        let (before, after) =
            (pairs(&[("db.name", "a"), ("x", "y")]), pairs(&[("db.user", "b"), ("x", "y")]));
        let mut keys = Vec::new();
        assert!(Attributes::of(&before, &mut keys).has(Key::DbName));
        let attributes = Attributes::of(&after, &mut keys);
        assert!(!attributes.has(Key::DbName) && attributes.has(Key::DbUser));
        let without = attributes.without(KeySet::of(&[Key::DbUser]));
        assert!(!without.has(Key::DbUser) && without.first(Key::DbUser).is_none());
        assert_eq!(without.iter().map(|(_, attribute)| attribute.key).collect::<Vec<_>>(), ["x"]);
        assert_eq!((attributes.known().count(), without.known().count()), (1, 0));
    }
}
