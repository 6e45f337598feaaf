//! How traces reach X-Ray, as documents or as spans: against endpoints on loopback that refuse what X-Ray refuses.

use siphon_core::{
    otlp::{Resource, Span},
    wire::Kind,
    xray::HEADERS,
};

use super::world::{
    ENOUGH, SHORT, World,
    agent::{arn, attribute, span},
    header,
    logs::Logs,
    otlp, seconds_ago, xray,
};

#[tokio::test]
async fn a_call_is_the_one_that_the_aws_sdk_makes() {
    let world = World::new().await;
    let text = "\"quoted\", \\, größe 🦀 \u{1}\u{7f}\u{2028} <b>\n";
    world.agent.spans_of(None, vec![Span { attributes: vec![attribute("text", text)], ..span(1) }, span(2)]);
    world.scrape(ENOUGH).await;
    let take_one = || world.xray.edit(|state| state.requests.pop().unwrap());
    let (ours, our_body) = take_one();
    let documents: serde_json::Value = serde_json::from_slice(&our_body).unwrap();
    let documents = documents["TraceSegmentDocuments"].as_array().unwrap();

    let mut call = aws_sdk_xray::Client::new(&world.aws).put_trace_segments();
    for document in documents {
        call = call.trace_segment_documents(document.as_str().unwrap());
    }
    call.send().await.unwrap();
    let (theirs, their_body) = take_one();
    assert_eq!(our_body, their_body);
    assert_eq!((&ours.method, &ours.uri), (&theirs.method, &theirs.uri));
    for name in ["content-type", "content-length", "host", "x-amz-security-token"] {
        assert_eq!(header(&ours, name), header(&theirs, name), "{name}");
    }
    for (name, _) in HEADERS.iter().chain(&[("host", ""), ("x-amz-date", ""), ("x-amz-security-token", "")]) {
        assert!(header(&ours, "authorization").contains(name), "{name} is signed");
    }
}

#[tokio::test]
async fn a_name_that_x_ray_refuses_goes_again_cleaned() {
    let world = World::new().await;
    let named = |id, name: &str| Span { attributes: vec![attribute("peer.service", name)], ..span(id) };
    world.agent.spans_of(None, vec![named(1, "a, <b>"), named(2, "c<d>"), named(3, "shop")]);
    let refused = xray::Reply::Unprocessed(vec![(1, "InvalidName"), (3, "InvalidName")]);
    world.xray.replies(&[refused, xray::Reply::Take]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.xray.calls(), world.xray.taken()), (vec![3, 1], (2, 1)));
    let names = world.xray.edit(|state| [1, 2].map(|id| state.names[&xray::id(id)].clone()));
    assert_eq!(names, ["a b", "c<d>"], "what X-Ray takes stays as it is");
    assert_eq!((tally.segments, tally.segments_renamed), (2, 1));
    assert_eq!(tally.segments_rejected.get("InvalidName"), 1, "the third has a good name: nothing to clean");
    assert_eq!(world.agent.acked(), (0, 1));
}

#[tokio::test]
async fn a_name_that_x_ray_refuses_twice_is_counted() {
    let world = World::new().await;
    world.agent.spans_of(None, vec![Span { attributes: vec![attribute("peer.service", "<b>")], ..span(1) }]);
    world.xray.replies(&[xray::Reply::Refuse(400, "InvalidRequestException")]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.xray.calls(), world.agent.acked()), (vec![1, 1], (0, 1)));
    assert_eq!((tally.segments, tally.segments_rejected.get("InvalidRequestException")), (0, 1));
}

#[tokio::test]
async fn a_long_document_is_shortened_and_one_that_cannot_be_is_logged_by_name() {
    let (logs, _guard) = Logs::start();
    let world = World::new().await;
    let long = Span { attributes: vec![attribute("long", "x".repeat(70_000))], ..span(1) };
    world.agent.spans_of(None, vec![long, span(2)]);
    let endless = Resource { attributes: vec![attribute("service.version", "x".repeat(70_000))] };
    world.agent.spans_of(Some(endless), vec![Span { name: "lost".into(), ..span(3) }]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.xray.taken(), tally.segments, tally.segments_shortened), ((2, 1), 2, 1));
    assert_eq!(tally.spans_dropped.get("document_too_large"), 1);
    let lines = logs.that_say("span is dropped");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&line["span_name"], &line["id"]), (&"lost".into(), &"0000000000000003".into()));
    assert_eq!(line["reason"], "document_too_large");
}

async fn otlp_world() -> World {
    World::with_settings(&[("SIPHON_TRACES_EXPORTER", "otlp")]).await
}

#[tokio::test]
async fn spans_go_as_they_are_with_the_tasks_identity() {
    let world = otlp_world().await;
    let own = Resource { attributes: vec![attribute("aws.ecs.task.arn", "mars"), attribute("own", "kept")] };
    world.agent.spans_of(Some(own), vec![span(1), span(2)]);
    world.agent.spans(&[3]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!(
        (world.otlp.requests(), world.otlp.stored()),
        (vec![3], (3, 1)),
        "one request for both records"
    );
    assert_eq!((tally.spans, tally.segments, tally.records), (3, 0, 2));
    assert_eq!((world.agent.acked(), world.xray.calls()), ((0, 2), vec![]));
    let resources = world.otlp.edit(|state| state.resources.clone());
    assert!(resources[0].attributes.contains(&attribute("own", "kept")));
    for resource in resources {
        let arns = resource.attributes.iter().filter(|attribute| attribute.key == "aws.ecs.task.arn");
        assert_eq!(arns.collect::<Vec<_>>(), [&attribute("aws.ecs.task.arn", arn("task-1"))]);
    }
}

#[tokio::test]
async fn spans_that_the_endpoint_cannot_take_now_stay_with_the_agent() {
    let world = otlp_world().await;
    world.agent.spans(&[1]);
    world.otlp.replies(&[otlp::Reply::Refuse(503, "later")]);
    let scraped = world.scrape(SHORT).await;
    assert_eq!((world.agent.acked(), scraped.tally.writes_failed.get("xray_unavailable")), ((0, 0), 1));
    assert!(scraped.failed.is_empty() && world.otlp.requests().len() > 1);
    world.otlp.replies(&[otlp::Reply::Refuse(429, "slower"), otlp::Reply::Store]);
    world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), world.otlp.stored()), ((0, 1), (1, 1)));
}

#[tokio::test]
async fn an_account_without_transaction_search_keeps_its_spans_and_fails_the_message() {
    let world = otlp_world().await;
    world.agent.spans(&[1, 2]);
    let text =
        r#"{"message":"The OTLP API is supported with CloudWatch Logs as a Trace Segment Destination."}"#;
    world.otlp.replies(&[otlp::Reply::Refuse(400, text)]);
    let scraped = world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), world.otlp.requests()), ((0, 0), vec![2]));
    assert_eq!((scraped.failed.len(), scraped.tally.writes_failed.get("xray_misconfigured")), (1, 1));
}

#[tokio::test]
async fn one_bad_span_costs_no_other() {
    let world = otlp_world().await;
    let (logs, _guard) = Logs::start();
    world.agent.spans(&(1..=40).collect::<Vec<_>>());
    world.agent.spans(&[100]);
    world.otlp.replies(&[otlp::Reply::RefuseWith(7)]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.otlp.stored(), world.agent.acked()), ((40, 1), (0, 2)));
    assert_eq!((tally.spans, tally.spans_rejected.get("400")), (40, 1));
    let lines = logs.that_say("X-Ray refused spans for good");
    assert_eq!(lines.iter().map(|line| &line["id"]).collect::<Vec<_>>(), ["0000000000000007"]);
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_is_not_asked_for_ever() {
    let world = otlp_world().await;
    world.agent.spans(&(1..=1000).collect::<Vec<_>>());
    world.otlp.replies(&[otlp::Reply::Refuse(400, "told to")]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.spans_rejected.get("400"), world.agent.acked()), (1000, (0, 1)));
    assert!(world.otlp.requests().len() < 200, "{}", world.otlp.requests().len());
}

#[tokio::test]
async fn a_request_that_is_too_large_goes_in_halves() {
    let world = otlp_world().await;
    world.agent.spans(&[1, 2, 3, 4, 5]);
    world.otlp.replies(&[otlp::Reply::AtMost(2)]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.otlp.stored(), tally.spans, world.agent.acked()), ((5, 1), 5, (0, 1)));
}

#[tokio::test]
async fn spans_that_are_left_out_are_counted() {
    let world = otlp_world().await;
    world.agent.spans(&[1, 2, 3]);
    world.otlp.replies(&[otlp::Reply::AllButOne]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.spans, tally.spans_rejected.get("partial_success")), (2, 1));
    assert_eq!((world.agent.acked(), world.otlp.requests()), ((0, 1), vec![3]), "they are not sent again");
}

#[tokio::test]
async fn spans_that_are_too_large_or_unreadable_are_given_up_and_the_rest_goes_on() {
    let world = otlp_world().await;
    let (logs, _guard) = Logs::start();
    let large = Span { name: "large".repeat(50_000), ..span(1) };
    world.agent.spans_of(None, vec![large, span(2)]);
    world.agent.record(Kind::OtlpTraces, seconds_ago(1), &b"\xff"[..]);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.otlp.stored(), world.agent.acked()), ((1, 1), (0, 2)));
    assert_eq!((tally.spans_dropped.get("span_too_large"), tally.records_bad.get("otlp_traces")), (1, 1));
    assert_eq!(logs.that_say("span is dropped")[0]["id"], "0000000000000001");
}
