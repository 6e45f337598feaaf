//! Says whether bytes are an OTLP request, and how many items it holds, without building the messages.
//!
//! A receiver that stores requests as received needs no more than that. The walk follows the tables of `shape.rs`,
//! allocates nothing, and accepts exactly what decoding the messages of [`super`] would: the encoding's rules
//! (<https://protobuf.dev/programming-guides/encoding/>), UTF-8 in text, at most 100 messages within each other.

use std::fmt;

use super::shape::{METRICS_REQUEST, Shape, TRACE_REQUEST, Type};

/// Messages (and groups of unknown fields) within each other that decoding takes.
const NESTING_LIMIT: u32 = 100;

/// The number of spans in an `ExportTraceServiceRequest`.
///
/// # Errors
/// [`Fault`]: the first place where the bytes are no such message.
pub fn traces(bytes: &[u8]) -> Result<u64, Fault> {
    Walk { bytes, at: 0 }.message(&TRACE_REQUEST, bytes.len(), NESTING_LIMIT)
}

/// The number of data points in an `ExportMetricsServiceRequest`.
///
/// # Errors
/// [`Fault`]: the first place where the bytes are no such message.
pub fn metrics(bytes: &[u8]) -> Result<u64, Fault> {
    Walk { bytes, at: 0 }.message(&METRICS_REQUEST, bytes.len(), NESTING_LIMIT)
}

/// Where and why bytes are not the message they should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset from the first byte of the request.
    pub at: usize,
    /// What is wrong there.
    pub problem: &'static str,
    /// Field names from the innermost out.
    path: Vec<&'static str>,
}

impl Fault {
    fn within(mut self, field: &'static str) -> Self {
        self.path.push(field);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outer, name) in self.path.iter().rev().enumerate() {
            write!(f, "{}{name}", if outer == 0 { "" } else { "." })?;
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{} at byte {}", self.problem, self.at)
    }
}

impl std::error::Error for Fault {}

/// How a value lies on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WireType {
    Varint,
    Fixed64,
    Delimited,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl WireType {
    const fn of(bits: u64) -> Option<Self> {
        Some(match bits {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Delimited,
            3 => Self::GroupStart,
            4 => Self::GroupEnd,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// A place within the request. Every method leaves it behind what it has checked.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// Checks a message that ends at `end` and counts the items in it.
    fn message(&mut self, shape: &Shape, end: usize, nesting: u32) -> Result<u64, Fault> {
        let mut items = u64::from(shape.is_item);
        let (mut chosen, mut chosen_items) = (0, 0);
        while self.at < end {
            let key_at = self.at;
            let (tag, wire_type) = self.key(end)?;
            let Some(field) = shape.fields.iter().find(|field| field.tag == tag) else {
                self.skip(tag, wire_type, end, nesting).map_err(|fault| fault.within("unknown field"))?;
                continue;
            };
            let found =
                self.value(field.kind, wire_type, key_at, end, nesting).map_err(|f| f.within(field.name))?;
            match field.kind {
                // Of several alternatives on the wire the last one counts; one that comes again is merged.
                Type::Choice(_) if chosen == tag => chosen_items += found,
                Type::Choice(_) => (chosen, chosen_items) = (tag, found),
                _ => items += found,
            }
        }
        Ok(items + chosen_items)
    }

    fn value(
        &mut self,
        kind: Type,
        wire_type: WireType,
        key_at: usize,
        end: usize,
        nesting: u32,
    ) -> Result<u64, Fault> {
        match (kind, wire_type) {
            (Type::Varint | Type::Varints, WireType::Varint) => self.varint(end).map(|_| 0),
            (Type::Fixed64 | Type::Fixed64s, WireType::Fixed64) => self.take(8, end).map(|_| 0),
            (Type::Bytes, WireType::Delimited) => self.delimited(end).map(|_| 0),
            (Type::Text, WireType::Delimited) => self.text(end),
            (Type::Varints | Type::Fixed64s, WireType::Delimited) => self.packed(kind, end),
            (Type::Message(shape) | Type::Choice(shape), WireType::Delimited) => {
                let nesting = self.deeper(nesting)?;
                let end = self.end_of_delimited(end)?;
                self.message(shape, end, nesting)
            }
            _ => Err(Self::fault(key_at, "wire type is not this field's")),
        }
    }

    fn text(&mut self, end: usize) -> Result<u64, Fault> {
        let text = self.delimited(end)?;
        let start = self.at - text.len();
        match std::str::from_utf8(text) {
            Ok(_) => Ok(0),
            Err(error) => Err(Self::fault(start + error.valid_up_to(), "text is not UTF-8")),
        }
    }

    fn packed(&mut self, kind: Type, end: usize) -> Result<u64, Fault> {
        let end = self.end_of_delimited(end)?;
        while self.at < end {
            match kind {
                Type::Varints => self.varint(end).map(|_| ())?,
                _ => self.take(8, end).map(|_| ())?,
            }
        }
        Ok(0)
    }

    /// Passes over a field that no table names.
    fn skip(&mut self, tag: u32, wire_type: WireType, end: usize, nesting: u32) -> Result<(), Fault> {
        let deeper = self.deeper(nesting)?;
        match wire_type {
            WireType::Varint => self.varint(end).map(|_| ()),
            WireType::Fixed64 => self.take(8, end).map(|_| ()),
            WireType::Fixed32 => self.take(4, end).map(|_| ()),
            WireType::Delimited => self.delimited(end).map(|_| ()),
            WireType::GroupStart => self.skip_group(tag, end, deeper),
            WireType::GroupEnd => Err(Self::fault(self.at, "group ends that never began")),
        }
    }

    fn skip_group(&mut self, tag: u32, end: usize, nesting: u32) -> Result<(), Fault> {
        loop {
            let key_at = self.at;
            let (inner, wire_type) = self.key(end)?;
            if wire_type != WireType::GroupEnd {
                self.skip(inner, wire_type, end, nesting)?;
            } else if inner == tag {
                return Ok(());
            } else {
                return Err(Self::fault(key_at, "group ends that never began"));
            }
        }
    }

    /// A field number and wire type.
    fn key(&mut self, end: usize) -> Result<(u32, WireType), Fault> {
        let at = self.at;
        let key = self.varint(end)?;
        let tag = u32::try_from(key).map_err(|_| Self::fault(at, "field number is too large"))? >> 3;
        if tag == 0 {
            return Err(Self::fault(at, "field number is 0"));
        }
        let wire_type = WireType::of(key & 7).ok_or_else(|| Self::fault(at, "wire type is unknown"))?;
        Ok((tag, wire_type))
    }

    fn varint(&mut self, end: usize) -> Result<u64, Fault> {
        let rest = self.bytes.get(self.at..end).unwrap_or_default();
        let mut value = 0;
        for (index, byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    break;
                }
                self.at += index + 1;
                return Ok(value);
            }
        }
        let problem = if rest.len() < 10 { "number is cut off" } else { "number is over 64 bits" };
        Err(Self::fault(self.at, problem))
    }

    fn end_of_delimited(&mut self, end: usize) -> Result<usize, Fault> {
        let at = self.at;
        let length = self.varint(end)?;
        match usize::try_from(length).ok().and_then(|length| self.at.checked_add(length)) {
            Some(inner) if inner <= end => Ok(inner),
            _ => Err(Self::fault(at, "length passes the end of what holds it")),
        }
    }

    fn delimited(&mut self, end: usize) -> Result<&'a [u8], Fault> {
        let inner = self.end_of_delimited(end)?;
        self.take(inner - self.at, end)
    }

    fn take(&mut self, count: usize, end: usize) -> Result<&'a [u8], Fault> {
        let taken = self.bytes.get(self.at..end).and_then(|rest| rest.get(..count));
        let taken = taken.ok_or_else(|| Self::fault(self.at, "value is cut off"))?;
        self.at += count;
        Ok(taken)
    }

    fn deeper(&self, nesting: u32) -> Result<u32, Fault> {
        nesting.checked_sub(1).ok_or_else(|| Self::fault(self.at, "nested more than 100 deep"))
    }

    const fn fault(at: usize, problem: &'static str) -> Fault {
        Fault { at, problem, path: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::otlp::{
        AnyValue, ArrayValue, KeyValue, MetricData, MetricsRequest, Resource, ResourceSpans, ScopeSpans,
        Span, TraceRequest, Value,
    };

    /// Draws that a test can repeat: splitmix64.
    struct Draw(u64);

    impl Draw {
        fn byte(&mut self) -> u8 {
            u8::try_from(self.below(256)).unwrap()
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 31) % bound
        }

        fn index(&mut self, bound: usize) -> usize {
            usize::try_from(self.below(bound as u64)).unwrap()
        }
    }

    fn put_varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        out.push(u8::try_from(value).unwrap());
    }

    fn put_delimited(bytes: &[u8], out: &mut Vec<u8>) {
        put_varint(bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }

    /// A message of `shape` with any of its fields, some of them repeated, and now and then one that it doesn't know.
    fn message(shape: &Shape, depth: u32, draw: &mut Draw) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..draw.below(if depth > 12 { 2 } else { 5 }) {
            let field = &shape.fields[draw.index(shape.fields.len())];
            let (wire_type, mut value) = (field.kind, Vec::new());
            if draw.below(12) == 0 {
                any_field(draw, &mut out);
            }
            let bits = match wire_type {
                Type::Varint => {
                    put_varint(draw.below(u64::MAX) >> draw.below(64), &mut value);
                    0
                }
                Type::Varints => {
                    let mut packed = Vec::new();
                    (0..draw.below(4)).for_each(|_| put_varint(draw.below(1 << 40), &mut packed));
                    put_delimited(&packed, &mut value);
                    2
                }
                Type::Fixed64 => {
                    value.extend_from_slice(&draw.below(u64::MAX).to_le_bytes());
                    1
                }
                Type::Fixed64s => {
                    put_delimited(&vec![7; 8 * draw.index(4)], &mut value);
                    2
                }
                Type::Text => {
                    put_delimited(["", "name", "größe", "✓"][draw.index(4)].as_bytes(), &mut value);
                    2
                }
                Type::Bytes => {
                    put_delimited(&vec![0xff; draw.index(20)], &mut value);
                    2
                }
                Type::Message(inner) | Type::Choice(inner) => {
                    put_delimited(&message(inner, depth + 1, draw), &mut value);
                    2
                }
            };
            put_varint(u64::from(field.tag) << 3 | bits, &mut out);
            out.extend_from_slice(&value);
        }
        out
    }

    /// A field of any number and wire type, well formed in itself.
    fn any_field(draw: &mut Draw, out: &mut Vec<u8>) {
        let (tag, bits) = (1 + draw.below(20), draw.below(6));
        put_varint(tag << 3 | bits, out);
        match bits {
            0 => put_varint(draw.below(u64::MAX), out),
            1 => out.extend_from_slice(&[1; 8]),
            2 => put_delimited(b"\x08\x01", out),
            3 => {
                any_field(draw, out);
                put_varint(tag << 3 | 4, out);
            }
            5 => out.extend_from_slice(&[1; 4]),
            _ => {}
        }
    }

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
            let mut bytes = message(shape, 0, draw);
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
            if let Type::Message(inner) | Type::Choice(inner) = field.kind {
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
}
