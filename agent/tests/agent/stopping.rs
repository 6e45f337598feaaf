//! SIGTERM.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use siphon_core::wire::Reading;

use crate::{
    eventually,
    http::{connect, receive, request},
    metadata::{Metadata, Mood},
    process::Agent,
    receiving::spans,
};

#[test]
fn a_stopping_agent_takes_a_last_reading_and_serves_until_all_is_acknowledged() {
    let metadata = Metadata::start();
    let (mut agent, puller) = Agent::known(&metadata, &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    puller.settle();
    agent.signal("TERM");
    let page = eventually("stopping", || puller.pull().ok().filter(|page| page.head.stopping));
    assert_eq!((page.records.len(), metadata.readings()), (1, 2), "the last reading");
    assert_eq!(agent.post("/v1/traces", &spans(1, 0)).status, 200, "an application may still flush");
    puller.ack(&page).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(agent.exit_code(), None, "the flushed spans are not delivered yet");
    let page = puller.pull().unwrap();
    assert_eq!(page.records.len(), 1);
    puller.ack(&page).unwrap();
    let end = Instant::now();
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert!(end.elapsed() < Duration::from_secs(15), "long before its grace is over");
    assert!(!agent.logged("drained").is_empty());
}

#[test]
fn a_stopping_agent_that_nobody_pulls_ends_with_its_grace_and_says_what_is_lost() {
    let (mut agent, _) = Agent::known(&Metadata::start(), &[("SIPHON_GRACE", "700ms")]);
    agent.post("/v1/traces", &spans(1, 0));
    let start = Instant::now();
    agent.signal("TERM");
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert!((Duration::from_millis(600)..Duration::from_secs(15)).contains(&start.elapsed()));
    let lost = agent.logged("they are lost");
    assert!(lost.len() == 1 && lost[0].contains("why=\"grace is over\""), "{lost:?}");
}

#[test]
fn a_stopping_agent_waits_for_a_body_on_its_way_in_but_not_for_a_broken_one() {
    let (mut agent, puller) = Agent::known(&Metadata::start(), &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    puller.settle();
    let protobuf = ("content-type", "application/x-protobuf");
    let whole = request("POST", "/v1/traces", &[protobuf], &spans(1, 100), "close");
    let (most, rest) = whole.split_at(whole.len() - 1);
    let (mut arriving, mut broken) = (connect(agent.otlp), connect(agent.otlp));
    arriving.write_all(most).unwrap();
    broken.write_all(most).unwrap();
    agent.signal("TERM");
    let page = eventually("stopping", || puller.pull().ok().filter(|page| page.head.stopping));
    puller.ack(&page).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(agent.exit_code(), None, "it waits longer than answers in hand get");
    arriving.write_all(rest).unwrap();
    assert_eq!(receive(&mut arriving).status, 200);
    let page = puller.pull().unwrap();
    assert_eq!(page.records.len(), 1);
    puller.ack(&page).unwrap();
    drop(broken);
    let end = Instant::now();
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert!(end.elapsed() < Duration::from_secs(8), "no time-out had to end it");
}

const RUNNING: &str = r#"{"TaskARN":"arn:aws:ecs:eu-central-1:111122223333:task/shop/0123456789abcdef0123456789abcdef",
    "Containers":[{"DockerId":"app","Type":"NORMAL","KnownStatus":"RUNNING"},{"DockerId":"container-1","KnownStatus":"RUNNING"}]}"#;
const STOPPED: &str = r#"{"TaskARN":"arn:aws:ecs:eu-central-1:111122223333:task/shop/0123456789abcdef0123456789abcdef",
    "Containers":[{"DockerId":"app","Type":"NORMAL","KnownStatus":"STOPPED","ExitCode":137},{"DockerId":"container-1","KnownStatus":"RUNNING"}]}"#;

#[test]
fn a_container_that_ends_after_the_signal_is_seen_to_end() {
    let metadata = Metadata::start();
    metadata.set(Mood::Body(RUNNING), Mood::Good);
    let (mut agent, puller) = Agent::known(&metadata, &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    puller.settle();
    agent.signal("TERM");
    let page = eventually("stopping", || puller.pull().ok().filter(|page| page.head.stopping));
    puller.ack(&page).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(agent.exit_code(), None, "drained, but the application may have last words");
    metadata.set(Mood::Body(STOPPED), Mood::Good);
    let page = eventually("a reading", || puller.pull().ok().filter(|page| !page.records.is_empty()));
    let reading = Reading::decode(page.records[0].payload.clone()).unwrap();
    assert_eq!((page.records.len(), &reading.task[..]), (1, STOPPED.as_bytes()));
    assert!(page.head.stopping);
    puller.ack(&page).unwrap();
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert_eq!(metadata.readings(), 3, "the first, the last, and that of the end");
}

#[test]
fn a_drained_agent_does_not_wait_for_ever_for_a_container_that_runs_on() {
    let metadata = Metadata::start();
    metadata.set(Mood::Body(RUNNING), Mood::Good);
    let (mut agent, puller) = Agent::known(&metadata, &[("SIPHON_SAMPLE_INTERVAL", "1h")]);
    puller.settle();
    agent.signal("TERM");
    let page = eventually("stopping", || puller.pull().ok().filter(|page| page.head.stopping));
    puller.ack(&page).unwrap();
    let acked = Instant::now();
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert!(acked.elapsed() < Duration::from_secs(8), "{:?}", acked.elapsed());
}

#[test]
fn a_hanging_metadata_endpoint_does_not_outlast_the_grace() {
    let metadata = Metadata::start();
    let (mut agent, _) = Agent::known(&metadata, &[("SIPHON_GRACE", "500ms")]);
    metadata.set(Mood::Hang, Mood::Hang);
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    agent.signal("INT");
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut agent, _) = Agent::known(&Metadata::start(), &[]);
    agent.signal("TERM");
    eventually("stopping", || agent.logged("stopping").first().cloned());
    agent.signal("TERM");
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
}
