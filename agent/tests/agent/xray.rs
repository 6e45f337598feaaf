//! The X-Ray daemon's part: segments over UDP, sampling over TCP, hand-overs.

use std::{
    io::Write,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use serde_json::{Value, json};
use siphon_core::wire::{MAX_HANDOVER_BYTES, Page, RefusalCode, SAMPLING_PATH};

use crate::{
    eventually,
    http::{Reply, connect, receive, request, send},
    metadata::Metadata,
    process::Agent,
    puller::{Puller, count, refusal},
};

/// As a process draws it.
const CLIENT: &str = "0123456789abcdef01234567";
const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";

fn datagrams(to: SocketAddr, datagrams: &[&[u8]]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, to).unwrap();
    }
}

/// Pulls until the counter has got there.
fn counted(puller: &Puller, event: &str, reason: &str, want: u64) -> Page {
    eventually(&format!("{want} {event} {reason}"), || {
        let page = puller.pull().unwrap();
        (count(&page, event, "xray_segments", reason) == want).then_some(page)
    })
}

#[test]
fn segments_are_stored_byte_for_byte() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let documents = [&b"{\"name\":\"shop\"}"[..], b" {\n}\n", b"\xff not even JSON"];
    let sent: Vec<_> = documents.iter().map(|document| [HEADER.as_bytes(), document].concat()).collect();
    datagrams(agent.xray, &sent.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let page = counted(&puller, "accepted_records", "", 3);
    let stored = page.records.iter().filter(|record| record.kind.name() == "xray_segments");
    assert_eq!(stored.map(|record| record.payload.as_ref()).collect::<Vec<_>>(), documents);
    assert_eq!(count(&page, "accepted_items", "xray_segments", ""), 3);
}

#[test]
fn garbage_is_refused_counted_and_logged_once() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    datagrams(
        agent.xray,
        &[b"", b"\0\x01\xff", b"{}\n{}", b"{\"format\":\"json\",\"version\":2}\n{}", &[b'x'; 65_507]],
    );
    datagrams(agent.xray, &[HEADER.as_bytes(), &[HEADER.as_bytes(), b" \n"].concat()]);
    counted(&puller, "refused_datagrams", "header", 5);
    let page = counted(&puller, "refused_datagrams", "empty", 2);
    assert_eq!(count(&page, "accepted_records", "xray_segments", ""), 0);
    let logged = agent.logged("X-Ray datagram refused");
    assert_eq!(logged.len(), 1, "{logged:?}");
    datagrams(agent.xray, &[&[HEADER.as_bytes(), b"{}"].concat()]);
    counted(&puller, "accepted_records", "", 1);
}

#[test]
fn the_largest_datagram_is_stored_whole_or_counted() {
    let largest = [HEADER.as_bytes(), &[b'x'; 65_507 - HEADER.len()]].concat();
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    datagrams(agent.xray, &[&largest]);
    let page = counted(&puller, "accepted_records", "", 1);
    assert!(page.records.iter().any(|record| record.payload.len() == largest.len() - HEADER.len()));
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_SPOOL_MAX_BYTES", "65536")]);
    datagrams(agent.xray, &[&largest]);
    counted(&puller, "dropped_records", "too_large", 1);
}

#[test]
fn a_flood_is_stored_or_counted_and_all_else_goes_on() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_SPOOL_MAX_BYTES", "1000000")]);
    let datagram = [HEADER.as_bytes(), &[b'x'; 1000]].concat();
    let (flood, to) = (20_000, agent.xray);
    let sender = std::thread::spawn(move || datagrams(to, &vec![&datagram[..]; flood]));
    assert_eq!(send(agent.pull, "GET", "/health", &[], b"").status, 200);
    sender.join().unwrap();
    eventually("all are accounted for", || {
        let page = puller.pull().unwrap();
        let of = |event, reason| count(&page, event, "xray_segments", reason);
        (of("accepted_records", "") + of("dropped_datagrams", "socket_full") == flood as u64).then_some(())
    });
}

#[test]
fn what_waits_at_the_end_is_still_taken() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let datagram = [HEADER.as_bytes(), b"{}"].concat();
    datagrams(agent.xray, &vec![&datagram[..]; 100]);
    agent.signal("TERM");
    counted(&puller, "accepted_records", "", 100);
}

fn post(agent: &Agent, path: &str, body: &str) -> (u16, Value) {
    let reply = send(agent.xray, "POST", path, &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

fn rules(agent: &Agent) -> Value {
    let (status, mut answer) = post(agent, "/GetSamplingRules", "{}");
    assert_eq!(status, 200);
    answer["SamplingRuleRecords"].take()
}

fn report(agent: &Agent, client: &str, rule: &str, requests: u64) -> Value {
    let statistics = json!({ "ClientID": client, "RuleName": rule, "Timestamp": 1_795_400_000, "RequestCount": requests,
        "SampledCount": 1, "BorrowCount": 1 });
    let body = json!({ "SamplingStatisticsDocuments": [statistics] }).to_string();
    let (status, answer) = post(agent, "/SamplingTargets", &body);
    assert_eq!(status, 200);
    answer
}

fn hand_over(puller: &Puller, page: &Page, more: &Value) -> Reply {
    let mut handover = json!({ "task_arn": puller.task_arn, "boot": page.head.boot });
    handover.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    puller.trusted(&puller.sign(SAMPLING_PATH, handover.to_string().into_bytes()))
}

#[test]
fn sampling_goes_from_the_application_to_the_puller_and_back() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    assert_eq!(puller.pull().unwrap().head.sampling, None, "nobody has asked");
    assert_eq!(rules(&agent), json!([]));
    let first = report(&agent, CLIENT, "Default", 3);
    assert_eq!((&first["SamplingTargetDocuments"], &first["LastRuleModification"]), (&json!([]), &json!(0)));
    report(&agent, CLIENT, "Default", 4);

    let page = puller.pull().unwrap();
    let head = page.head.sampling.clone().unwrap();
    assert_eq!((head.rules, head.statistics.len(), head.statistics[0].request_count), (None, 1, 7));
    report(&agent, CLIENT, "Default", 1);
    assert_eq!(puller.pull().unwrap().head.sampling, Some(head.clone()), "the same until it is reported");

    let record = json!({ "SamplingRule": { "RuleName": "Default", "FixedRate": 0.05 } });
    let target = json!({ "RuleName": "Default", "FixedRate": 0.5 });
    let more = json!({ "rules": [record], "reported": { "batch": head.batch, "statistics": 1 },
        "targets": [{ "client_id": CLIENT, "documents": [target] }] });
    assert_eq!(hand_over(&puller, &page, &more).status, 204);
    assert_eq!(rules(&agent), json!([record]));
    let answer = report(&agent, CLIENT, "Default", 0);
    assert_eq!(answer["SamplingTargetDocuments"], json!([target]));
    assert!(answer["LastRuleModification"].as_i64().unwrap() > 1_700_000_000, "so that it asks for them now");
    assert_eq!(report(&agent, &CLIENT.replace('0', "f"), "Default", 1)["SamplingTargetDocuments"], json!([]));
    let head = puller.pull().unwrap().head.sampling.unwrap();
    assert!(head.rules.is_some());
    assert_eq!(
        head.statistics.iter().map(|s| s.request_count).collect::<Vec<_>>(),
        [1, 1],
        "what came since"
    );
}

#[test]
fn a_hand_over_is_refused_to_who_means_another_or_brings_too_much() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let page = puller.pull().unwrap();
    let code = |more: Value| refusal(&hand_over(&puller, &page, &more));
    assert_eq!(code(json!({ "boot": "0".repeat(32) })), RefusalCode::OtherBoot);
    assert_eq!(code(json!({ "task_arn": "arn:other" })), RefusalCode::OtherTask);
    assert_eq!(code(json!({ "rules": {} })), RefusalCode::BadRequest);
    assert_eq!(code(json!({ "rules": ["x".repeat(MAX_HANDOVER_BYTES - 100_000)] })), RefusalCode::TooLarge);
    let reply = puller.send(&puller.sign(SAMPLING_PATH, vec![b' '; MAX_HANDOVER_BYTES + 1]));
    assert_eq!(refusal(&reply), RefusalCode::TooLarge);
    let unsigned = send(agent.pull, "POST", SAMPLING_PATH, &[], b"{}");
    assert_eq!(refusal(&unsigned), RefusalCode::BadSignature);
    assert_eq!(rules(&agent), json!([]), "nothing of it was taken over");
    assert_eq!(puller.count("refused_pulls", "sampling", "too_large"), 2);
}

#[test]
fn other_calls_are_refused_as_x_ray_would() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    for path in ["/", "/TraceSegments", "/TelemetryRecords", "/GetSamplingRules/"] {
        let (status, answer) = post(&agent, path, "{}");
        assert_eq!((status, &answer["__type"]), (404, &json!("UnknownOperationException")), "{path}");
        assert!(answer["message"].as_str().unwrap().contains("no credentials"), "{answer}");
    }
    assert_eq!(send(agent.xray, "GET", "/GetSamplingRules", &[], b"").status, 404);
    let statistics =
        json!({ "ClientID": "c", "RuleName": "r", "Timestamp": 1, "RequestCount": 1, "SampledCount": 1 });
    let stranger = json!({ "SamplingStatisticsDocuments": [statistics] }).to_string();
    let wrong = json!({ "SamplingStatisticsDocuments": "x".repeat(60_000) }).to_string();
    for body in ["", "{", "[]", "{}", r#"{"SamplingStatisticsDocuments":[{}]}"#, &stranger, &wrong] {
        let (status, answer) = post(&agent, "/SamplingTargets", body);
        assert_eq!((status, &answer["__type"]), (400, &json!("InvalidRequestException")), "{body}");
        assert!(answer["message"].as_str().unwrap().len() < 600, "{answer}");
    }
    assert_eq!(post(&agent, "/SamplingTargets", &" ".repeat(70_000)).0, 413);
    let page = puller.pull().unwrap();
    for (reason, want) in [("unknown_operation", 5), ("malformed", 7), ("too_large", 1)] {
        assert_eq!(count(&page, "refused_requests", "sampling", reason), want, "{reason}");
    }
    assert_eq!(page.head.sampling, None, "none of these is sampling");
}

#[test]
fn statistics_that_have_no_room_are_counted() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    for client in 0..9 {
        let statistics = (0..30).map(|rule| {
            json!({ "ClientID": format!("{client:024x}"), "RuleName": format!("r{rule}"),
            "Timestamp": 1, "RequestCount": 1, "SampledCount": 0 })
        });
        let body = json!({ "SamplingStatisticsDocuments": statistics.collect::<Vec<_>>(),
            "SamplingBoostStatisticsDocuments": [{}] });
        assert_eq!(post(&agent, "/SamplingTargets", &body.to_string()).0, 200);
    }
    let page = puller.pull().unwrap();
    let kept = page.head.sampling.as_ref().unwrap().statistics.len() as u64;
    assert_eq!((kept, count(&page, "dropped_statistics", "sampling", "too_many")), (256, 270 - 256));
    assert_eq!(count(&page, "dropped_statistics", "sampling", "boost"), 9);
}

#[test]
fn slow_broken_and_too_many_callers_keep_nobody_out() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let whole =
        request("POST", "/SamplingTargets", &[], br#"{"SamplingStatisticsDocuments":[]}"#, "keep-alive");
    let (most, rest) = whole.split_at(whole.len() - 1);
    // Half-open ones that say nothing, some that say half, and garbage.
    let silent: Vec<_> = (0..20).map(|_| connect(agent.xray)).collect();
    let mut slow: Vec<_> = (0..8).map(|_| connect(agent.xray)).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(most).unwrap());
    connect(agent.xray).write_all(b"\x16\x03\x01\0\0\r\n\r\n").unwrap();
    assert_eq!(rules(&agent), json!([]));
    for stream in &mut slow {
        stream.write_all(rest).unwrap();
        assert_eq!(receive(stream).status, 200);
    }
    // With the silent ones more than there is room for: these wait until those are closed for saying nothing.
    let more: Vec<_> = (0..40).map(|_| connect(agent.xray)).collect();
    drop((silent, slow, more));
    assert_eq!(rules(&agent), json!([]));
    // A body that never ends is given up.
    let mut late = connect(agent.xray);
    late.write_all(most).unwrap();
    std::thread::sleep(Duration::from_millis(5200));
    assert_eq!(receive(&mut late).status, 408);
    assert_eq!(puller.count("refused_requests", "sampling", "timeout"), 1);
}
