//! The OTLP messages as tables, for [`super::check`] and [`super::json`]: the fields that the messages of [`super`] have,
//! under their names in opentelemetry-proto, and those that JSON may have beside them.

/// What is known of a message.
pub(super) struct Shape {
    /// Whether one such message is an item: a span or a data point.
    pub(super) is_item: bool,
    /// The fields that decoding reads.
    pub(super) fields: &'static [Field],
    /// Fields that nothing here reads. JSON that becomes protobuf keeps them, as protobuf that is stored as it came does.
    pub(super) unread: &'static [Field],
}

/// One field.
pub(super) struct Field {
    /// Its number.
    pub(super) tag: u32,
    /// Its name.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Type,
}

/// What a field holds. [`super::check`] looks at what the wire can tell, JSON needs to know the rest too.
#[derive(Clone, Copy)]
pub(super) enum Type {
    /// A number of variable length.
    Varint(Varint),
    /// Any number of whole numbers of 64 bits without a sign, packed or not.
    Varints,
    /// Eight bytes.
    Fixed64(Fixed64),
    /// Any number of these, packed or not.
    Fixed64s(Fixed64),
    /// A whole number in four bytes.
    Fixed32,
    /// UTF-8.
    Text,
    /// Any bytes.
    Bytes(Bytes),
    /// A message.
    Message(&'static Shape),
    /// Any number of messages.
    Messages(&'static Shape),
    /// A message that excludes the other choices of the message that it is in.
    Choice(&'static Shape),
}

/// What a number of variable length stands for.
#[derive(Clone, Copy)]
pub(super) enum Varint {
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int64,
    /// One of 64 bits without a sign.
    Uint64,
    /// One of 32 bits without a sign.
    Uint32,
    /// One of 32 bits whose sign is its lowest bit on the wire.
    Sint32,
    /// A choice, by number: the names from 0 on.
    Enum(&'static [&'static str]),
}

/// What eight bytes stand for.
#[derive(Clone, Copy)]
pub(super) enum Fixed64 {
    /// A whole number without a sign.
    Uint,
    /// One with a sign.
    Int,
    /// A real number.
    Double,
}

/// What bytes are in JSON.
#[derive(Clone, Copy)]
pub(super) enum Bytes {
    /// So many bytes or none, as hex.
    Id(usize),
    /// Base64.
    Base64,
}

use Type::{Choice, Fixed32, Fixed64s, Message, Messages, Text, Varints};

const BOOL: Type = Type::Varint(Varint::Bool);
const INT64: Type = Type::Varint(Varint::Int64);
const UINT32: Type = Type::Varint(Varint::Uint32);
const SINT32: Type = Type::Varint(Varint::Sint32);
const UINT64: Type = Type::Fixed64(Fixed64::Uint);
const SFIXED64: Type = Type::Fixed64(Fixed64::Int);
const DOUBLE: Type = Type::Fixed64(Fixed64::Double);
const TRACE_ID: Type = Type::Bytes(Bytes::Id(16));
const SPAN_ID: Type = Type::Bytes(Bytes::Id(8));
const BASE64: Type = Type::Bytes(Bytes::Base64);

const SPAN_KIND: Type = Type::Varint(Varint::Enum(&[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
]));
const STATUS_CODE: Type =
    Type::Varint(Varint::Enum(&["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]));
const TEMPORALITY: Type = Type::Varint(Varint::Enum(&[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
]));

const fn field(tag: u32, name: &'static str, kind: Type) -> Field {
    Field { tag, name, kind }
}

const fn part(fields: &'static [Field]) -> Shape {
    Shape { is_item: false, fields, unread: &[] }
}

const fn item(fields: &'static [Field]) -> Shape {
    Shape { is_item: true, fields, unread: &[] }
}

impl Shape {
    const fn beside(self, unread: &'static [Field]) -> Self {
        Self { unread, ..self }
    }
}

pub(super) static TRACE_REQUEST: Shape = part(&[field(1, "resource_spans", Messages(&RESOURCE_SPANS))]);

static RESOURCE_SPANS: Shape =
    part(&[field(1, "resource", Message(&RESOURCE)), field(2, "scope_spans", Messages(&SCOPE_SPANS))])
        .beside(&[field(3, "schema_url", Text)]);

static SCOPE_SPANS: Shape = part(&[field(1, "scope", Message(&SCOPE)), field(2, "spans", Messages(&SPAN))])
    .beside(&[field(3, "schema_url", Text)]);

static SPAN: Shape = item(&[
    field(1, "trace_id", TRACE_ID),
    field(2, "span_id", SPAN_ID),
    field(4, "parent_span_id", SPAN_ID),
    field(5, "name", Text),
    field(6, "kind", SPAN_KIND),
    field(7, "start_time_unix_nano", UINT64),
    field(8, "end_time_unix_nano", UINT64),
    field(9, "attributes", Messages(&KEY_VALUE)),
    field(11, "events", Messages(&EVENT)),
    field(13, "links", Messages(&LINK)),
    field(15, "status", Message(&STATUS)),
])
.beside(&[
    field(3, "trace_state", Text),
    field(10, "dropped_attributes_count", UINT32),
    field(12, "dropped_events_count", UINT32),
    field(14, "dropped_links_count", UINT32),
    field(16, "flags", Fixed32),
]);

static EVENT: Shape = part(&[
    field(1, "time_unix_nano", UINT64),
    field(2, "name", Text),
    field(3, "attributes", Messages(&KEY_VALUE)),
])
.beside(&[field(4, "dropped_attributes_count", UINT32)]);

static LINK: Shape = part(&[
    field(1, "trace_id", TRACE_ID),
    field(2, "span_id", SPAN_ID),
    field(4, "attributes", Messages(&KEY_VALUE)),
])
.beside(&[
    field(3, "trace_state", Text),
    field(5, "dropped_attributes_count", UINT32),
    field(6, "flags", Fixed32),
]);

static STATUS: Shape = part(&[field(2, "message", Text), field(3, "code", STATUS_CODE)]);

pub(super) static METRICS_REQUEST: Shape = part(&[field(1, "resource_metrics", Messages(&RESOURCE_METRICS))]);

static RESOURCE_METRICS: Shape =
    part(&[field(1, "resource", Message(&RESOURCE)), field(2, "scope_metrics", Messages(&SCOPE_METRICS))])
        .beside(&[field(3, "schema_url", Text)]);

static SCOPE_METRICS: Shape =
    part(&[field(1, "scope", Message(&SCOPE)), field(2, "metrics", Messages(&METRIC))]).beside(&[field(
        3,
        "schema_url",
        Text,
    )]);

static METRIC: Shape = part(&[
    field(1, "name", Text),
    field(2, "description", Text),
    field(3, "unit", Text),
    field(5, "gauge", Choice(&GAUGE)),
    field(7, "sum", Choice(&SUM)),
    field(9, "histogram", Choice(&HISTOGRAM)),
    field(10, "exponential_histogram", Choice(&EXPONENTIAL_HISTOGRAM)),
    field(11, "summary", Choice(&SUMMARY)),
])
.beside(&[field(12, "metadata", Messages(&KEY_VALUE))]);

static GAUGE: Shape = part(&[field(1, "data_points", Messages(&NUMBER_POINT))]);

static SUM: Shape = part(&[
    field(1, "data_points", Messages(&NUMBER_POINT)),
    field(2, "aggregation_temporality", TEMPORALITY),
    field(3, "is_monotonic", BOOL),
]);

static HISTOGRAM: Shape = part(&[
    field(1, "data_points", Messages(&HISTOGRAM_POINT)),
    field(2, "aggregation_temporality", TEMPORALITY),
]);

static EXPONENTIAL_HISTOGRAM: Shape = part(&[
    field(1, "data_points", Messages(&EXPONENTIAL_HISTOGRAM_POINT)),
    field(2, "aggregation_temporality", TEMPORALITY),
]);

static SUMMARY: Shape = part(&[field(1, "data_points", Messages(&SUMMARY_POINT))]);

static NUMBER_POINT: Shape = item(&[
    field(2, "start_time_unix_nano", UINT64),
    field(3, "time_unix_nano", UINT64),
    field(4, "as_double", DOUBLE),
    field(5, "exemplars", Messages(&EXEMPLAR)),
    field(6, "as_int", SFIXED64),
    field(7, "attributes", Messages(&KEY_VALUE)),
    field(8, "flags", UINT32),
]);

static HISTOGRAM_POINT: Shape = item(&[
    field(2, "start_time_unix_nano", UINT64),
    field(3, "time_unix_nano", UINT64),
    field(4, "count", UINT64),
    field(5, "sum", DOUBLE),
    field(6, "bucket_counts", Fixed64s(Fixed64::Uint)),
    field(7, "explicit_bounds", Fixed64s(Fixed64::Double)),
    field(8, "exemplars", Messages(&EXEMPLAR)),
    field(9, "attributes", Messages(&KEY_VALUE)),
    field(10, "flags", UINT32),
])
.beside(&[field(11, "min", DOUBLE), field(12, "max", DOUBLE)]);

static EXPONENTIAL_HISTOGRAM_POINT: Shape = item(&[
    field(1, "attributes", Messages(&KEY_VALUE)),
    field(2, "start_time_unix_nano", UINT64),
    field(3, "time_unix_nano", UINT64),
    field(4, "count", UINT64),
    field(5, "sum", DOUBLE),
    field(6, "scale", SINT32),
    field(7, "zero_count", UINT64),
    field(8, "positive", Message(&BUCKETS)),
    field(9, "negative", Message(&BUCKETS)),
    field(10, "flags", UINT32),
    field(11, "exemplars", Messages(&EXEMPLAR)),
    field(14, "zero_threshold", DOUBLE),
])
.beside(&[field(12, "min", DOUBLE), field(13, "max", DOUBLE)]);

static BUCKETS: Shape = part(&[field(1, "offset", SINT32), field(2, "bucket_counts", Varints)]);

static SUMMARY_POINT: Shape = item(&[
    field(2, "start_time_unix_nano", UINT64),
    field(3, "time_unix_nano", UINT64),
    field(4, "count", UINT64),
    field(5, "sum", DOUBLE),
    field(6, "quantile_values", Messages(&QUANTILE)),
    field(7, "attributes", Messages(&KEY_VALUE)),
    field(8, "flags", UINT32),
]);

static QUANTILE: Shape = part(&[field(1, "quantile", DOUBLE), field(2, "value", DOUBLE)]);

static EXEMPLAR: Shape = part(&[
    field(2, "time_unix_nano", UINT64),
    field(3, "as_double", DOUBLE),
    field(4, "span_id", SPAN_ID),
    field(5, "trace_id", TRACE_ID),
    field(6, "as_int", SFIXED64),
    field(7, "filtered_attributes", Messages(&KEY_VALUE)),
]);

static RESOURCE: Shape = part(&[field(1, "attributes", Messages(&KEY_VALUE))]).beside(&[field(
    2,
    "dropped_attributes_count",
    UINT32,
)]);

static SCOPE: Shape =
    part(&[field(1, "name", Text), field(2, "version", Text), field(3, "attributes", Messages(&KEY_VALUE))])
        .beside(&[field(4, "dropped_attributes_count", UINT32)]);

static KEY_VALUE: Shape = part(&[field(1, "key", Text), field(2, "value", Message(&ANY_VALUE))]);

static ANY_VALUE: Shape = part(&[
    field(1, "string_value", Text),
    field(2, "bool_value", BOOL),
    field(3, "int_value", INT64),
    field(4, "double_value", DOUBLE),
    field(5, "array_value", Message(&ARRAY_VALUE)),
    field(6, "kvlist_value", Message(&KEY_VALUE_LIST)),
    field(7, "bytes_value", BASE64),
]);

static ARRAY_VALUE: Shape = part(&[field(1, "values", Messages(&ANY_VALUE))]);

static KEY_VALUE_LIST: Shape = part(&[field(1, "values", Messages(&KEY_VALUE))]);
