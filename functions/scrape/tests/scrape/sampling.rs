//! Centralised sampling: what X-Ray says reaches the agents that ask, and costs nobody else.

use std::time::Duration;

use serde_json::{Value, json};
use siphon_core::wire::{Kind, RulesDigest, SamplingHead, SamplingStatistics};

use super::world::{ENOUGH, World, agent::Agent, logs::Logs, seconds_ago};

fn statistics(client: &str, rule: &str) -> SamplingStatistics {
    SamplingStatistics {
        client_id: client.to_owned(),
        rule_name: rule.to_owned(),
        timestamp: 1_795_400_000.into(),
        request_count: 7,
        sampled_count: 2,
        borrow_count: 1,
    }
}

fn rule(name: &str) -> Value {
    json!({ "SamplingRule": { "RuleName": name, "FixedRate": 0.05, "SomethingNew": [1] } })
}

fn rules(names: &[&str], next: Option<&str>) -> (u16, String) {
    let records: Vec<_> = names.iter().map(|name| rule(name)).collect();
    (200, json!({ "SamplingRuleRecords": records, "NextToken": next }).to_string())
}

fn targets(names: &[&str], modified: i64) -> (u16, String) {
    let targets: Vec<_> = names.iter().map(|name| json!({ "RuleName": name, "ReservoirQuota": 3 })).collect();
    let answer = json!({ "SamplingTargetDocuments": targets, "LastRuleModification": modified });
    (200, answer.to_string())
}

fn ask(agent: &Agent, statistics: Vec<SamplingStatistics>) {
    agent.edit(|state| state.sampling = Some(SamplingHead { rules: None, batch: 4, statistics }));
}

async fn world(rules: &[(u16, String)], targets: &[(u16, String)]) -> World {
    let world = World::new().await;
    world.xray.edit(|state| {
        state.rules = rules.to_vec().into();
        state.targets = targets.to_vec().into();
    });
    world
}

fn calls(world: &World) -> Vec<String> {
    world.xray.edit(|state| state.sampling_calls.iter().map(|(path, _)| path[1..].to_owned()).collect())
}

fn handovers(agent: &Agent) -> Vec<Value> {
    agent.edit(|state| state.handovers.clone())
}

#[tokio::test]
async fn an_agent_that_is_not_asked_costs_no_call() {
    let world = world(&[], &[]).await;
    world.agent.readings(1, 1);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!(
        (calls(&world).len(), handovers(&world.agent).len(), tally.sampling_failed.total()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn an_agent_without_records_is_served_too() {
    let world = world(&[rules(&["a"], None)], &[targets(&["a"], 0)]).await;
    ask(&world.agent, vec![statistics("c", "a")]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!(calls(&world), ["SamplingTargets", "GetSamplingRules"]);
    let body = world.xray.edit(|state| state.sampling_calls[0].1.clone());
    assert_eq!(body["SamplingStatisticsDocuments"][0], serde_json::to_value(statistics("c", "a")).unwrap());
    let [handover] = &handovers(&world.agent)[..] else { panic!("one hand-over") };
    assert_eq!(handover["reported"], json!({ "batch": 4, "statistics": 1 }));
    assert_eq!(handover["rules"], json!([rule("a")]), "with whatever fields X-Ray gives them");
    let target = json!([{ "client_id": "c", "documents": [{ "RuleName": "a", "ReservoirQuota": 3 }] }]);
    assert_eq!(handover["targets"], target);
    assert_eq!((tally.sampling_failed.total(), tally.pages), (0, 1));
}

#[tokio::test]
async fn all_agents_share_one_fetch_of_the_rules_for_a_while() {
    let world = world(&[rules(&["a"], Some("more")), rules(&["b"], None)], &[targets(&[], 0)]).await;
    let other = Agent::start("task-2").await;
    ask(&world.agent, vec![]);
    ask(&other, vec![]);
    world.scrape_all(vec![world.agent.target(), other.target()], ENOUGH).await;
    assert_eq!(calls(&world), ["GetSamplingRules"; 2], "two pages, once");
    assert_eq!(world.xray.edit(|state| state.sampling_calls[1].1.clone()), json!({ "NextToken": "more" }));
    let both = [handovers(&world.agent), handovers(&other)].concat();
    assert_eq!(both.iter().map(|h| &h["rules"]).collect::<Vec<_>>(), [&json!([rule("a"), rule("b")]); 2]);

    // An agent that has them gets no more of them; one whose clients report gets a hand-over without.
    let text = format!("[{},{}]", rule("a"), rule("b"));
    let digest = Some(RulesDigest::of(text.as_bytes()));
    world.agent.edit(|state| state.sampling.as_mut().unwrap().rules = digest);
    world.scrape(ENOUGH).await;
    assert_eq!((calls(&world).len(), handovers(&world.agent).len()), (2, 1));
    world.agent.edit(|state| state.sampling.as_mut().unwrap().statistics = vec![statistics("c", "a")]);
    world.scrape(ENOUGH).await;
    assert_eq!(handovers(&world.agent)[1]["rules"], Value::Null);
    // A rule that changes meanwhile is fetched at once.
    world.xray.edit(|state| {
        state.targets = vec![targets(&[], 9_999_999_999)].into();
        state.rules = vec![rules(&["c"], None)].into();
    });
    world.scrape(ENOUGH).await;
    assert_eq!(handovers(&world.agent)[2]["rules"], json!([rule("c")]));
}

#[tokio::test]
async fn statistics_go_in_calls_of_one_client_and_25_at_most() {
    let world = world(&[rules(&["a"], None)], &[targets(&["a"], 0)]).await;
    let mut all: Vec<_> = (0..30).map(|n| statistics("c", &format!("rule-{n}"))).collect();
    all.push(statistics("d", "rule-0"));
    ask(&world.agent, all);
    world.scrape(ENOUGH).await;
    let reported = |body: &Value| body["SamplingStatisticsDocuments"].as_array().unwrap().len();
    let sizes: Vec<_> =
        world.xray.edit(|s| s.sampling_calls.iter().take(3).map(|(_, body)| reported(body)).collect());
    assert_eq!(sizes, [25, 5, 1]);
    let handover = &handovers(&world.agent)[0];
    assert_eq!(handover["reported"]["statistics"], 31);
    let documents: Vec<_> = handover["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["documents"].as_array().unwrap().len())
        .collect();
    assert_eq!(documents, [2, 1], "what two calls for one client answer goes together");
}

#[tokio::test]
async fn a_refused_call_keeps_what_it_would_have_reported_and_costs_no_telemetry() {
    let refused = (429, r#"{"__type":"ThrottledException","message":"slower"}"#.to_owned());
    let world = world(&[rules(&["a"], None)], &[targets(&["a"], 0), refused]).await;
    world.agent.readings(2, 1);
    ask(&world.agent, vec![statistics("c", "a"), statistics("d", "a")]);
    let scraped = world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), scraped.failed.len()), ((2, 0), 0));
    assert_eq!(scraped.tally.sampling_failed.get("ThrottledException"), 1);
    assert_eq!(handovers(&world.agent)[0]["reported"]["statistics"], 1, "the rest comes again");

    // For a while X-Ray is left alone.
    let before = calls(&world).len();
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((calls(&world).len(), tally.sampling_failed.get("paused")), (before, 1));
}

#[tokio::test]
async fn statistics_that_x_ray_will_never_take_keep_no_rules_from_an_agent() {
    let refused = (400, r#"{"__type":"InvalidRequestException"}"#.to_owned());
    let world = world(&[rules(&["Default"], None)], &[refused, targets(&["Default"], 0)]).await;
    ask(&world.agent, vec![statistics("a", "bad"), statistics("b", "Default")]);
    let failed = world.scrape(ENOUGH).await.tally.sampling_failed;
    assert_eq!((failed.get("invalid_statistics"), failed.total()), (1, 1));
    let handover = &handovers(&world.agent)[0];
    assert_eq!(
        handover["reported"],
        json!({ "batch": 4, "statistics": 2 }),
        "so that it does not come again"
    );
    assert_eq!(handover["rules"], json!([rule("Default")]));
    assert_eq!(handover["targets"][0]["client_id"], "b");
}

#[tokio::test]
async fn each_way_to_fail_has_its_reason() {
    let forbidden = (403, r#"{"__type":"AccessDeniedException"}"#.to_owned());
    let unreadable = (200, "<html>".to_owned());
    let too_large = rules(&["x".repeat(300_000).as_str()], None);
    for (answer, reason) in [
        (forbidden, "misconfigured"),
        (unreadable, "unreadable"),
        ((500, String::new()), "500"),
        (too_large, "unreadable"),
    ] {
        let (logs, _guard) = Logs::start();
        let world = world(&[answer], &[]).await;
        ask(&world.agent, vec![]);
        let scraped = world.scrape(ENOUGH).await;
        assert_eq!((scraped.tally.sampling_failed.get(reason), scraped.failed.len()), (1, 0), "{reason}");
        assert_eq!(logs.that_say("X-Ray says nothing of sampling").len(), 1);
        assert!(handovers(&world.agent).is_empty());
    }
}

#[tokio::test]
async fn an_x_ray_that_never_answers_holds_a_drain_for_seconds_only() {
    let world = world(&[], &[]).await; // no answer at all
    world.agent.readings(1, 1);
    ask(&world.agent, vec![]);
    let begun = tokio::time::Instant::now();
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.agent.acked(), tally.sampling_failed.get("unavailable")), ((1, 0), 1));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

fn document(id: u64) -> String {
    format!(
        " {{\n\"name\":\"shop\",\"id\":\"{id:016x}\",\"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"start_time\":1}}"
    )
}

fn segments(world: &World, documents: &[String]) {
    for document in documents {
        world.agent.record(Kind::XraySegment, seconds_ago(1), document.clone());
    }
}

#[tokio::test]
async fn documents_of_x_ray_sdks_go_out_as_they_came_and_a_bad_one_costs_no_other() {
    let (logs, _guard) = Logs::start();
    let world = World::new().await;
    let large = document(3).replace("shop", &"x".repeat(66_000));
    segments(&world, &[document(1), "{}".to_owned(), large, "\u{1}".to_owned(), document(2)]);
    world.agent.spans(&[7]);
    let tally = world.scrape(ENOUGH).await.tally;
    let (_, body) = world.xray.edit(|state| state.requests.pop().unwrap());
    let body: Value = serde_json::from_slice(&body).unwrap();
    let sent = body["TraceSegmentDocuments"].as_array().unwrap();
    assert_eq!((&sent[0], &sent[1], sent.len()), (&json!(document(1)), &json!(document(2)), 3));
    assert_eq!((tally.segments, world.agent.acked()), (3, (0, 6)));
    assert_eq!(tally.records_bad.get("xray_segments"), 2);
    assert_eq!(tally.spans_dropped.get("document_too_large"), 1);
    assert!(
        logs.that_say("record can't be read and is given up")[0]["error"]
            .as_str()
            .unwrap()
            .contains("missing field")
    );
    assert_eq!(logs.that_say("span is dropped")[0]["id"], "0000000000000003");
}

#[tokio::test]
async fn a_document_that_x_ray_refuses_costs_no_other() {
    let world = World::new().await;
    segments(&world, &(1..=40).map(document).collect::<Vec<_>>());
    world.xray.replies(&[super::world::xray::Reply::RefuseWith(7)]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.xray.taken(), tally.segments, world.agent.acked()), ((39, 1), 39, (0, 40)));
    assert_eq!(tally.segments_rejected.get("InvalidRequestException"), 1);
}

#[tokio::test]
async fn spans_and_documents_part_where_spans_go_to_the_otlp_endpoint() {
    let world = World::with_settings(&[("SIPHON_TRACES_EXPORTER", "otlp")]).await;
    world.agent.spans(&[1, 2]);
    segments(&world, &[document(3), document(4)]);
    world.agent.spans(&[5]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.otlp.requests(), world.xray.calls()), (vec![2, 1], vec![2]));
    assert_eq!((tally.spans, tally.segments, world.agent.acked()), (3, 2, (0, 4)));
    // What comes before a failure is acknowledged, and no more.
    world.agent.spans(&[6]);
    segments(&world, &[document(7)]);
    world.xray.replies(&[super::world::xray::Reply::Refuse(403, "AccessDeniedException")]);
    world.scrape(ENOUGH).await;
    assert_eq!(world.agent.acked(), (0, 5));
}
