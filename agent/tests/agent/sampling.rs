//! Readings of the metadata endpoint.

use siphon_core::wire::{Kind, Reading};

use crate::{
    eventually,
    metadata::{Metadata, Mood, TASK_ARN},
    process::Agent,
    puller::count,
};

#[test]
fn readings_are_taken_at_once_and_then_at_each_tick_as_received() {
    let metadata = Metadata::start();
    let (_agent, puller) = Agent::known(&metadata, &[]);
    let page = eventually("three readings", || puller.all().ok().filter(|page| page.records.len() >= 3));
    for (index, record) in page.records.iter().enumerate() {
        let reading = Reading::decode(record.payload.clone()).unwrap();
        assert_eq!((record.kind, record.sequence), (Kind::Ecs, index as u64));
        assert_eq!(reading.stats, format!(r#"{{"reading":{}}}"#, index + 1));
        assert_eq!(reading.task, page.task);
    }
    let (first, last) = (page.records.first().unwrap(), page.records.last().unwrap());
    assert!(last.arrived.since(first.arrived) >= 200, "one tick early at most");
}

#[test]
fn a_bad_answer_costs_that_reading_only_and_is_counted() {
    let metadata = Metadata::start();
    let (_agent, puller) = Agent::known(&metadata, &[]);
    let moods = [
        (Mood::Status(404), "status"),
        (Mood::Status(429), "status"),
        (Mood::Status(500), "status"),
        (Mood::Body("\"throttled\""), "invalid"),
        (Mood::Body(""), "invalid"),
        (Mood::Body("[]"), "invalid"),
        (Mood::Body("{\"half\":"), "invalid"),
        (Mood::Half, "unreachable"),
        (Mood::Close, "unreachable"),
        (Mood::Huge, "too_large"),
    ];
    for (mood, reason) in moods {
        for (task, stats, answer) in [(mood, Mood::Good, "task"), (Mood::Good, mood, "stats")] {
            let before = puller.count("failed_readings", answer, reason);
            metadata.set(task, stats);
            eventually(&format!("{mood:?} of {answer} counted as {reason}"), || {
                (puller.count("failed_readings", answer, reason) > before).then_some(())
            });
        }
        metadata.set(Mood::Good, Mood::Good);
        let last = puller.count("accepted_records", "ecs", "");
        eventually(&format!("a reading after {mood:?}"), || {
            (puller.count("accepted_records", "ecs", "") > last).then_some(())
        });
    }
    let page = puller.all().unwrap();
    assert!(String::from_utf8_lossy(&page.task).contains(TASK_ARN));
    for record in &page.records {
        let reading = Reading::decode(record.payload.clone()).unwrap();
        assert!(reading.stats.starts_with(b"{\"reading\":"), "{reading:?}");
    }
}

#[test]
fn a_task_without_an_arn_is_no_answer_and_logged_once() {
    let metadata = Metadata::start();
    let (agent, puller) = Agent::known(&metadata, &[]);
    metadata.set(Mood::Body("{\"Cluster\":\"shop\"}"), Mood::Good);
    eventually("counted", || (puller.count("failed_readings", "task", "invalid") > 3).then_some(()));
    let logged = agent.logged("reading lost");
    assert!(logged.len() == 1 && logged[0].contains("no TaskARN"), "{logged:?}");
    assert!(String::from_utf8_lossy(&puller.all().unwrap().task).contains(TASK_ARN), "the good one is kept");
}

#[test]
fn an_endpoint_that_never_answers_is_given_up_after_a_while() {
    let metadata = Metadata::start();
    let (_agent, puller) = Agent::known(&metadata, &[]);
    metadata.set(Mood::Good, Mood::Hang);
    let page = eventually("a time-out", || {
        puller.all().ok().filter(|page| count(page, "failed_readings", "stats", "timeout") > 0)
    });
    let before = count(&page, "accepted_records", "ecs", "");
    metadata.set(Mood::Good, Mood::Good);
    eventually("a reading", || (puller.count("accepted_records", "ecs", "") > before).then_some(()));
}

/// On EC2 the URI ends in an id of the endpoint's own.
#[test]
fn the_agent_learns_which_container_it_is() {
    let metadata = Metadata::start();
    metadata.set_own(Mood::Body(r#"{"DockerId":"5f1e","Name":"siphon-agent"}"#));
    let (_agent, puller) = Agent::known(&metadata, &[]);
    eventually("its container's id", || (puller.all().ok()?.head.container == "5f1e").then_some(()));
}
