//! The agent's own metrics for whoever asks within the task, as a Prometheus target: what was counted, how full the
//! spool is (<https://prometheus.io/docs/instrumenting/exposition_formats/>, text format). The same goes out with every
//! pull.

use std::{fmt::Write as _, rc::Rc, time::Duration};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use log::{info, warn};
use siphon_core::wire::Count;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, spawn_local},
};

use crate::{
    agent::Agent,
    net::{self, Answer, Limits, WhenFull, answer, text},
    settings::METRICS_ADDRESS,
};

/// A scraper or two, and a person.
const LIMITS: Limits = Limits {
    connections: 8,
    when_full: WhenFull::Close,
    per_remote_address: 8,
    remote_per_second: 20,
    idle: Duration::from_secs(120),
    age: Duration::from_secs(3600),
};

/// Tells them until `closing` has turned true. A port that is taken is no reason not to run: nobody's data come this way.
pub fn serve(agent: &Rc<Agent>, closing: watch::Receiver<bool>) -> Option<JoinHandle<()>> {
    let listener = net::listen(agent.settings.metrics_address?, METRICS_ADDRESS);
    let listener = listener
        .inspect_err(|error| warn!(error:%; "the agent's own metrics are not to be had on /metrics"))
        .ok()?;
    let listener = TcpListener::from_std(listener).ok()?;
    info!(address:% = listener.local_addr().ok()?, path = PATH; "telling the agent's own metrics");
    let listener = agent.listener("metrics", listener, LIMITS);
    let agent = Rc::clone(agent);
    let handle = move |_, request| handle(Rc::clone(&agent), request);
    Some(spawn_local(net::serve(listener, None, closing, handle)))
}

const PATH: &str = "/metrics";
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

async fn handle(agent: Rc<Agent>, request: Request<Incoming>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::GET, PATH) => answer(StatusCode::OK, CONTENT_TYPE, exposition(&agent)),
        _ => text(StatusCode::NOT_FOUND, "expected GET /metrics"),
    }
}

fn exposition(agent: &Agent) -> String {
    let mut counts = agent.counts();
    counts.sort_by(|one, other| one.event.cmp(&other.event)); // a metric's samples stand together
    let mut page = String::new();
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(page, "# TYPE siphon_agent_info gauge\nsiphon_agent_info{{version=\"{version}\"}} 1");
    let uptime = agent.started.elapsed().as_secs_f64();
    let _ = writeln!(page, "# TYPE siphon_agent_uptime_seconds gauge\nsiphon_agent_uptime_seconds {uptime}");
    let capacity = agent.settings.spool_max_bytes;
    let _ =
        writeln!(page, "# TYPE siphon_agent_spool_max_bytes gauge\nsiphon_agent_spool_max_bytes {capacity}");
    let mut metric = String::new();
    for count in &counts {
        if metric != count.metric() {
            metric = count.metric();
            let _ = writeln!(page, "# TYPE {metric} {}", if count.is_level() { "gauge" } else { "counter" });
        }
        sample(&mut page, &metric, count);
    }
    page
}

/// All names are plain: none needs escaping.
fn sample(page: &mut String, name: &str, Count { kind, reason, metric, value, .. }: &Count) {
    let _ = write!(page, "{name}{{kind=\"{kind}\"");
    for (label, text) in [("reason", reason), ("metric", metric)] {
        if !text.is_empty() {
            let _ = write!(page, ",{label}=\"{text}\"");
        }
    }
    let _ = writeln!(page, "}} {value}");
}

#[cfg(test)]
mod tests {
    use siphon_core::wire::{BootId, Kind};

    use super::*;
    use crate::{ledger::Refused, settings::Settings};

    #[test]
    fn every_counter_stands_under_its_metric() {
        let settings = Settings::read(|name| (name == "SIPHON_KEY").then(|| "0b".repeat(32))).unwrap();
        let agent = Agent::new(settings, BootId([0; 16]), &[0; 16]);
        agent.store(Kind::OtlpTraces, b"spans", 3);
        agent.store(Kind::Ecs, b"reading", 1);
        agent.ledger.borrow_mut().refused_request(Kind::OtlpTraces.name(), Refused::Malformed);
        let page = exposition(&agent);
        for lines in [
            "\n# TYPE siphon_agent_accepted_items_total counter\nsiphon_agent_accepted_items_total{kind=\"ecs\"} 1\n\
             siphon_agent_accepted_items_total{kind=\"otlp_traces\"} 3\n# TYPE ",
            "\n# TYPE siphon_agent_buffered_records gauge\nsiphon_agent_buffered_records{kind=\"ecs\"} 1\n",
            "\nsiphon_agent_refused_requests_total{kind=\"otlp_traces\",reason=\"malformed\"} 1\n",
            "\nsiphon_agent_spool_max_bytes 8388608\n",
        ] {
            assert!(page.contains(lines), "{lines} in {page}");
        }
    }
}
