//! What every segment document owes X-Ray.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use siphon_core::xray::{Document, MAX_DOCUMENT_BYTES};

/// What holds for every document. Gives it as JSON.
pub(crate) fn check(document: &Document) -> Value {
    let json = &document.json();
    assert!(json.len() <= MAX_DOCUMENT_BYTES);
    let Json::Object(keys) = serde_json::from_str(json).unwrap() else { panic!("no object: {json}") };
    for required in ["name", "id", "trace_id", "start_time", "fault", "error", "throttle"] {
        assert!(keys.contains(required), "{required} in {json}");
    }
    assert!(keys.contains("end_time") != keys.contains("in_progress"), "{json}");
    let value: Value = serde_json::from_str(json).unwrap();
    assert_eq!(
        (value["id"].as_str(), value["trace_id"].as_str()),
        (Some(document.id.as_str()), Some(document.trace_id.as_str()))
    );
    let is_hex = |text: &str| text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    assert!(document.id.as_str().len() == 16 && is_hex(document.id.as_str()), "{json}");
    let parts: Vec<&str> = document.trace_id.as_str().split('-').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts.len()), ("1", 8, 24, 3), "{json}");
    check_limits(&value);
    value
}

/// The limits that X-Ray documents, but for the characters of a name.
fn check_limits(document: &Value) {
    let name = document["name"].as_str().unwrap();
    assert!((1..=200).contains(&name.chars().count()), "{name}");
    for field in [
        "/user",
        "/http/request/method",
        "/http/request/url",
        "/http/request/user_agent",
        "/http/request/client_ip",
        "/sql/user",
    ] {
        let text = document.pointer(field).and_then(Value::as_str).unwrap_or_default();
        assert!(text.chars().count() <= 250, "{field}: {text}");
    }
    let annotations = document.get("annotations").map(|annotations| annotations.as_object().unwrap());
    assert!(annotations.is_none_or(|annotations| annotations.len() <= 50), "{document}");
    for (key, value) in annotations.into_iter().flatten() {
        assert!((1..=500).contains(&key.chars().count()), "{key}");
        assert!(value.as_str().unwrap_or_default().chars().count() <= 1000, "{key}");
    }
}

/// JSON in which no object has a key twice.
enum Json {
    Object(BTreeSet<String>),
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;
        impl<'de> Visitor<'de> for Strict {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut keys = BTreeSet::new();
                while let Some((key, Json::Object(_) | Json::Other)) = map.next_entry::<String, Json>()? {
                    if let Some(twice) = keys.replace(key) {
                        return Err(serde::de::Error::custom(format!("the key {twice} is there twice")));
                    }
                }
                Ok(Json::Object(keys))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                while list.next_element::<Json>()?.is_some() {}
                Ok(Json::Other)
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Json, E> {
                Ok(Json::Other)
            }
        }
        deserializer.deserialize_any(Strict)
    }
}
