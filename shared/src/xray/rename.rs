//! A document that X-Ray refused for the characters of its name, under a name that it takes.
//!
//! X-Ray documents which characters a name may have, and answers others with `InvalidName`. The OpenTelemetry
//! exporter cleans a span's own name, and sends names that attributes give (`peer.service`, `db.name` …) as they are.
//! So does this one: a service's name is what maps, groups and alarms go by, and it must not change where X-Ray takes
//! it. Only X-Ray can tell; when it has refused, the document is lost, or goes again under a cleaned name.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Document;
use super::batch::MAX_DOCUMENT_BYTES;
use super::json::{Written, plain_length};
use super::names::cleaned;

/// The document under its name without the characters that X-Ray does not take; the name as it was is kept as
/// metadata, in the namespace `siphon` under `name`. None if the name has no such characters: then it isn't what X-Ray
/// minds.
#[must_use]
pub fn renamed(document: &Document) -> Option<Document> {
    let mut json: Map<String, Value> = serde_json::from_str(&document.json()).ok()?;
    let name = json.get("name")?.as_str()?.to_owned();
    let clean = cleaned(&name);
    if clean == name {
        return None;
    }
    json.insert("name".to_owned(), clean.into());
    let bare = json.clone();
    object(object(&mut json, "metadata")?, "siphon")?.insert("name".to_owned(), name.clone().into());
    let text = |json| Bytes::from(Written::of(json).into_bytes());
    let fits = |text: &Bytes| plain_length(text) <= MAX_DOCUMENT_BYTES;
    let text = Some(text(&json)).filter(fits).unwrap_or_else(|| text(&bare));
    Some(Document { text, ..*document })
}

/// The object under `key`, made if there is none.
fn object<'a>(json: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    json.entry(key).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::super::{SegmentId, TraceId};
    use super::*;

    fn document(json: &str) -> Document {
        let quoted = serde_json::to_string(json).unwrap();
        let text = quoted[1..quoted.len() - 1].to_owned().into();
        Document { id: SegmentId::new([1; 8]), trace_id: TraceId::new([2; 16]), text }
    }

    #[test]
    fn a_name_loses_what_x_ray_does_not_take_and_is_kept_beside() {
        let refused =
            document(r#"{"name":"a<b>, c","id":"70de5b6f19ff9a0a","start_time":1795400000.2499998}"#);
        let renamed = renamed(&refused).unwrap();
        let want = concat!(
            r#"{"id":"70de5b6f19ff9a0a","metadata":{"siphon":{"name":"a<b>, c"}},"#,
            r#""name":"ab c","start_time":1795400000.2499998}"#
        );
        assert_eq!(renamed, document(want));
    }

    #[test]
    fn other_metadata_stays() {
        let refused = document(r#"{"name":"$","metadata":{"default":{"a":1},"siphon":{"truncated":["x"]}}}"#);
        let want =
            r#"{"metadata":{"default":{"a":1},"siphon":{"name":"$","truncated":["x"]}},"name":"span"}"#;
        assert_eq!(renamed(&refused).unwrap().json(), want);
    }

    #[test]
    fn a_good_name_is_not_what_x_ray_minds() {
        assert_eq!(renamed(&document(r#"{"name":"shop/cart"}"#)), None);
        assert_eq!(renamed(&document(r#"{"id":"70de5b6f19ff9a0a"}"#)), None);
        assert_eq!(renamed(&document("no JSON")), None);
    }

    #[test]
    fn a_full_document_loses_its_old_name() {
        let filler = "x".repeat(MAX_DOCUMENT_BYTES - 40);
        let refused = document(&format!(r#"{{"name":"(a)","metadata":{{"d":{{"x":"{filler}"}}}}}}"#));
        let json = renamed(&refused).unwrap().json();
        assert!(
            json.len() <= MAX_DOCUMENT_BYTES && json.ends_with(r#","name":"a"}"#) && !json.contains("(a)")
        );
    }
}
