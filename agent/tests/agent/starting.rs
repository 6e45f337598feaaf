//! Start, settings, health.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::Stdio,
};

use serde_json::Value;

use crate::{
    eventually,
    http::send,
    metadata::Metadata,
    process::{Agent, KEY, command},
};

#[test]
fn every_bad_setting_is_reported_at_once() {
    let output =
        command(&[("SIPHON_KEY", "tooshort"), ("SIPHON_GRACE", "soon"), ("SIPHON_LOG_LEVEL", "loud")])
            .output()
            .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    for name in ["SIPHON_KEY", "SIPHON_GRACE", "SIPHON_LOG_LEVEL"] {
        assert!(text.contains(&format!("{name}: accepted: ")), "{text}");
    }
    assert!(!text.contains("tooshort"), "{text}");
}

#[test]
fn a_taken_address_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [
        ("SIPHON_KEY", KEY),
        ("SIPHON_PULL_ADDRESS", address.as_str()),
        ("SIPHON_OTLP_GRPC_ADDRESS", "127.0.0.1:0"),
        ("SIPHON_OTLP_HTTP_ADDRESS", "127.0.0.1:0"),
        ("SIPHON_XRAY_ADDRESS", "off"),
        ("SIPHON_METRICS_ADDRESS", "off"),
        ("SIPHON_STATSD_ADDRESS", "off"),
    ];
    let output = command(&environment).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&address) && text.contains("SIPHON_PULL_ADDRESS"), "{text}");
}

/// Who collects logs as JSON is told in JSON why there is no agent.
#[test]
fn what_keeps_the_agent_from_starting_is_logged_as_all_else_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let json = ("SIPHON_LOG_FORMAT", "json");
    for (environment, code, what) in [
        (&[json, ("SIPHON_KEY", KEY), ("SIPHON_OTLP_GRPC_ADDRESS", &address)][..], 1, address.as_str()),
        (&[json, ("SIPHON_KEY", "tooshort"), ("SIPHON_GRACE", "soon")], 2, "SIPHON_GRACE: accepted: "),
    ] {
        let output = command(environment).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.last().unwrap();
        assert!(last["level"] == "ERROR" && last["message"].as_str().unwrap().contains(what), "{text}");
    }
}

fn health(pull: SocketAddr) -> (Option<i32>, String) {
    let output = command(&[("SIPHON_PULL_ADDRESS", &pull.to_string())]).arg("health").output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn health_is_the_exit_code() {
    let agent = Agent::start(&Metadata::start(), &[("SIPHON_PULL_ADDRESS", "127.0.0.9:0")]);
    let (code, line) = health(agent.pull);
    assert_eq!((code, line.lines().count()), (Some(0), 1), "{line}");
    let reply = send(agent.pull, "GET", "/health", &[], b"");
    assert_eq!((reply.status, reply.text().starts_with("{\"status\":\"ok\"")), (200, true));
    let pull = agent.pull;
    drop(agent);
    let (code, line) = health(pull);
    assert_eq!((code, line.lines().count()), (Some(1), 1), "{line}");
}

#[test]
fn health_is_not_what_another_service_answers() {
    let agent = Agent::start(&Metadata::start(), &[]);
    assert_eq!(health(agent.otlp).0, Some(1), "the OTLP port answers 404");
}

#[test]
fn receivers_are_announced_and_can_be_switched_off() {
    let agent = Agent::start(&Metadata::start(), &[]);
    assert_eq!(agent.logged("listening receiver=").len(), 5);
    assert_eq!(agent.logged(&format!("receiver=xray_sampling address={}", agent.xray)).len(), 1);
    let environment = [
        ("SIPHON_KEY", KEY),
        ("SIPHON_PULL_ADDRESS", "127.0.0.1:0"),
        ("SIPHON_OTLP_GRPC_ADDRESS", "off"),
        ("SIPHON_OTLP_HTTP_ADDRESS", "off"),
        ("SIPHON_STATSD_ADDRESS", "off"),
        ("SIPHON_XRAY_ADDRESS", "off"),
    ];
    let mut child = command(&[&environment[..], &[("SIPHON_METRICS_ADDRESS", "off")]].concat())
        .env("SIPHON_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let logged: Vec<Value> = lines
        .map(|line| serde_json::from_str::<Value>(&line).unwrap())
        .take_while(|line| line["message"] != "ready")
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        logged.iter().all(|line| line["level"] == "INFO" && line["message"] != "listening"),
        "{logged:?}"
    );
}

#[test]
fn its_own_metrics_are_told_and_a_taken_port_does_not_keep_it_from_running() {
    let agent = Agent::start(&Metadata::start(), &[]);
    let page = || send(agent.metrics, "GET", "/metrics", &[], b"");
    eventually("a reading", || page().text().contains("accepted_records_total{kind=\"ecs\"}").then_some(()));
    assert!(page().head.contains("content-type: text/plain; version=0.0.4"));
    assert_eq!(send(agent.metrics, "POST", "/metrics", &[], b"").status, 404);

    let taken = agent.metrics.to_string();
    let second = Agent::start(&Metadata::start(), &[("SIPHON_METRICS_ADDRESS", &taken)]);
    assert_eq!(second.logged("SIPHON_METRICS_ADDRESS").len(), 1);
}

#[test]
fn the_command_line_is_small() {
    let version = command(&[]).arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!("siphon-agent {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(command(&[]).arg("--nonsense").output().unwrap().status.code(), Some(2));
}
