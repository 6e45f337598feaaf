use std::fmt::Debug;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Map, Value as Json, json};

use super::{super::shape::*, *};
use crate::{
    otlp::{
        MetricsRequest, TraceRequest, check,
        check::testing::{Draw, drawn},
    },
    protobuf::read::{Fields, Value},
};

const LIMIT: usize = 1 << 20;

/// The message as JSON, in any of the ways that it may be written.
fn as_json(shape: &Shape, mut fields: Fields<'_>, draw: &mut Draw) -> Json {
    let mut object = Map::new();
    while let Some(key) = fields.key().unwrap() {
        let value = fields.value(key).unwrap();
        let field = shape.fields.iter().find(|field| field.tag == key.tag).unwrap();
        let camel: String = camel_case(field.name).collect();
        let name = if draw.below(2) == 0 { field.name.to_owned() } else { camel.clone() };
        match items(field.kind, value, draw) {
            // Of an array one part came after the other on the wire.
            Ok(mut more) => {
                let begun = [field.name, &camel].into_iter().find(|name| object.contains_key(*name));
                let name = begun.map_or(name, str::to_owned);
                let array = object.entry(name).or_insert_with(|| Json::Array(Vec::new()));
                array.as_array_mut().unwrap().append(&mut more);
            }
            Err(one) => drop(object.insert(name, one)),
        }
    }
    match draw.below(6) {
        0 => drop(object.insert("unknown".to_owned(), json!({ "name": [1, { "spans": null }] }))),
        1 => drop(object.entry(shape.fields[0].name).or_insert(Json::Null)),
        _ => {}
    }
    object.into()
}

/// The items of an array, or what else a field holds.
fn items(kind: Type, value: Value<'_>, draw: &mut Draw) -> Result<Vec<Json>, Json> {
    Ok(match (kind, value) {
        (Type::Messages(shape), Value::Delimited(message)) => vec![as_json(shape, message, draw)],
        (Type::Message(shape) | Type::Choice(shape), Value::Delimited(message)) => {
            return Err(as_json(shape, message, draw));
        }
        (Type::Varints, Value::Delimited(mut packed)) => {
            let mut numbers = Vec::new();
            while !packed.is_at_end() {
                numbers.push(whole(packed.varint().unwrap().into(), draw));
            }
            numbers
        }
        (Type::Fixed64s(number), Value::Delimited(mut packed)) => {
            let mut numbers = Vec::new();
            while !packed.is_at_end() {
                numbers.push(fixed64(number, packed.fixed64().unwrap(), draw));
            }
            numbers
        }
        (Type::Fixed64(number), Value::Fixed64(bits)) => return Err(fixed64(number, bits, draw)),
        (Type::Varint(number), Value::Varint(bits)) => return Err(varint(number, bits, draw)),
        (Type::Text, Value::Delimited(text)) => return Err(text.text().unwrap().into()),
        (Type::Bytes(form), Value::Delimited(bytes)) => return Err(bytes_as(form, bytes.rest(), draw)),
        _ => panic!("the table has another type"),
    })
}

fn whole(number: i128, draw: &mut Draw) -> Json {
    match draw.below(2) {
        0 => number.to_string().into(),
        _ => serde_json::from_str(&number.to_string()).unwrap(),
    }
}

fn varint(number: Varint, bits: u64, draw: &mut Draw) -> Json {
    let low = u32::try_from(bits & u64::from(u32::MAX)).unwrap();
    match number {
        Varint::Bool => (bits != 0).into(),
        Varint::Int64 => whole(bits.cast_signed().into(), draw),
        Varint::Uint64 => whole(bits.into(), draw),
        Varint::Uint32 => whole(low.into(), draw),
        Varint::Sint32 => whole(((low >> 1).cast_signed() ^ -(low & 1).cast_signed()).into(), draw),
        Varint::Enum(names) => match names.get(usize::try_from(bits).unwrap()) {
            Some(name) if draw.below(2) == 0 => (*name).into(),
            _ => low.cast_signed().into(),
        },
    }
}

fn fixed64(number: Fixed64, bits: u64, draw: &mut Draw) -> Json {
    let real = f64::from_bits(bits);
    match number {
        Fixed64::Uint => whole(bits.into(), draw),
        Fixed64::Int => whole(bits.cast_signed().into(), draw),
        Fixed64::Double if real.is_nan() => "NaN".into(),
        Fixed64::Double if real.is_infinite() => (if real > 0.0 { "Infinity" } else { "-Infinity" }).into(),
        Fixed64::Double if draw.below(2) == 0 => Json::from(real).to_string().into(),
        Fixed64::Double => real.into(),
    }
}

fn bytes_as(form: Bytes, bytes: &[u8], draw: &mut Draw) -> Json {
    match (form, draw.below(2)) {
        (Bytes::Id(_), 0) => hex::encode_upper(bytes),
        (Bytes::Id(_), _) => hex::encode(bytes),
        (Bytes::Base64, 0) => BASE64_STANDARD.encode(bytes),
        (Bytes::Base64, _) => BASE64_STANDARD_NO_PAD.encode(bytes),
    }
    .into()
}

/// `NaN` is equal to itself here.
fn same(ours: &impl Debug, theirs: &impl Debug, json: &str) {
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{json}");
}

/// Draws now and then hold a field that is no field, or an id that JSON has no form for: another draw, then.
fn any_request<M: Message + Default>(shape: &Shape, draw: &mut Draw) -> M {
    let request =
        |bytes: Vec<u8>| M::decode(&bytes[..]).ok().filter(|_| has_whole_ids(shape, Fields::of(&bytes)));
    (0..).find_map(|_| request(drawn(shape, 0, draw))).unwrap()
}

/// Whether each id in a message has all its bytes, or none.
fn has_whole_ids(shape: &Shape, mut fields: Fields<'_>) -> bool {
    while let Some(key) = fields.key().unwrap() {
        let kind = shape.fields.iter().find(|field| field.tag == key.tag).map(|field| field.kind);
        let is_whole = match (kind, fields.value(key).unwrap()) {
            (Some(Type::Bytes(Bytes::Id(length))), Value::Delimited(id)) => {
                id.rest().is_empty() || id.rest().len() == length
            }
            (
                Some(Type::Message(inner) | Type::Messages(inner) | Type::Choice(inner)),
                Value::Delimited(message),
            ) => has_whole_ids(inner, message),
            _ => true,
        };
        if !is_whole {
            return false;
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn json_means_what_protobuf_means(seed in any::<u64>()) {
        let draw = &mut Draw(seed);
        let request: TraceRequest = any_request(&TRACE_REQUEST, draw);
        let json = as_json(&TRACE_REQUEST, Fields::of(&request.encode_to_vec()), draw).to_string();
        let made = traces(json.as_bytes(), LIMIT).unwrap();
        same(&TraceRequest::decode(&made[..]).unwrap(), &request, &json);
        prop_assert_eq!(check::traces(&made), check::traces(&request.encode_to_vec()));

        let request: MetricsRequest = any_request(&METRICS_REQUEST, draw);
        let json = as_json(&METRICS_REQUEST, Fields::of(&request.encode_to_vec()), draw).to_string();
        let made = metrics(json.as_bytes(), LIMIT).unwrap();
        same(&MetricsRequest::decode(&made[..]).unwrap(), &request, &json);
        prop_assert_eq!(check::metrics(&made), check::metrics(&request.encode_to_vec()));
    }
}

/// What a span with that field becomes, without the messages around it.
fn span(field: &Json) -> Result<Vec<u8>, String> {
    let json = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{}, field] }] }] }).to_string();
    let made = traces(json.as_bytes(), LIMIT).map_err(|error| error.to_string())?;
    let request = TraceRequest::decode(&made[..]).unwrap();
    Ok(request.resource_spans[0].scope_spans[0].spans[1].encode_to_vec())
}

#[test]
fn a_fault_names_place_and_expectation() {
    for (field, message) in [
        (
            json!({ "traceId": "0af7" }),
            r#"traceId: invalid value: string "0af7", expected 32 hex digits or an empty text"#,
        ),
        (
            json!({ "span_id": 7 }),
            "spanId: invalid type: integer `7`, expected 16 hex digits or an empty text",
        ),
        (
            json!({ "kind": "SERVER" }),
            r#"kind: invalid value: string "SERVER", expected a number or one of SPAN_KIND_UNSPECIFIED, "#,
        ),
        (
            json!({ "startTimeUnixNano": -1 }),
            "startTimeUnixNano: invalid value: integer `-1`, expected a whole number of 64 bits without a sign",
        ),
        (json!({ "startTimeUnixNano": "1.5" }), "startTimeUnixNano: invalid value: string \"1.5\""),
        (json!({ "endTimeUnixNano": 0.5 }), "endTimeUnixNano: invalid type: floating point `0.5`"),
        (json!({ "name": 1 }), "name: invalid type: integer `1`, expected text"),
        (json!({ "attributes": {} }), "attributes: invalid type: map, expected an array"),
        (json!({ "status": [] }), "status: invalid type: sequence, expected an object"),
        (json!({ "status": "ok" }), "status: invalid type: string \"ok\", expected an object"),
        (json!({ "events": [{}, null] }), "events[1]: invalid type: null, expected an object"),
        (
            json!({ "attributes": [{ "value": { "boolValue": "true" } }] }),
            "attributes[0].value.boolValue: invalid type: string \"true\", expected true or false",
        ),
        (
            json!({ "attributes": [{ "value": { "bytesValue": "?" } }] }),
            "attributes[0].value.bytesValue: invalid value: string \"?\", expected base64",
        ),
        (
            json!({ "attributes": [{ "value": { "doubleValue": "inf" } }] }),
            "attributes[0].value.doubleValue: invalid value: string \"inf\"",
        ),
    ] {
        let error = span(&field).unwrap_err();
        assert!(error.starts_with(&format!("resourceSpans[0].scopeSpans[0].spans[1].{message}")), "{error}");
        assert!(error.contains(" at line 1 column "), "{error}");
    }
    let of = |json: &str| metrics(json.as_bytes(), LIMIT).unwrap_err().to_string();
    assert_eq!(of("[]"), "invalid type: sequence, expected an object at line 1 column 2");
    assert_eq!(of("{} {}"), "trailing characters at line 1 column 4");
    assert_eq!(of(""), "EOF while parsing a value at line 1 column 0");
    let histogram = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[1,null]}]}}]}]}]}"#;
    assert!(of(histogram).starts_with("resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints[0].bucketCounts[1]: invalid type: null"), "{}", of(histogram));
}

/// What is wrong may be anything, a password too: no more of it than tells what it is.
#[test]
fn a_wrong_text_is_quoted_in_part() {
    let long = Json::from("x".repeat(100_000));
    let part = format!("string \"{}\", expected", "x".repeat(64));
    for field in [
        json!({ "traceId": long }),
        json!({ "status": long }),
        json!({ "events": long }),
        json!({ "events": [long] }),
        json!({ "kind": long }),
        json!({ "attributes": [{ "value": { "boolValue": long } }] }),
        json!({ "attributes": [{ "value": { "bytesValue": "?".repeat(100_000) } }] }),
    ] {
        let error = span(&field).unwrap_err();
        assert!(error.len() < 500 && error.replace('?', "x").contains(&part), "{error}");
    }
    assert!(traces(long.to_string().as_bytes(), LIMIT).unwrap_err().to_string().len() < 200);
}

#[test]
fn numbers_may_be_written_as_others_write_them() {
    let time = span(&json!({ "endTimeUnixNano": "1000" })).unwrap();
    for number in ["1000", "1e3", "1000.0", "\"1000\""] {
        let number: Json = serde_json::from_str(number).unwrap();
        assert_eq!(span(&json!({ "end_time_unix_nano": number })).unwrap(), time, "{number}");
    }
    for number in ["1e30", "-1e3", "\"\"", "\"1e3\"", "true", "18446744073709551616"] {
        let number: Json = serde_json::from_str(number).unwrap();
        assert!(span(&json!({ "endTimeUnixNano": number })).is_err(), "{number}");
    }
}

#[test]
fn fields_that_nothing_reads_are_kept_too() {
    let json = r#"{"resourceSpans":[{"schemaUrl":"s","scopeSpans":[{"spans":[{"traceState":"a=1","flags":257}]}]}]}"#;
    let within = |tag, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
    let scope = within(0x12, b"\x1a\x03a=1\x85\x01\x01\x01\0\0");
    let resource = [&b"\x1a\x01s"[..], &within(0x12, &scope)].concat();
    assert_eq!(traces(json.as_bytes(), LIMIT), Ok(within(0x0a, &resource)));
}

#[test]
fn what_grows_stays_within_the_limit() {
    let bounds = vec!["0"; 10_000].join(",");
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"explicitBounds":[{bounds}]}}]}}}}]}}]}}]}}"#
    );
    assert!(json.len() < 21_000);
    assert_eq!(metrics(json.as_bytes(), 50_000), Err(JsonError::TooLarge));
    let made = metrics(json.as_bytes(), 81_000).unwrap();
    assert!(made.len() > 80_000 && check::metrics(&made) == Ok(1));
    assert_eq!(metrics(json.as_bytes(), made.len()), Ok(made.clone()));
    assert_eq!(metrics(json.as_bytes(), made.len() - 1), Err(JsonError::TooLarge));
}

#[test]
fn depth_has_an_end() {
    let deep = |levels| {
        let (open, close) = (r#"{"arrayValue":{"values":["#.repeat(levels), "]}}".repeat(levels));
        let json =
            format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"value":{open}{close}}}]}}}}]}}"#);
        traces(json.as_bytes(), LIMIT)
    };
    assert!(deep(39).is_ok());
    assert!(deep(100).unwrap_err().to_string().contains("recursion limit exceeded"));
    let unknown = format!(r#"{{"unknown":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        traces(unknown.as_bytes(), LIMIT),
        Ok(Vec::new()),
        "what nothing reads may be as deep as it likes"
    );
}
