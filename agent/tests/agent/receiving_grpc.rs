//! OTLP over gRPC.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use crate::{
    eventually,
    grpc::{Client, Frames, LOGS, METRICS, PREFACE, TRACES, call_headers, frame, framed},
    http::connect,
    metadata::Metadata,
    packed::gzip,
    process::Agent,
    receiving::{metrics, spans},
};

#[test]
fn a_call_is_answered_with_an_empty_message_and_ok() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut client = Client::connect(agent.otlp_grpc);
    let request = spans(3, 10);
    for _ in 0..3 {
        let answer = client.export(TRACES, &request);
        assert_eq!((answer.http_status.as_u16(), &answer.message[..]), (200, &[0; 5][..]));
        assert_eq!(answer.headers["content-type"], "application/grpc");
        assert_eq!(answer.status(), (0, ""));
    }
    assert_eq!(client.export(METRICS, &metrics(2)).status(), (0, ""));
    assert_eq!(client.export(METRICS, b"").status(), (0, ""), "nothing in it");
    assert_eq!(puller.count("accepted_items", "otlp_traces", ""), 9);
    let page = puller.pull().unwrap();
    let stored: Vec<_> = page.records.iter().filter(|record| record.payload == request).collect();
    assert_eq!(stored.len(), 3, "as it came");
    assert_eq!(puller.count("accepted_items", "otlp_metrics", ""), 2);
    assert_eq!(puller.count("accepted_records", "otlp_metrics", ""), 1);
}

#[test]
fn a_message_may_come_in_any_number_of_frames() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut client = Client::connect(agent.otlp_grpc);
    let whole = framed(0, &spans(1, 200_000));
    for size in [1 << 14, 40_000, 1 << 20] {
        let frames = whole.chunks(size).map(<[u8]>::to_vec);
        assert_eq!(client.call(TRACES, &[], Frames::new(frames)).status().0, 0, "{size}");
    }
    let small = framed(0, &spans(1, 10));
    assert_eq!(client.call(TRACES, &[], Frames::new(small.iter().map(|b| vec![*b]))).status().0, 0);
    assert_eq!(puller.count("accepted_items", "otlp_traces", ""), 4);
}

#[test]
fn compressed_messages_are_taken_up_to_the_limit() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "100000")]);
    let mut client = Client::connect(agent.otlp_grpc);
    let mut export = |encoding: &str, flag, message: &[u8]| {
        let headers = [("grpc-encoding", encoding)];
        client.call(TRACES, &headers, Frames::new([framed(flag, message)]))
    };
    assert_eq!(export("gzip", 1, &gzip(&spans(2, 50_000))).status(), (0, ""));
    assert_eq!(export("gzip", 0, &spans(2, 10)).status(), (0, ""), "a message may be plain all the same");
    assert_eq!(export("identity", 0, &spans(2, 10)).status(), (0, ""));
    let too_large = export("gzip", 1, &gzip(&spans(1, 5_000_000)));
    assert_eq!((too_large.status().0, too_large.header("grpc-status-details-bin")), (8, None));
    assert!(too_large.status().1.contains("over 100000 bytes"), "{too_large:?}");
    assert_eq!(export("identity", 0, &spans(1, 200_000)).status().0, 8);
    assert_eq!(export("gzip", 1, &spans(2, 10)).status().0, 3, "not gzip");
    assert_eq!(export("identity", 1, &gzip(&spans(2, 10))).status().0, 3, "it does not say how");
    let snappy = export("snappy", 1, &spans(2, 10));
    assert_eq!(
        (snappy.status().0, snappy.header("grpc-accept-encoding")),
        (12, Some("identity, gzip, deflate, zstd"))
    );
    assert!(snappy.status().1.contains("\"snappy\" is not received"), "{snappy:?}");
    assert_eq!(puller.count("accepted_items", "otlp_traces", ""), 6);
    for (reason, count) in [("too_large", 2), ("malformed", 2), ("encoding", 1)] {
        assert_eq!(puller.count("refused_requests", "otlp_traces", reason), count, "{reason}");
    }
}

#[test]
fn what_is_no_message_is_an_invalid_argument() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut client = Client::connect(agent.otlp_grpc);
    let good = framed(0, &spans(1, 10));
    let two = [&good[..], &good].concat();
    for body in [&b""[..], b"\0\0", &good[..good.len() - 1], &two, &[2; 20], b"\0\xff\xff\xff\xff"] {
        let answer = client.call(TRACES, &[], Frames::new([body.to_vec()]));
        assert_eq!((answer.status().0, answer.message.len()), (3, 0), "{answer:?}");
    }
    let mut broken = spans(1, 4);
    let name = broken.windows(4).position(|window| window == b"nnnn").unwrap();
    broken[name] = 0xff;
    let message = client.export(TRACES, &broken).status().1.to_owned();
    assert!(message.contains(&format!("spans.name: text is not UTF-8 at byte {name}")), "{message}");
    assert_eq!(puller.count("refused_requests", "otlp_traces", "malformed"), 7);
    assert_eq!(client.export(TRACES, &spans(1, 0)).status().0, 0, "and the next is taken");
}

#[test]
fn logs_and_other_services_are_unimplemented() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut client = Client::connect(agent.otlp_grpc);
    let logs = client.export(LOGS, b"");
    assert_eq!(logs.status().0, 12);
    assert!(logs.status().1.contains("OTEL_LOGS_EXPORTER=none"), "{logs:?}");
    for path in
        ["/grpc.health.v1.Health/Check", "/", "/opentelemetry.proto.collector.trace.v1.TraceService/Get"]
    {
        let other = client.export(path, b"");
        assert_eq!(other.status().0, 12);
        assert!(
            other.status().1.contains(&format!("{path} is not implemented; expected Export of ")),
            "{other:?}"
        );
    }
    assert_eq!(puller.count("refused_requests", "otlp_logs", "unimplemented"), 1);
    assert_eq!(puller.count("refused_requests", "otlp", "not_found"), 3);
    let begun = Instant::now();
    let stream = client.call("/grpc.reflection.v1.ServerReflection/Info", &[], Frames::new([]).without_end());
    assert!(stream.status().0 == 12 && begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for content_type in ["application/json", "application/grpc-web", "application/grpc+json"] {
        let answer = client.call(TRACES, &[("content-type", content_type)], Frames::new([]));
        assert_eq!(answer.http_status.as_u16(), 415, "{content_type}");
    }
    assert_eq!(puller.count("refused_requests", "otlp_traces", "content_type"), 3);
}

/// As many as a connection has streams, and three times more.
#[test]
fn calls_beyond_the_streams_of_a_connection_wait_their_turn() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut client = Client::connect(agent.otlp_grpc);
    // Now it knows how many streams there are; a gRPC client sends again what is refused before.
    assert_eq!(client.export(TRACES, &spans(1, 0)).status().0, 0);
    assert_eq!(client.export_at_once(128, TRACES, &spans(1, 1000)), 128);
    assert_eq!(puller.count("accepted_items", "otlp_traces", ""), 129);
}

#[test]
fn headers_have_room_for_a_token_and_not_for_much_more() {
    let (agent, _puller) = Agent::known(&Metadata::start(), &[]);
    let mut client = Client::connect(agent.otlp_grpc);
    let mut export = |bytes: usize| {
        let token = "x".repeat(bytes);
        client.call(TRACES, &[("authorization", &token)], Frames::new([framed(0, &spans(1, 10))]))
    };
    assert_eq!(export(3 << 10).status().0, 0);
    assert_eq!(export(5 << 10).http_status.as_u16(), 431);
    assert_eq!(export(0).status().0, 0);
}

#[test]
fn too_many_large_messages_at_once_are_told_to_come_back() {
    // Bodies in flight may then have 400,000 bytes and 1 MiB together: three large ones, and some small ones beside them.
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_OTLP_MAX_BODY_BYTES", "400000")]);
    let mut client = Client::connect(agent.otlp_grpc);
    let most = framed(0, &spans(1, 390_000))[..390_000].to_vec();
    let mut slow = Vec::new();
    let busy = eventually("busy", || {
        slow.push(client.begin(TRACES, Frames::new([most.clone()]).without_end()));
        client.run(Duration::from_millis(200));
        Some(client.export(TRACES, &spans(1, 390_000))).filter(|answer| answer.status().0 != 0)
    });
    assert_eq!(busy.status().0, 14);
    let details = busy.header("grpc-status-details-bin").unwrap();
    assert!(details.starts_with("CA4S"), "code 14, then the message: {details}");
    assert_eq!(client.export(TRACES, &spans(1, 10)).status().0, 0, "small ones still pass");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    client.run(Duration::from_millis(100));
    eventually("room again", || (client.export(TRACES, &spans(1, 390_000)).status().0 == 0).then_some(()));
    assert!(puller.count("refused_requests", "otlp_traces", "busy") >= 1);
}

/// All that takes ten seconds, at once.
#[test]
fn silent_and_slow_clients_shut_nobody_out() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut slow = Client::connect(agent.otlp_grpc);
    let message = framed(0, &spans(1, 1000));
    let begun = Instant::now();
    let silent: Vec<_> = (0..200).map(|_| connect(agent.otlp_grpc)).collect();
    let answer = slow.call(TRACES, &[], Frames::new([message[..500].to_vec()]).without_end());
    assert_eq!(answer.status().0, 4, "{answer:?}");
    assert!((9..20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let mut late = Client::connect(agent.otlp_grpc);
    assert_eq!(late.export(TRACES, &spans(1, 10)).status().0, 0, "beside 200 connections that say nothing");
    assert_eq!(slow.export(TRACES, &spans(1, 10)).status().0, 0, "the slow call cost its stream only");
    drop(silent);
    assert_eq!(puller.count("refused_requests", "otlp_traces", "timeout"), 1);
    assert!(puller.count("refused_connections", "otlp_grpc", "timeout") >= 100);
}

#[test]
fn what_is_not_http_2_costs_its_connection_only() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let flood: Vec<u8> = (0..2000_u32)
        .flat_map(|call| {
            [frame(1, 4, 2 * call + 1, &call_headers()), frame(3, 0, 2 * call + 1, &[0, 0, 0, 8])]
        })
        .flatten()
        .collect();
    let no_end = [frame(1, 0, 1, &call_headers()), frame(9, 0, 1, &[0x40; 16_000]).repeat(20)].concat();
    let huge = frame(0, 0, 1, &[0; 1 << 20]);
    for (what, bytes) in [
        ("resets", &flood[..]),
        ("headers without end", &no_end),
        ("a frame that is too large", &huge),
        ("data for no stream", &frame(0, 0, 7, b"x")),
        ("settings with half a value", &frame(4, 0, 0, b"x")),
    ] {
        let mut stream = connect(agent.otlp_grpc);
        let _ = stream.write_all(&[PREFACE, bytes].concat()); // it may be closed before all is written
        let mut told = Vec::new();
        let ended = stream.read_to_end(&mut told);
        let is_reset = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
        // A frame of the kind GOAWAY.
        assert!(is_reset || told.windows(5).any(|bytes| bytes[3] == 7 && bytes[4] == 0), "{what}: {told:?}");
    }
    for bytes in [&b"POST /v1/traces HTTP/1.1\r\nhost: a\r\n\r\n"[..], b"\x16\x03\x01\x02\0", b"\0\0\0\0"] {
        let mut stream = connect(agent.otlp_grpc);
        stream.write_all(bytes).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new()); // an end, or silence until more comes
    }
    assert_eq!(Client::connect(agent.otlp_grpc).export(TRACES, &spans(1, 0)).status().0, 0);
    let broken = puller.count("refused_connections", "otlp_grpc", "broken");
    assert!(broken >= 5, "{broken}");
}

#[test]
fn a_receiver_is_off_when_told_so() {
    let agent = Agent::start(&Metadata::start(), &[("SIPHON_OTLP_GRPC_ADDRESS", "off")]);
    assert!(agent.logged("receiver=otlp_grpc").is_empty());
    assert_eq!(agent.otlp_grpc.port(), 0);
}
