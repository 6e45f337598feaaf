//! The OTLP messages as tables, for [`super::check`]: the fields that the messages of [`super`] have, under their names
//! in opentelemetry-proto.

/// What is known of a message.
pub(super) struct Shape {
    /// Whether one such message is an item: a span or a data point.
    pub(super) is_item: bool,
    /// The fields that decoding reads.
    pub(super) fields: &'static [Field],
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

/// What a field holds, as far as the wire can tell.
#[derive(Clone, Copy)]
pub(super) enum Type {
    /// A number of variable length.
    Varint,
    /// Any number of these, packed or not.
    Varints,
    /// Eight bytes.
    Fixed64,
    /// Any number of these, packed or not.
    Fixed64s,
    /// UTF-8.
    Text,
    /// Any bytes.
    Bytes,
    /// A message, or any number of them.
    Message(&'static Shape),
    /// A message that excludes the other choices of the message that it is in.
    Choice(&'static Shape),
}

use Type::{Bytes, Choice, Fixed64, Fixed64s, Message, Text, Varint, Varints};

const fn field(tag: u32, name: &'static str, kind: Type) -> Field {
    Field { tag, name, kind }
}

const fn part(fields: &'static [Field]) -> Shape {
    Shape { is_item: false, fields }
}

const fn item(fields: &'static [Field]) -> Shape {
    Shape { is_item: true, fields }
}

pub(super) static TRACE_REQUEST: Shape = part(&[field(1, "resource_spans", Message(&RESOURCE_SPANS))]);

static RESOURCE_SPANS: Shape =
    part(&[field(1, "resource", Message(&RESOURCE)), field(2, "scope_spans", Message(&SCOPE_SPANS))]);

static SCOPE_SPANS: Shape = part(&[field(1, "scope", Message(&SCOPE)), field(2, "spans", Message(&SPAN))]);

static SPAN: Shape = item(&[
    field(1, "trace_id", Bytes),
    field(2, "span_id", Bytes),
    field(4, "parent_span_id", Bytes),
    field(5, "name", Text),
    field(6, "kind", Varint),
    field(7, "start_time_unix_nano", Fixed64),
    field(8, "end_time_unix_nano", Fixed64),
    field(9, "attributes", Message(&KEY_VALUE)),
    field(11, "events", Message(&EVENT)),
    field(13, "links", Message(&LINK)),
    field(15, "status", Message(&STATUS)),
]);

static EVENT: Shape = part(&[
    field(1, "time_unix_nano", Fixed64),
    field(2, "name", Text),
    field(3, "attributes", Message(&KEY_VALUE)),
]);

static LINK: Shape = part(&[
    field(1, "trace_id", Bytes),
    field(2, "span_id", Bytes),
    field(4, "attributes", Message(&KEY_VALUE)),
]);

static STATUS: Shape = part(&[field(2, "message", Text), field(3, "code", Varint)]);

pub(super) static METRICS_REQUEST: Shape = part(&[field(1, "resource_metrics", Message(&RESOURCE_METRICS))]);

static RESOURCE_METRICS: Shape =
    part(&[field(1, "resource", Message(&RESOURCE)), field(2, "scope_metrics", Message(&SCOPE_METRICS))]);

static SCOPE_METRICS: Shape =
    part(&[field(1, "scope", Message(&SCOPE)), field(2, "metrics", Message(&METRIC))]);

static METRIC: Shape = part(&[
    field(1, "name", Text),
    field(2, "description", Text),
    field(3, "unit", Text),
    field(5, "gauge", Choice(&GAUGE)),
    field(7, "sum", Choice(&SUM)),
    field(9, "histogram", Choice(&HISTOGRAM)),
    field(10, "exponential_histogram", Choice(&EXPONENTIAL_HISTOGRAM)),
    field(11, "summary", Choice(&SUMMARY)),
]);

static GAUGE: Shape = part(&[field(1, "data_points", Message(&NUMBER_POINT))]);

static SUM: Shape = part(&[
    field(1, "data_points", Message(&NUMBER_POINT)),
    field(2, "aggregation_temporality", Varint),
    field(3, "is_monotonic", Varint),
]);

static HISTOGRAM: Shape =
    part(&[field(1, "data_points", Message(&HISTOGRAM_POINT)), field(2, "aggregation_temporality", Varint)]);

static EXPONENTIAL_HISTOGRAM: Shape = part(&[
    field(1, "data_points", Message(&EXPONENTIAL_HISTOGRAM_POINT)),
    field(2, "aggregation_temporality", Varint),
]);

static SUMMARY: Shape = part(&[field(1, "data_points", Message(&SUMMARY_POINT))]);

static NUMBER_POINT: Shape = item(&[
    field(2, "start_time_unix_nano", Fixed64),
    field(3, "time_unix_nano", Fixed64),
    field(4, "as_double", Fixed64),
    field(5, "exemplars", Message(&EXEMPLAR)),
    field(6, "as_int", Fixed64),
    field(7, "attributes", Message(&KEY_VALUE)),
    field(8, "flags", Varint),
]);

static HISTOGRAM_POINT: Shape = item(&[
    field(2, "start_time_unix_nano", Fixed64),
    field(3, "time_unix_nano", Fixed64),
    field(4, "count", Fixed64),
    field(5, "sum", Fixed64),
    field(6, "bucket_counts", Fixed64s),
    field(7, "explicit_bounds", Fixed64s),
    field(8, "exemplars", Message(&EXEMPLAR)),
    field(9, "attributes", Message(&KEY_VALUE)),
    field(10, "flags", Varint),
]);

static EXPONENTIAL_HISTOGRAM_POINT: Shape = item(&[
    field(1, "attributes", Message(&KEY_VALUE)),
    field(2, "start_time_unix_nano", Fixed64),
    field(3, "time_unix_nano", Fixed64),
    field(4, "count", Fixed64),
    field(5, "sum", Fixed64),
    field(6, "scale", Varint),
    field(7, "zero_count", Fixed64),
    field(8, "positive", Message(&BUCKETS)),
    field(9, "negative", Message(&BUCKETS)),
    field(10, "flags", Varint),
    field(11, "exemplars", Message(&EXEMPLAR)),
    field(14, "zero_threshold", Fixed64),
]);

static BUCKETS: Shape = part(&[field(1, "offset", Varint), field(2, "bucket_counts", Varints)]);

static SUMMARY_POINT: Shape = item(&[
    field(2, "start_time_unix_nano", Fixed64),
    field(3, "time_unix_nano", Fixed64),
    field(4, "count", Fixed64),
    field(5, "sum", Fixed64),
    field(6, "quantile_values", Message(&QUANTILE)),
    field(7, "attributes", Message(&KEY_VALUE)),
    field(8, "flags", Varint),
]);

static QUANTILE: Shape = part(&[field(1, "quantile", Fixed64), field(2, "value", Fixed64)]);

static EXEMPLAR: Shape = part(&[
    field(2, "time_unix_nano", Fixed64),
    field(3, "as_double", Fixed64),
    field(4, "span_id", Bytes),
    field(5, "trace_id", Bytes),
    field(6, "as_int", Fixed64),
    field(7, "filtered_attributes", Message(&KEY_VALUE)),
]);

static RESOURCE: Shape = part(&[field(1, "attributes", Message(&KEY_VALUE))]);

static SCOPE: Shape =
    part(&[field(1, "name", Text), field(2, "version", Text), field(3, "attributes", Message(&KEY_VALUE))]);

static KEY_VALUE: Shape = part(&[field(1, "key", Text), field(2, "value", Message(&ANY_VALUE))]);

static ANY_VALUE: Shape = part(&[
    field(1, "string_value", Text),
    field(2, "bool_value", Varint),
    field(3, "int_value", Varint),
    field(4, "double_value", Fixed64),
    field(5, "array_value", Message(&ARRAY_VALUE)),
    field(6, "kvlist_value", Message(&KEY_VALUE_LIST)),
    field(7, "bytes_value", Bytes),
]);

static ARRAY_VALUE: Shape = part(&[field(1, "values", Message(&ANY_VALUE))]);

static KEY_VALUE_LIST: Shape = part(&[field(1, "values", Message(&KEY_VALUE))]);
