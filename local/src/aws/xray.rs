//! X-Ray: PutTraceSegments, each document validated by itself; and centralised sampling.
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>

use std::sync::Arc;

use axum::{
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use siphon_core::units::UnixMillis;

use super::{sampling, signature};
use crate::{accounts::Accounts, store::Store};

const MAX_DOCUMENTS: usize = 50;
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
const MAX_NAME_CHARACTERS: usize = 200;

pub(crate) struct XRay {
    accounts: Arc<Accounts>,
    store: Arc<Store>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutTraceSegments {
    trace_segment_documents: Vec<String>,
}

/// A document that X-Ray takes.
#[derive(Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) id: String,
    pub(crate) trace_id: String,
    pub(crate) in_progress: bool,
    pub(crate) document: Value,
}

/// A document that X-Ray does not take.
#[derive(Debug, PartialEq, Eq)]
struct Unprocessed {
    /// The segment's id, where it could be read.
    id: Option<String>,
    code: &'static str,
    message: String,
}

impl XRay {
    pub(crate) fn new(accounts: Arc<Accounts>, store: Arc<Store>) -> Self {
        Self { accounts, store }
    }

    pub(crate) fn answer(&self, uri: &Uri, headers: &HeaderMap, body: &[u8], now: UnixMillis) -> Response {
        let answer = signature::verify("POST", uri, headers, body, "xray", now)
            .map_err(|error| (StatusCode::FORBIDDEN, error.code(), error.to_string()))
            .and_then(|()| {
                let answer = match uri.path() {
                    "/GetSamplingRules" => Ok(sampling::rules()),
                    "/SamplingTargets" => self.targets(body, now),
                    _ => self.put(body),
                };
                answer.map_err(|text| (StatusCode::BAD_REQUEST, "InvalidRequestException", text))
            });
        match answer {
            Ok(answer) => json_answer(StatusCode::OK, &answer),
            Err((status, code, message)) => {
                self.accounts.refused_request();
                let mut answer = json_answer(status, &json!({ "__type": code, "message": message }));
                answer.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
                answer
            }
        }
    }

    fn put(&self, body: &[u8]) -> Result<Value, String> {
        let documents = documents(body)?;
        let unprocessed: Vec<_> = documents.iter().filter_map(|text| self.take(text)).collect();
        let unprocessed: Vec<_> = unprocessed.iter().map(Unprocessed::json).collect();
        Ok(json!({ "UnprocessedTraceSegments": unprocessed }))
    }

    fn targets(&self, body: &[u8], now: UnixMillis) -> Result<Value, String> {
        let (answer, requests) = sampling::targets(body, now)?;
        self.accounts.sampling(requests);
        Ok(answer)
    }

    fn take(&self, text: &str) -> Option<Unprocessed> {
        match read(text) {
            Ok(segment) => {
                self.accounts.segment(&segment);
                self.store.segment(segment);
                None
            }
            Err(unprocessed) => {
                self.accounts.unprocessed(unprocessed.code);
                Some(unprocessed)
            }
        }
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

/// The documents of a call, none of them read yet.
fn documents(body: &[u8]) -> Result<Vec<String>, String> {
    let request: PutTraceSegments = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let documents = request.trace_segment_documents;
    if documents.is_empty() {
        return Err("no segment document in the request".to_owned());
    }
    if documents.len() > MAX_DOCUMENTS {
        return Err(format!("Exceeding maximum segment count: {MAX_DOCUMENTS}"));
    }
    Ok(documents)
}

fn read(text: &str) -> Result<Segment, Unprocessed> {
    let refuse = |id: Option<&str>, code, message: String| {
        Err(Unprocessed { id: id.map(str::to_owned), code, message })
    };
    if text.len() > MAX_DOCUMENT_BYTES {
        return refuse(
            None,
            "DocumentTooLarge",
            format!("{} bytes, at most {MAX_DOCUMENT_BYTES}", text.len()),
        );
    }
    let document = match serde_json::from_str(text) {
        Ok(Value::Object(document)) => document,
        Ok(_) => return refuse(None, "JSONFormatError", "a document is a JSON object".to_owned()),
        Err(error) => return refuse(None, "JSONFormatError", error.to_string()),
    };
    let id = string(&document, "id");
    if let Err((code, message)) = check(&document) {
        return refuse(id, code, message);
    }
    Ok(Segment {
        id: id.unwrap_or_default().to_owned(),
        trace_id: string(&document, "trace_id").unwrap_or_default().to_owned(),
        in_progress: document.get("in_progress") == Some(&Value::Bool(true)),
        document: Value::Object(document),
    })
}

type Check = Result<(), (&'static str, String)>;

/// Checks a segment, or a subsegment that is sent by itself.
fn check(document: &Map<String, Value>) -> Check {
    check_id(document, "id", "MissingId", "InvalidId")?;
    check_trace_id(document)?;
    check_name(document)?;
    check_times(document)?;
    if document.contains_key("parent_id") {
        check_id(document, "parent_id", "MissingParentId", "InvalidParentId")?;
    }
    match document.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "subsegment" => {
            check_id(document, "parent_id", "MissingParentId", "InvalidParentId")?;
        }
        Some(other) => return Err(("InvalidType", format!("type is {other}, only \"subsegment\" exists"))),
    }
    for (field, is_right) in [
        ("annotations", Value::is_object as fn(&Value) -> bool),
        ("metadata", Value::is_object),
        ("http", Value::is_object),
        ("aws", Value::is_object),
        ("sql", Value::is_object),
        ("service", Value::is_object),
        ("subsegments", Value::is_array),
        ("error", Value::is_boolean),
        ("fault", Value::is_boolean),
        ("throttle", Value::is_boolean),
    ] {
        if document.get(field).is_some_and(|value| !is_right(value)) {
            return Err(("InvalidField", format!("{field} is of the wrong type")));
        }
    }
    check_annotations(document)
}

fn check_id(
    document: &Map<String, Value>,
    field: &str,
    missing: &'static str,
    invalid: &'static str,
) -> Check {
    match string(document, field) {
        None => Err((missing, format!("{field} is missing"))),
        Some(id) if is_hex(id, 16) => Ok(()),
        Some(id) => Err((invalid, format!("{field} {id:?} is not 16 hex digits"))),
    }
}

/// `1-` + 8 hex digits of seconds + `-` + 24 hex digits.
fn check_trace_id(document: &Map<String, Value>) -> Check {
    let id =
        string(document, "trace_id").ok_or_else(|| ("MissingTraceId", "trace_id is missing".to_owned()))?;
    let parts: Vec<_> = id.split('-').collect();
    match parts[..] {
        ["1", seconds, rest] if is_hex(seconds, 8) && is_hex(rest, 24) => Ok(()),
        _ => Err(("InvalidTraceId", format!("trace_id {id:?} is not of the form 1-8-24"))),
    }
}

fn check_name(document: &Map<String, Value>) -> Check {
    let name = string(document, "name").ok_or_else(|| ("MissingName", "name is missing".to_owned()))?;
    let fits = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/%&#=+\\-@".contains(c);
    let length = name.chars().count();
    if length == 0 || length > MAX_NAME_CHARACTERS || !name.chars().all(fits) {
        return Err(("InvalidName", format!("name {name:?} is empty, too long, or has other characters")));
    }
    Ok(())
}

fn check_times(document: &Map<String, Value>) -> Check {
    let start = document.get("start_time").and_then(Value::as_f64);
    let start = start.ok_or_else(|| ("MissingStartTime", "start_time is not a number".to_owned()))?;
    let in_progress = document.get("in_progress") == Some(&Value::Bool(true));
    let end = match document.get("end_time") {
        None if in_progress => return Ok(()),
        None => return Err(("MissingEndTime", "neither end_time nor in_progress".to_owned())),
        Some(_) if in_progress => {
            return Err(("InvalidEndTime", "a segment in progress has no end_time".to_owned()));
        }
        Some(end) => end.as_f64().ok_or_else(|| ("InvalidEndTime", "end_time is not a number".to_owned()))?,
    };
    // Seconds, not milliseconds: one in seconds of this century has ten digits.
    if !(1e9..1e10).contains(&start) || end < start {
        return Err(("InvalidTime", format!("from {start} to {end} is no span of seconds")));
    }
    Ok(())
}

fn check_annotations(document: &Map<String, Value>) -> Check {
    let Some(Value::Object(annotations)) = document.get("annotations") else { return Ok(()) };
    let key_fits = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for (key, value) in annotations {
        if !key_fits(key) || value.is_object() || value.is_array() || value.is_null() {
            return Err(("InvalidAnnotation", format!("annotation {key:?} has an invalid key or value")));
        }
    }
    Ok(())
}

fn string<'a>(document: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    document.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Unprocessed {
    fn json(&self) -> Value {
        json!({ "Id": self.id, "ErrorCode": self.code, "Message": self.message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::signature::tests::signed;

    fn good() -> Value {
        json!({
            "id": "70de5b6f19ff9a0a", "trace_id": "1-581cf771-a006649127e371903a2de979", "name": "shop: a/b",
            "start_time": 1_478_293_361.271, "end_time": 1_478_293_361.449, "annotations": { "a_1": 1 },
        })
    }

    fn code(change: impl FnOnce(&mut Map<String, Value>)) -> Option<&'static str> {
        let mut document = good();
        change(document.as_object_mut().unwrap());
        read(&document.to_string()).err().map(|unprocessed| unprocessed.code)
    }

    #[test]
    fn good_documents_are_taken() {
        assert_eq!(code(|_| ()), None);
        let subsegment = |d: &mut Map<String, Value>| {
            d.insert("type".into(), json!("subsegment"));
            d.insert("parent_id".into(), json!("0123456789abcdef"));
        };
        assert_eq!(code(subsegment), None);
        let in_progress = |d: &mut Map<String, Value>| {
            d.remove("end_time");
            d.insert("in_progress".into(), json!(true));
        };
        assert_eq!(code(in_progress), None);
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        for (field, value, expected) in [
            ("id", Value::Null, "MissingId"),
            ("id", json!("70de5b6f19ff9a0"), "InvalidId"),
            ("trace_id", Value::Null, "MissingTraceId"),
            ("trace_id", json!("581cf771a006649127e371903a2de979"), "InvalidTraceId"),
            ("name", Value::Null, "MissingName"),
            ("name", json!("a|b"), "InvalidName"),
            ("name", json!("n".repeat(201)), "InvalidName"),
            ("start_time", json!("now"), "MissingStartTime"),
            ("start_time", json!(1_478_293_361_271_i64), "InvalidTime"),
            ("end_time", json!(1_478_293_361.0), "InvalidTime"),
            ("in_progress", json!(true), "InvalidEndTime"),
            ("type", json!("segment"), "InvalidType"),
            ("type", json!("subsegment"), "MissingParentId"),
            ("parent_id", json!("x"), "InvalidParentId"),
            ("http", json!("GET"), "InvalidField"),
            ("annotations", json!({ "a.b": 1 }), "InvalidAnnotation"),
            ("annotations", json!({ "a": [1] }), "InvalidAnnotation"),
            ("metadata", json!({ "m": { "x": "y".repeat(66_000) } }), "DocumentTooLarge"),
        ] {
            let got = code(|document| drop(document.insert(field.into(), value.clone())));
            assert_eq!(got, Some(expected), "{field}: {value}");
        }
        assert_eq!(code(|d| drop(d.remove("end_time"))), Some("MissingEndTime"));
        assert_eq!(read("{").unwrap_err().code, "JSONFormatError");
        assert_eq!(read("[]").unwrap_err().code, "JSONFormatError");
    }

    #[tokio::test]
    async fn a_call_reports_bad_documents_and_takes_the_others() {
        let accounts = Arc::new(Accounts::default());
        let xray = XRay::new(Arc::clone(&accounts), Arc::new(Store::default()));
        let now = UnixMillis(1_795_000_000_000);
        let call = |documents: &Value| {
            let body = json!({ "TraceSegmentDocuments": documents }).to_string();
            let headers = signed("xray", "/TraceSegments", body.as_bytes(), &[], now);
            xray.answer(&Uri::from_static("/TraceSegments"), &headers, body.as_bytes(), now)
        };
        let mut bad = good();
        bad["name"] = json!("?");
        let answer = call(&json!([good().to_string(), bad.to_string()]));
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["UnprocessedTraceSegments"][0]["ErrorCode"], "InvalidName");
        assert_eq!(body["UnprocessedTraceSegments"][0]["Id"], "70de5b6f19ff9a0a");
        assert_eq!((accounts.counts().segments_stored, accounts.counts().segments_unprocessed), (1, 1));
        let many: Vec<_> = (0..51).map(|_| good().to_string()).collect();
        assert_eq!(call(&json!(many)).status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn an_unsigned_call_is_forbidden() {
        let xray = XRay::new(Arc::default(), Arc::default());
        let answer =
            xray.answer(&Uri::from_static("/TraceSegments"), &HeaderMap::new(), b"{}", UnixMillis(0));
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}
