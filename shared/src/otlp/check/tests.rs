use proptest::prelude::*;
use prost::Message as _;

use super::{
    testing::{Draw, drawn, put_delimited, put_varint},
    *,
};
use crate::otlp::{
    AnyValue, ArrayValue, KeyValue, MetricData, MetricsRequest, Resource, ResourceSpans, ScopeSpans, Span,
    TraceRequest, Value,
};

fn mutate(bytes: &mut Vec<u8>, draw: &mut Draw) {
    for _ in 0..draw.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = draw.index(bytes.len());
        match draw.below(5) {
            0 => bytes[at] ^= 1 << draw.below(8),
            1 => bytes[at] = draw.byte(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, draw.byte()),
            _ => drop(bytes.remove(at)),
        }
    }
}

fn spans(request: &TraceRequest) -> u64 {
    request.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len() as u64).sum()
}

fn points(request: &MetricsRequest) -> u64 {
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
    let points = metrics.map(|metric| match &metric.data {
        None => 0,
        Some(MetricData::Gauge(gauge)) => gauge.points.len(),
        Some(MetricData::Sum(sum)) => sum.points.len(),
        Some(MetricData::Histogram(histogram)) => histogram.points.len(),
        Some(MetricData::ExponentialHistogram(histogram)) => histogram.points.len(),
        Some(MetricData::Summary(summary)) => summary.points.len(),
    });
    points.sum::<usize>() as u64
}

fn agrees(bytes: &[u8]) {
    let decoded = TraceRequest::decode(bytes).ok().map(|request| spans(&request));
    assert_eq!(traces(bytes).ok(), decoded, "traces {}: {:?}", hex::encode(bytes), traces(bytes));
    let decoded = MetricsRequest::decode(bytes).ok().map(|request| points(&request));
    assert_eq!(metrics(bytes).ok(), decoded, "metrics {}: {:?}", hex::encode(bytes), metrics(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn it_takes_what_decoding_takes_and_counts_the_same(seed in any::<u64>()) {
        let draw = &mut Draw(seed);
        let shape = [&TRACE_REQUEST, &METRICS_REQUEST][draw.index(2)];
        let mut bytes = drawn(shape, 0, draw);
        agrees(&bytes);
        mutate(&mut bytes, draw);
        agrees(&bytes);
    }

    #[test]
    fn it_agrees_with_decoding_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        agrees(&bytes);
    }
}

/// `bytes` as the field of that wire type (a message, as a rule), under each of `path`, the outermost first.
fn wrapped(path: &[u32], bytes: &[u8]) -> Vec<u8> {
    path.iter().rev().fold(bytes.to_vec(), |inner, tag| {
        let mut out = Vec::new();
        put_varint(u64::from(*tag) << 3 | 2, &mut out);
        put_delimited(&inner, &mut out);
        out
    })
}

/// Values that tell all types apart: each is right for some of them and wrong for the others.
fn every_field(path: &[u32]) {
    let values: [(u64, &[u8]); 9] = [
        (0, &[1]),
        (1, &[1; 8]),
        (2, &[0]),
        (2, &[1, 0xff]),
        (2, &[2, 0x08, 0x01]),
        (2, &[8, 1, 1, 1, 1, 1, 1, 1, 1]),
        (3, &[]),
        (4, &[]),
        (5, &[1; 4]),
    ];
    for tag in 1..=20 {
        for (bits, value) in values {
            let mut bytes = Vec::new();
            put_varint(tag << 3 | bits, &mut bytes);
            bytes.extend_from_slice(value);
            agrees(&wrapped(path, &bytes));
        }
    }
}

fn every_message(shape: &Shape, path: &mut Vec<u32>, seen: &mut Vec<*const Shape>) {
    if seen.contains(&std::ptr::from_ref(shape)) {
        return;
    }
    seen.push(shape);
    every_field(path);
    for field in shape.fields {
        if let Type::Message(inner) | Type::Messages(inner) | Type::Choice(inner) = field.kind {
            path.push(field.tag);
            every_message(inner, path, seen);
            path.pop();
        }
    }
}

#[test]
fn every_field_of_every_message_is_of_the_type_that_decoding_takes() {
    let mut seen = Vec::new();
    every_message(&TRACE_REQUEST, &mut Vec::new(), &mut seen);
    every_message(&METRICS_REQUEST, &mut Vec::new(), &mut seen);
    assert_eq!(seen.len(), 29, "messages of the tables");
}

#[test]
fn a_number_has_64_bits() {
    for (continued, last) in [(8, 0x7f), (9, 0x01), (9, 0x02), (9, 0x7f), (10, 0x00), (10, 0x01)] {
        let number = [vec![0x80; continued], vec![last]].concat();
        agrees(&[vec![0x50], number.clone()].concat());
        agrees(&number);
    }
}

fn request_with(value: AnyValue) -> Vec<u8> {
    let attributes = vec![KeyValue { key: "key".into(), value: Some(value) }];
    let resource = Some(Resource { attributes });
    let scope_spans = vec![ScopeSpans { scope: None, spans: vec![Span::default(), Span::default()] }];
    TraceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans }] }.encode_to_vec()
}

#[test]
fn nesting_ends_where_decoding_ends_it() {
    let mut value = AnyValue { value: Some(Value::Int(1)) };
    let mut verdicts = Vec::new();
    for _ in 0..60 {
        let bytes = request_with(value.clone());
        agrees(&bytes);
        verdicts.push(traces(&bytes).is_ok());
        value = AnyValue { value: Some(Value::Array(ArrayValue { values: vec![value] })) };
    }
    assert_eq!((verdicts[0], verdicts[59]), (true, false));
    for depth in 90..110 {
        agrees(&[vec![0x7b; depth], vec![0x7c; depth]].concat());
    }
}

#[test]
fn a_fault_names_field_and_byte() {
    let mut bytes = request_with(AnyValue { value: Some(Value::String("vvvv".into())) });
    assert_eq!(traces(&bytes), Ok(2));
    let at = bytes.windows(4).position(|window| window == b"vvvv").unwrap();
    bytes[at + 2] = 0xff;
    assert_eq!(
        traces(&bytes).unwrap_err().to_string(),
        format!(
            "resource_spans.resource.attributes.value.string_value: text is not UTF-8 at byte {}",
            at + 2
        )
    );
    assert_eq!(traces(b"\x0a").unwrap_err().to_string(), "resource_spans: number is cut off at byte 1");
    assert_eq!(traces(b"\x0f").unwrap_err().to_string(), "wire type is unknown at byte 0");
    assert_eq!(
        metrics(b"\x08\x01").unwrap_err().to_string(),
        "resource_metrics: wire type is not this field's at byte 0"
    );
}
