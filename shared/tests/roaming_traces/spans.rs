//! Spans of every kind, with the attributes that mean something, of every type, given once, twice or not at all.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use siphon_core::otlp::{
    AnyValue, ArrayValue, Event, KeyValue, KeyValueList, Link, Resource, ResourceSpans, ScopeSpans, Span,
    Status, TraceRequest, Value,
};
use siphon_core::xray::Options;

/// The keys that mean something to a span.
pub(crate) const SPAN_KEYS: &[&str] = &[
    "http.method",
    "http.request.method",
    "http.client_ip",
    "http.user_agent",
    "user_agent.original",
    "http.status_code",
    "http.response.status_code",
    "http.status_text",
    "http.url",
    "url.full",
    "http.scheme",
    "url.scheme",
    "http.host",
    "http.target",
    "http.server_name",
    "net.host.port",
    "url.path",
    "url.query",
    "host.name",
    "net.host.name",
    "net.peer.name",
    "server.address",
    "net.peer.port",
    "server.port",
    "net.peer.ip",
    "network.peer.address",
    "client.address",
    "aws.operation",
    "rpc.method",
    "aws.account_id",
    "aws.region",
    "aws.request_id",
    "aws.requestId",
    "aws.queue_url",
    "aws.queue.url",
    "aws.table_name",
    "aws.table.name",
    "messaging.url",
    "aws.dynamodb.table_names",
    "db.connection_string",
    "db.system",
    "db.name",
    "db.statement",
    "db.user",
    "message.type",
    "messaging.message_payload_size_bytes",
    "peer.service",
    "aws.service",
    "rpc.service",
    "rpc.system",
    "aws.span.kind",
    "aws.local.service",
    "aws.local.operation",
    "aws.remote.service",
    "aws.remote.operation",
    "remoteTarget",
    "K8s.RemoteNamespace",
    "enduser.id",
    "aws.xray.inprogress",
    "aws.xray.annotations",
    "aws.xray.metadata.default",
    "aws.xray.metadata.shop",
    "network.peer.port",
    "http.route",
    "otel.resource.service.name",
];

/// The keys that mean something to a resource.
pub(crate) const RESOURCE_KEYS: &[&str] = &[
    "service.name",
    "service.version",
    "service.namespace",
    "service.instance.id",
    "container.image.tags",
    "container.image.tag",
    "container.name",
    "container.id",
    "cloud.provider",
    "cloud.platform",
    "cloud.account.id",
    "cloud.availability_zone",
    "aws.ecs.launchtype",
    "aws.ecs.task.arn",
    "aws.ecs.cluster.arn",
    "aws.log.group.arns",
    "aws.log.group.names",
    "host.id",
    "host.type",
    "k8s.cluster.name",
    "k8s.pod.name",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
    "telemetry.sdk.version",
    "telemetry.auto.version",
    "telemetry.distro.version",
];

/// The keys that mean something to an event.
const EVENT_KEYS: &[&str] = &[
    "exception.type",
    "exception.message",
    "exception.stacktrace",
    "http.response.status_code",
    "aws.http.error_message",
    "message.type",
    "messaging.message_payload_size_bytes",
];

/// Texts that mean something somewhere.
const TEXTS: &[&str] = &[
    "",
    "LOCAL_ROOT",
    "aws-api",
    "AWS::",
    "AWS.SDK.SQS",
    "aws",
    "gcp",
    "aws_ecs",
    "aws_ec2",
    "aws_elastic_beanstalk",
    "aws_eks",
    "fargate",
    "mysql",
    "redis",
    "https",
    "443",
    "GET",
    "jdbc:mysql://app@db:3306/shop",
    "mongodb://a:1,b%C3%A9:2/shop",
    "10.0.0.1",
    "RECEIVED",
    "{\"a\":{\"b\":[1.5,null]},\"otel.resource.x\":1}",
    "null",
    "[",
    "arn:aws:logs:eu-west-1:1:log-group:/ecs/shop:*&&x",
    "java",
    "python",
    "javascript",
    "dotnet",
    "go",
    "E: m\n\tat a.b/C.d(C.java:7)\nCaused by: F:\n\tat (",
    "E: m\nCaused by: F:é\nCaused by: ",
    "  File \",\"\n  File \"a\", line 1, in f\nx\n\nDuring handling of the above exception, another exception occurred:\nE",
    "  File \"a\", line 1, in f\n    g()\n    ~^^~\nU: v\n\nDuring handling of the above exception, another exception occurred:\n\nE",
    "E\n    at (\n    at f (a:1:2)\n    at native",
    "E\n at f in a:line\n at f() in \n at )",
    "E\ngoroutine 1 [running]:\nf()\n\ta.go:99999999999999999999",
];

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(TEXTS).prop_map(str::to_owned), 2 => any::<String>(), 1 => "[ -~\\n]{0,300}"]
}

pub(crate) fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        1 => Just(None),
        8 => text().prop_map(|text| Some(Value::String(text))),
        3 => prop_oneof![any::<i64>(), 0..700_i64].prop_map(|int| Some(Value::Int(int))),
        2 => any::<f64>().prop_map(|double| Some(Value::Double(double))),
        2 => any::<bool>().prop_map(|bool| Some(Value::Bool(bool))),
        1 => vec(any::<u8>(), 0..9).prop_map(|bytes| Some(Value::Bytes(bytes))),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| Value::Array(ArrayValue { values })),
            vec(("[a-c]", option::of(inner)), 0..4).prop_map(|pairs| {
                let values = pairs.into_iter().map(|(key, value)| KeyValue { key, value }).collect();
                Value::Map(KeyValueList { values })
            }),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

pub(crate) fn attributes(
    known: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![9 => select(known).prop_map(str::to_owned), 1 => ".{0,12}"];
    vec((key, option::weighted(0.95, value())).prop_map(|(key, value)| KeyValue { key, value }), 0..most)
}

/// An attribute.
pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

/// Attributes that choose a path which attributes by chance would seldom choose.
fn turns() -> impl Strategy<Value = Vec<KeyValue>> {
    let text = |key, text: &str| Just(pair(key, Value::String(text.to_owned())));
    let asked = vec(select(SPAN_KEYS), 0..5).prop_map(|keys| {
        let key = |key: &str| AnyValue { value: Some(Value::String(key.to_owned())) };
        pair("aws.xray.annotations", Value::Array(ArrayValue { values: keys.into_iter().map(key).collect() }))
    });
    let turns = (
        option::weighted(0.3, text("aws.span.kind", "LOCAL_ROOT")),
        option::weighted(0.15, any::<bool>().prop_map(|bool| pair("aws.xray.inprogress", Value::Bool(bool)))),
        option::weighted(0.15, asked),
        option::weighted(0.15, text("db.system", "mysql")),
        option::weighted(0.15, text("rpc.system", "aws-api")),
        option::weighted(0.2, (390..610_i64).prop_map(|code| pair("http.status_code", Value::Int(code)))),
    );
    turns.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].into_iter().flatten().collect())
}

/// Attributes of a span, in any order.
fn span_attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    (attributes(SPAN_KEYS, 14), turns()).prop_map(|(some, turns)| [some, turns].concat()).prop_shuffle()
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![12 => vec(any::<u8>(), length), 2 => Just(vec![]), 1 => vec(any::<u8>(), 0..20)]
}

fn event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![Just("exception"), Just("HTTP request failure"), Just("log")];
    (any::<u64>(), name, attributes(EVENT_KEYS, 6)).prop_map(|(time_unix_nano, name, attributes)| Event {
        time_unix_nano,
        name: name.into(),
        attributes,
    })
}

fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), attributes(SPAN_KEYS, 3)).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
    })
}

pub(crate) fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8));
    let rest = (vec(event(), 0..4), vec(link(), 0..3), option::of((text(), -1..4_i32)));
    let times = (any::<u64>(), any::<u64>());
    (ids, text(), -1..8_i32, times, span_attributes(), rest).prop_map(
        |((trace_id, span_id, parent_span_id), name, kind, times, attributes, (events, links, status))| {
            Span {
                trace_id,
                span_id,
                parent_span_id,
                name,
                kind,
                start_time_unix_nano: times.0,
                end_time_unix_nano: times.1,
                attributes,
                events,
                links,
                status: status.map(|(message, code)| Status { message, code }),
            }
        },
    )
}

pub(crate) fn request() -> impl Strategy<Value = TraceRequest> {
    let resource =
        option::weighted(0.9, attributes(RESOURCE_KEYS, 12).prop_map(|attributes| Resource { attributes }));
    (resource, vec(span(), 0..4)).prop_map(|(resource, spans)| TraceRequest {
        resource_spans: vec![ResourceSpans {
            resource,
            scope_spans: vec![ScopeSpans { scope: None, spans }],
        }],
    })
}

pub(crate) fn options() -> impl Strategy<Value = Options> {
    let keys = select([SPAN_KEYS, RESOURCE_KEYS].concat())
        .prop_flat_map(|key| prop_oneof![Just(key.to_owned()), Just(format!("otel.resource.{key}"))]);
    (btree_set(keys, 0..12), any::<bool>(), vec(text(), 0..2)).prop_map(
        |(indexed_attributes, index_all, log_groups)| Options { indexed_attributes, index_all, log_groups },
    )
}
