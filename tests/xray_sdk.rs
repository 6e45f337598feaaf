//! Applications that sample as X-Ray says, unchanged, each a process of its own: the X-Ray SDK for Python, which sends
//! segments to its daemon over UDP, and OpenTelemetry's remote sampler for X-Ray. Their daemon is an agent that has neither
//! credentials nor a way to AWS; the rules come from the stand-in's X-Ray, through `scrape`.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use serde_json::{Value, json};
use siphon_tests::{
    local::Local,
    moto::Moto,
    node::Node,
    python::{self, Python},
    wait,
};

/// Of the stand-in's rules, which take all of `checkout` and nothing of `probe`.
const REQUESTS: u64 = 40;

fn overview(local: &Local) -> Value {
    let page = wait::until("the overview", || local.page("/api/overview"));
    serde_json::from_str(&page).unwrap()
}

/// Where task 1's agent is the X-Ray daemon.
fn daemon(local: &Local) -> String {
    format!("{}:2000", overview(local)["tasks"][0]["address"].as_str().unwrap())
}

fn orders(python: &Python, daemon: &str, sampling: &str) -> Value {
    python::json(python.app("orders.py").arg(sampling).env("AWS_XRAY_DAEMON_ADDRESS", daemon))
}

fn has_rules(daemon: &str) -> bool {
    let answer = minreq::post(format!("http://{daemon}/GetSamplingRules")).with_body("{}").send();
    answer.is_ok_and(|answer| answer.as_bytes().windows(10).any(|window| window == b"\"Checkout\""))
}

#[test]
fn the_x_ray_sdk_samples_by_its_own_rules_at_first_and_then_by_those_of_x_ray() {
    let Some(python) = Python::find() else { return };
    let local = Local::start(&["--no-workload", "--tasks", "1"]);
    let daemon = daemon(&local);
    // The SDK's own default: the first of each second, and five in a hundred.
    let before = orders(&python, &daemon, "local");
    let sampled =
        before["probe"]["sampled"].as_u64().unwrap() + before["checkout"]["sampled"].as_u64().unwrap();
    assert!((1..REQUESTS).contains(&sampled), "{before}");

    // It has asked, so that the rules come; an SDK that starts from now on has them at once.
    wait::until("the agent has the rules", || has_rules(&daemon).then_some(()));
    let after = orders(&python, &daemon, "central");
    assert_eq!((&after["probe"]["sampled"], &after["checkout"]["sampled"]), (&json!(0), &json!(REQUESTS)));

    let overview = wait::until("all segments are stored and the statistics reported", || {
        let overview = overview(&local);
        let reported = overview["sampling_requests"].as_u64() >= Some(2 * REQUESTS);
        (overview["segments"].as_u64() == Some(sampled + REQUESTS) && reported).then_some(overview)
    });
    assert_eq!((&overview["unprocessed"], &overview["repeated"]), (&json!(0), &json!(0)));
}

/// By moto's X-Ray, which nobody here wrote; it has no sampling, and that costs no segment.
#[test]
fn segments_of_the_x_ray_sdk_reach_x_ray_byte_for_byte() {
    let (Some(python), Some(moto)) = (Python::find(), Moto::start()) else { return };
    let local = Local::start(&["--no-workload", "--tasks", "1", "--xray-endpoint", moto.url()]);
    let served = orders(&python, &daemon(&local), "local");
    let trace_id = ["checkout", "probe"].into_iter().find_map(|service| served[service]["trace_id"].as_str());
    let segments = wait::until("the segment is stored", || {
        Some(moto.segments(trace_id.unwrap())).filter(|segments| !segments.is_empty())
    });
    let [segment] = &segments[..] else { unreachable!("one segment: {segments:#?}") };
    assert_eq!(segment["http"]["request"]["url"], "https://shop.example/orders?größe=\"xl\"");
    assert_eq!(segment["aws"]["xray"]["sdk"], "X-Ray for Python");
    let payment = &segment["subsegments"][0];
    assert_eq!(payment["metadata"]["default"]["answer"]["text"], "line\nbreak \\ \"quote\" größe");
    assert_eq!(payment["cause"]["exceptions"][0]["type"], "TimeoutError");
}

#[test]
fn opentelemetrys_remote_sampler_samples_as_x_ray_says() {
    let Some(node) = Node::find() else { return };
    let local = Local::start(&["--no-workload", "--tasks", "1"]);
    let endpoint = format!("http://{}", daemon(&local));
    for (service, want) in [("probe", 0), ("checkout", 50)] {
        let sampled = python::json(node.app("sampler.js").args([&endpoint, service]));
        let seconds = sampled["seconds"].as_array().unwrap();
        assert_eq!(
            (seconds.last(), &sampled["steady"]),
            (Some(&json!(want)), &json!(true)),
            "{service}: {sampled}"
        );
    }
    wait::until("the statistics are reported", || {
        (overview(&local)["sampling_requests"].as_u64() >= Some(100)).then_some(())
    });
}
