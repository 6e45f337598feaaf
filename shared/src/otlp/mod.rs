//! What applications send: the OTLP messages (opentelemetry-proto 1.x), trimmed to the fields that are used.
//!
//! Fields that nothing reads (descriptions, schema URLs, dropped counts) are left out: decoding skips them.

mod answer;
pub mod check;
mod common;
pub mod delta;
mod exponential;
pub mod grpc;
pub mod json;
mod metrics;
mod shape;
mod traces;
pub(crate) mod view;

pub use answer::{MetricsAnswer, PartialSuccess};
pub use common::{AnyValue, ArrayValue, KeyValue, KeyValueList, Resource, Scope, Value};
pub use exponential::Exponential;
pub use metrics::{
    Buckets, Exemplar, ExemplarValue, ExponentialHistogram, ExponentialHistogramPoint, Gauge, Histogram,
    HistogramPoint, Metric, MetricData, MetricsRequest, NO_RECORDED_VALUE, NumberPoint, NumberValue,
    Quantile, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryPoint, Temporality,
};
pub use traces::{Event, Link, ResourceSpans, ScopeSpans, Span, SpanKind, Status, StatusCode, TraceRequest};
