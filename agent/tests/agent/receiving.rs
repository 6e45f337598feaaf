//! OTLP over HTTP.

use std::io::Write;

use prost::Message;
use siphon_core::otlp::{
    Gauge, Metric, MetricData, MetricsRequest, NumberPoint, ResourceMetrics, ResourceSpans, ScopeMetrics,
    ScopeSpans, Span, TraceRequest,
};

use crate::{
    eventually,
    http::{Reply, connect, receive, request, send},
    metadata::Metadata,
    process::Agent,
};

pub(crate) const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

/// A trace request of so many spans, the name of the first one that long.
pub(crate) fn spans(count: usize, name_bytes: usize) -> Vec<u8> {
    let mut spans = vec![Span::default(); count];
    spans[0].name = "n".repeat(name_bytes);
    let scope_spans = vec![ScopeSpans { scope: None, spans }];
    TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] }.encode_to_vec()
}

/// A metrics request of so many points.
pub(crate) fn metrics(count: usize) -> Vec<u8> {
    let data = Some(MetricData::Gauge(Gauge { points: vec![NumberPoint::default(); count] }));
    let metric = Metric { name: "queue.length".to_owned(), data, ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { scope: None, metrics: vec![metric] }];
    MetricsRequest { resource_metrics: vec![ResourceMetrics { resource: None, scope_metrics }] }
        .encode_to_vec()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

pub(crate) fn status(reply: &Reply) -> (u16, i32, String) {
    assert_eq!(reply.header("content-type"), Some(PROTOBUF.1));
    let status = Status::decode(&reply.body[..]).unwrap();
    (reply.status, status.code, status.message)
}

#[test]
fn a_good_request_is_answered_with_an_empty_success() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let reply = agent.post("/v1/traces", &spans(1, 0));
    assert_eq!((reply.status, reply.body.len(), reply.header("content-type")), (200, 0, Some(PROTOBUF.1)));
    for nothing in
        [&b""[..], &TraceRequest { resource_spans: vec![ResourceSpans::default()] }.encode_to_vec()]
    {
        assert_eq!(agent.post("/v1/traces", nothing).status, 200);
        assert_eq!(agent.post("/v1/metrics", nothing).status, 200);
    }
    assert_eq!(puller.count("accepted_records", "otlp_traces", ""), 1, "nothing in it, nothing stored");
    assert_eq!(puller.count("accepted_records", "otlp_metrics", ""), 0);
}

#[test]
fn a_connection_serves_many_requests() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut stream = connect(agent.otlp);
    for _ in 0..5 {
        stream.write_all(&request("POST", "/v1/metrics", &[PROTOBUF], &metrics(2), "keep-alive")).unwrap();
        assert_eq!(receive(&mut stream).status, 200);
    }
    assert_eq!(puller.count("accepted_items", "otlp_metrics", ""), 10);
}

#[test]
fn malformed_protobuf_is_answered_with_what_and_where() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut broken = spans(1, 4);
    let name = broken.windows(4).position(|window| window == b"nnnn").unwrap();
    broken[name] = 0xff;
    let (http_status, code, message) = status(&agent.post("/v1/traces", &broken));
    assert_eq!((http_status, code), (400, 3));
    assert!(message.contains("resource_spans.scope_spans.spans.name: text is not UTF-8"), "{message}");
    assert!(message.contains(&format!("at byte {name}")), "{message}");
    let whole = spans(3, 100);
    for end in 1..whole.len() {
        agent.post("/v1/traces", &whole[..end]);
    }
    assert_eq!(puller.count("refused_requests", "otlp_traces", "malformed"), whole.len() as u64);
    assert_eq!(puller.count("accepted_records", "otlp_traces", ""), 0);
    assert_eq!(agent.post("/v1/traces", &whole).status, 200, "and the next is taken");
}

#[test]
fn a_body_over_the_limit_is_answered_413_however_it_is_framed() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "1024")]);
    let body = metrics(3000);
    assert!(body.len() > 3000);
    let (http_status, _, message) = status(&agent.post("/v1/metrics", &body));
    assert_eq!(http_status, 413);
    assert!(message.contains("over 1024 bytes"), "{message}");

    let mut stream = connect(agent.otlp);
    let head = "POST /v1/metrics HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for chunk in body.chunks(500) {
        stream.write_all(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(status(&receive(&mut stream)).0, 413);
    assert_eq!(puller.count("refused_requests", "otlp_metrics", "too_large"), 2);
    assert_eq!(agent.post("/v1/metrics", &metrics(3)).status, 200);
}

#[test]
fn other_forms_methods_and_paths_are_refused_each_with_its_status() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        send(agent.otlp, method, path, headers, &spans(1, 0))
    };
    let plain = ask("POST", "/v1/traces", &[("content-type", "text/plain")]);
    assert_eq!(
        (plain.status, plain.text().contains("application/x-protobuf or application/json")),
        (415, true)
    );
    assert_eq!(ask("POST", "/v1/traces", &[]).status, 415);
    let get = ask("GET", "/v1/metrics", &[]);
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    for path in ["/", "/v1/traces/", "/health", "/v1/pull"] {
        assert_eq!(ask("POST", path, &[PROTOBUF]).status, 404, "{path}");
    }
    assert_eq!(puller.count("refused_requests", "otlp", "not_found"), 4);
    assert_eq!(puller.count("refused_requests", "otlp_metrics", "method"), 1);
    assert_eq!(puller.count("refused_requests", "otlp_traces", "content_type"), 2);
    for path in ["/v1/logs", "/v1development/profiles"] {
        let (http_status, code, message) = status(&ask("POST", path, &[PROTOBUF]));
        assert_eq!((http_status, code), (501, 12), "{path}");
        assert!(message.contains("are not received, only traces and metrics"), "{message}");
    }
    assert_eq!(puller.count("refused_requests", "otlp_logs", "unimplemented"), 1);
    assert_eq!(puller.count("refused_requests", "otlp_profiles", "unimplemented"), 1);
}

#[test]
fn too_many_large_bodies_at_once_are_told_to_come_back() {
    // Bodies in flight may then have 512 KiB and 1 MiB together.
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "524288")]);
    let whole = request("POST", "/v1/traces", &[PROTOBUF], &spans(1, 500_000), "keep-alive");
    let (most, rest) = whole.split_at(whole.len() - 1);
    let mut slow: Vec<_> = (0..3).map(|_| connect(agent.otlp)).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(most).unwrap());
    let busy = eventually("busy", || {
        Some(agent.post("/v1/traces", &spans(1, 200_000))).filter(|reply| reply.status != 200)
    });
    assert_eq!((status(&busy).0, status(&busy).1, busy.header("retry-after")), (503, 14, Some("1")));
    assert_eq!(agent.post("/v1/traces", &spans(1, 10)).status, 200, "small ones still pass");
    for stream in &mut slow {
        stream.write_all(rest).unwrap();
        assert_eq!(receive(stream).status, 200);
    }
    assert_eq!(agent.post("/v1/traces", &spans(1, 200_000)).status, 200, "there is room again");
    assert_eq!(puller.count("refused_requests", "otlp_traces", "busy"), 1);
}

#[test]
fn who_only_announces_a_body_takes_no_room() {
    // Bodies in flight may then have 64 KiB and 1 MiB together.
    let (agent, _puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "65536")]);
    let whole = request("POST", "/v1/traces", &[PROTOBUF], &spans(1, 65_000), "keep-alive");
    let head = whole.len() - spans(1, 65_000).len();
    let mut announcing: Vec<_> = (0..40).map(|_| connect(agent.otlp)).collect();
    announcing.iter_mut().for_each(|stream| stream.write_all(&whole[..head]).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(agent.post("/v1/traces", &spans(1, 60_000)).status, 200);
    announcing[0].write_all(&whole[head..]).unwrap();
    assert_eq!(receive(&mut announcing[0]).status, 200);
}

/// Ten seconds are what a first request's headers have.
#[test]
fn silent_clients_shut_nobody_out() {
    let (agent, _puller) = Agent::known(&Metadata::start(), &[]);
    let mut silent: Vec<_> = (0..140).map(|_| connect(agent.otlp)).collect();
    silent.iter_mut().step_by(2).for_each(|stream| stream.write_all(b"POST /v1/tr").unwrap());
    assert_eq!(agent.post("/v1/traces", &spans(1, 0)).status, 200, "beside more than there is room for");
}

#[test]
fn a_page_in_a_browser_is_not_let_in() {
    let (agent, _puller) = Agent::known(&Metadata::start(), &[]);
    let origin = ("origin", "http://shop.example");
    let preflight = [origin, ("access-control-request-method", "POST")];
    let asked = send(agent.otlp, "OPTIONS", "/v1/traces", &preflight, b"");
    let sent = send(agent.otlp, "POST", "/v1/traces", &[origin, PROTOBUF], &spans(1, 0));
    assert_eq!((asked.status, sent.status), (405, 200));
    assert!(!format!("{}{}", asked.head, sent.head).to_lowercase().contains("access-control-"));
}

#[test]
fn broken_http_costs_its_connection_only_and_is_counted() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"POST /v1/traces\r\n\r\n", b"\0\0\0\0"] {
        for address in [agent.otlp, agent.pull] {
            let mut stream = connect(address);
            stream.write_all(bytes).unwrap();
            drop(stream);
        }
    }
    assert_eq!(agent.post("/v1/traces", &spans(1, 0)).status, 200);
    for listener in ["otlp_http", "pull"] {
        eventually("counted", || {
            (puller.count("refused_connections", listener, "broken") == 3).then_some(())
        });
    }
}
