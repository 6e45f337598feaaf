//! Pulls and acks.

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use siphon_core::wire::{BootId, Cursor, Cursors, Kind, RefusalCode, signature::Key};

use crate::{
    eventually,
    http::{connect, request, send},
    metadata::{Metadata, Mood, TASK_ARN},
    process::{Agent, KEY},
    puller::{Puller, count, cursors, refusal},
    receiving::{metrics, spans},
};

#[test]
fn what_is_pulled_comes_again_until_it_is_acknowledged() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    let (trace, metric) = (spans(3, 0), metrics(2));
    assert_eq!(agent.post("/v1/traces", &trace).status, 200);
    assert_eq!(agent.post("/v1/metrics", &metric).status, 200);
    let first = eventually("three records", || puller.pull().ok().filter(|page| page.records.len() == 3));
    let of_kind = |kind| first.records.iter().find(|record| record.kind == kind).unwrap();
    assert_eq!(of_kind(Kind::OtlpTraces).payload, trace, "as received");
    assert_eq!(of_kind(Kind::OtlpMetrics).payload, metric, "as received");
    assert!(String::from_utf8_lossy(&of_kind(Kind::Ecs).payload).contains(TASK_ARN));
    assert!(String::from_utf8_lossy(&first.task).contains(TASK_ARN));
    assert_eq!((first.head.container.as_str(), first.head.stopping), ("container-1", false));
    assert_eq!(puller.pull().unwrap().records, first.records);

    let half = Cursors { traces: Cursor(0), ..cursors(&first) };
    puller.ack_as(first.head.boot, half).unwrap();
    let rest = puller.pull().unwrap();
    assert_eq!(rest.records.iter().map(|record| record.kind).collect::<Vec<_>>(), [Kind::OtlpTraces]);
    puller.ack(&rest).unwrap();
    let empty = puller.pull().unwrap();
    assert!(empty.records.is_empty());
    assert_eq!(count(&empty, "accepted_items", "otlp_traces", ""), 3);
    assert_eq!(count(&empty, "accepted_items", "otlp_metrics", ""), 2);
    for kind in [Kind::Ecs, Kind::OtlpMetrics, Kind::OtlpTraces] {
        assert_eq!(count(&empty, "acked_records", kind.name(), ""), 1, "{kind:?}");
        assert!(count(&empty, "handed_out_records", kind.name(), "") >= 2, "{kind:?}");
    }
}

#[test]
fn an_ack_of_another_boot_or_of_the_future_is_refused() {
    let (_agent, puller) = Agent::known(&Metadata::start(), &[]);
    let page = eventually("a reading", || puller.pull().ok().filter(|page| !page.records.is_empty()));
    assert_eq!(puller.ack_as(BootId([0; 16]), cursors(&page)), Err(RefusalCode::OtherBoot));
    let beyond = Cursors { metrics: Cursor(1_000_000), ..cursors(&page) };
    assert_eq!(puller.ack_as(page.head.boot, beyond), Err(RefusalCode::BeyondHandedOut));
    puller.ack(&page).unwrap();
    puller.ack(&page).unwrap();
    assert_eq!(puller.count("refused_pulls", "ack", "other_boot"), 1);
}

#[test]
fn who_has_another_key_learns_nothing_and_the_log_keeps_the_secret() {
    let (agent, mut puller) = Agent::known(&Metadata::start(), &[]);
    puller.key = Key::from_hex(&"ab".repeat(32)).unwrap();
    let signed = puller.sign_pull();
    let reply = puller.send(&signed);
    assert_eq!((refusal(&reply), reply.header("siphon-signature")), (RefusalCode::BadSignature, None));
    assert!(!reply.text().contains("arn:"));
    let unsigned = send(agent.pull, "POST", "/v1/pull", &[], b"{}");
    assert_eq!(refusal(&unsigned), RefusalCode::BadSignature);
    let large = vec![b'x'; 500_000];
    let others: [(&str, &str, &[u8]); 5] = [
        ("GET", "/secrets", b""),
        ("POST", "/v1/ack", b"{}"),
        ("POST", "/v1/sampling", b"{}"),
        ("POST", "/v1/pull", &large[..8_000]),
        ("POST", "/v1/sampling", &large[..8_000]),
    ];
    for (method, path, body) in others {
        let reply = send(agent.pull, method, path, &[], body);
        assert_eq!(
            (reply.status, &reply.body),
            (401, &unsigned.body),
            "not even which paths there are: {path}"
        );
    }
    assert!(unsigned.body.len() < 150, "no more than a request: {}", unsigned.text());

    let warnings = eventually("a warning", || Some(agent.logged("not believed")).filter(|w| !w.is_empty()));
    assert_eq!(warnings.len(), 1, "one line for all: {warnings:?}");
    assert!(warnings[0].contains("peer=127.0.0.1:") && warnings[0].contains("code=bad_signature"));
    assert!(agent.logged(KEY).is_empty() && agent.logged(&"ab".repeat(32)).is_empty());
    let right = Puller::new(agent.pull);
    assert_eq!(right.count("refused_pulls", "pull", "bad_signature"), 3);
    assert_eq!(right.count("refused_pulls", "unknown", "bad_signature"), 1);
}

#[test]
fn a_stranger_keeps_no_connection() {
    let (agent, _) = Agent::known(&Metadata::start(), &[]);
    let mut stream = connect(agent.pull);
    stream.write_all(&request("POST", "/v1/pull", &[], b"{}", "keep-alive")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    assert!(told.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn a_strangers_body_is_not_waited_for_and_not_kept() {
    let (agent, _) = Agent::known(&Metadata::start(), &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    let before = agent.resident_kib();
    let strangers: Vec<_> = (0..8)
        .map(|_| {
            let whole = request("POST", "/v1/sampling", &[], &vec![b'x'; 300_000], "close");
            let mut stream = connect(agent.pull);
            let _ = stream.write_all(&whole[..200_000]); // it may be closed before
            stream
        })
        .collect();
    let begun = Instant::now();
    assert!(Puller::new(agent.pull).pull().is_ok());
    assert!(agent.resident_kib() < before + 600, "{before} KiB, then {}", agent.resident_kib());
    let warnings = eventually("a warning", || Some(agent.logged("not believed")).filter(|w| !w.is_empty()));
    assert!(begun.elapsed() < Duration::from_secs(3), "before the rest of the bodies: {warnings:?}");
    drop(strangers);
}

#[test]
fn a_body_that_is_not_the_signed_one_does_nothing() {
    let (_agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut signed = puller.sign_pull();
    signed.body.push(b' ');
    assert_eq!(refusal(&puller.trusted(&signed)), RefusalCode::BadRequest);
    assert_eq!(refusal(&puller.trusted(&signed)), RefusalCode::Replayed);
}

#[test]
fn both_keys_are_taken_while_keys_are_rotated() {
    let old = "0d".repeat(32);
    let both = format!("{KEY},{old}");
    let (agent, mut puller) = Agent::known(&Metadata::start(), &[("SIPHON_KEY", &both)]);
    for key in [KEY, &old] {
        puller.key = Key::from_hex(key).unwrap();
        assert!(puller.pull().is_ok(), "and the answer is signed with the same key");
    }
    puller.key = Key::from_hex(&"0e".repeat(32)).unwrap();
    assert_eq!(refusal(&puller.send(&puller.sign_pull())), RefusalCode::BadSignature);
    assert!(agent.logged(&old).is_empty() && agent.logged(KEY).is_empty());
}

#[test]
fn no_level_of_the_log_has_a_key() {
    let (mut agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_LOG_LEVEL", "trace")]);
    let page = eventually("a reading", || puller.pull().ok().filter(|page| !page.records.is_empty()));
    puller.ack(&page).unwrap();
    agent.signal("TERM");
    let page = eventually("stopping", || puller.pull().ok().filter(|page| page.head.stopping));
    puller.ack(&page).unwrap();
    eventually("its end", || agent.exit_code());
    eventually("its last words", || agent.logged("ledger").pop());
    assert!(agent.logged(KEY).is_empty() && agent.logged(&KEY[..16]).is_empty());
}

#[test]
fn a_request_is_believed_once_and_within_a_minute() {
    let (_agent, mut puller) = Agent::known(&Metadata::start(), &[]);
    let signed = puller.sign_pull();
    assert_eq!(puller.trusted(&signed).status, 200);
    assert_eq!(refusal(&puller.trusted(&signed)), RefusalCode::Replayed);
    for skew_ms in [-61_000, 61_000] {
        puller.skew_ms = skew_ms;
        assert_eq!(puller.pull().unwrap_err(), RefusalCode::Expired, "{skew_ms}");
    }
    puller.skew_ms = 50_000;
    assert!(puller.pull().is_ok());
}

#[test]
fn a_pull_meant_for_another_task_is_refused() {
    let (_agent, mut puller) = Agent::known(&Metadata::start(), &[]);
    puller.task_arn = TASK_ARN.replace("0123", "9999");
    assert_eq!(puller.pull().unwrap_err(), RefusalCode::OtherTask);
    let signed = puller.sign("/v1/pull", b"{\"task_arn\":1}".to_vec());
    assert_eq!(refusal(&puller.trusted(&signed)), RefusalCode::BadRequest);
    let signed = puller.sign("/v1/elsewhere", Vec::new());
    assert_eq!(refusal(&puller.trusted(&signed)), RefusalCode::NotFound);
    let signed = puller.sign("/v1/pull", vec![b' '; 9000]);
    assert_eq!(refusal(&puller.trusted(&signed)), RefusalCode::TooLarge);
}

#[test]
fn no_pull_is_answered_before_the_task_is_known() {
    let metadata = Metadata::start();
    metadata.set(Mood::Status(500), Mood::Good);
    let agent = Agent::start(&metadata, &[]);
    let puller = Puller::new(agent.pull);
    agent.post("/v1/traces", &spans(1, 0));
    assert_eq!(puller.pull().unwrap_err(), RefusalCode::IdentityUnknown);
    metadata.set(Mood::Good, Mood::Good);
    let page = eventually("a pull", || puller.pull().ok());
    assert_eq!(count(&page, "accepted_records", "otlp_traces", ""), 1, "what came before is kept");
}

#[test]
fn one_puller_at_a_time() {
    let (agent, mut first) = Agent::known(&Metadata::start(), &[]);
    let second = Puller::new(agent.pull);
    first.lease_ms = 2000;
    eventually("a reading", || first.pull().ok().filter(|page| !page.records.is_empty()));
    assert_eq!(second.pull().unwrap_err(), RefusalCode::Leased);
    assert!(first.pull().is_ok(), "its holder may pull again");
    let page = eventually("the end of the lease", || second.pull().ok());
    assert_eq!(first.pull().unwrap_err(), RefusalCode::Leased);
    assert_eq!(
        first.ack(&page).unwrap_err(),
        RefusalCode::Leased,
        "what the second delivers, it acknowledges"
    );
    assert_eq!(first.pull().unwrap_err(), RefusalCode::Leased, "only its holder gives a lease back");
    second.ack(&page).unwrap();
    assert!(first.pull().is_ok());
}

#[test]
fn a_full_share_loses_its_oldest_by_kind_and_leaves_the_other_alone() {
    let environment = [("SIPHON_SPOOL_MAX_BYTES", "65536"), ("SIPHON_SAMPLE_INTERVAL", "1h")];
    let (agent, puller) = Agent::known(&Metadata::start(), &environment);
    for _ in 0..20 {
        assert_eq!(agent.post("/v1/traces", &spans(1, 4000)).status, 200);
    }
    let page = eventually("the reading", || {
        puller.pull().ok().filter(|page| page.records.iter().any(|record| record.kind == Kind::Ecs))
    });
    let traces: Vec<_> =
        page.records.iter().filter(|r| r.kind == Kind::OtlpTraces).map(|r| r.sequence).collect();
    assert_eq!(traces, (12..20).collect::<Vec<_>>(), "the newest that fit");
    assert_eq!(count(&page, "dropped_records", "otlp_traces", "spool_full"), 12);
    assert_eq!(count(&page, "dropped_records", "ecs", "spool_full"), 0);
    assert!(!agent.logged("spool is full").is_empty());
}

#[test]
fn a_page_keeps_to_its_limit_but_never_stays_empty() {
    let (agent, mut puller) = Agent::known(&Metadata::start(), &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    for _ in 0..10 {
        agent.post("/v1/traces", &spans(1, 4000));
    }
    puller.max_bytes = 10_000;
    let page = eventually("traces only", || {
        let page = puller.pull().unwrap();
        puller.ack_as(page.head.boot, Cursors { traces: Cursor(0), ..cursors(&page) }).unwrap();
        (page.share(siphon_core::wire::Share::Metrics).count() == 0).then_some(page)
    });
    assert_eq!((page.records.len(), page.head.traces.remaining_records), (2, 8));
    puller.max_bytes = 0;
    assert_eq!(puller.pull().unwrap().records.len(), 1);
}

#[test]
fn more_connections_than_places_are_closed() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[]);
    let mut idle: Vec<_> = (0..16).map(|_| connect(agent.pull)).collect();
    let mut one_more = connect(agent.pull);
    one_more.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let end = one_more.read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    idle.clear();
    eventually("a free place", || std::panic::catch_unwind(|| puller.pull().is_ok()).ok());
    assert!(puller.count("refused_connections", "pull", "too_many") >= 1);
}
