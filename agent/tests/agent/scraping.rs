//! Scrapes of Prometheus targets.

use std::{
    io::Write as _,
    net::TcpListener,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use siphon_core::{
    scrapes::{Block, Format, Outcome},
    wire::{Kind, Page},
};

use crate::{
    eventually,
    metadata::{Metadata, Mood as MetadataMood, TASK_ARN},
    process::Agent,
    puller::{Puller, count},
    target::{Mood, Target, good, text},
};

/// A scrape: its job, and its format and text if it has any.
type Seen = (String, Option<(Format, String)>);

/// The scrapes of a page; that a target is gone counts as one without a text.
fn scrapes(page: &Page) -> Vec<Seen> {
    let mut seen = Vec::new();
    for record in page.records.iter().filter(|record| record.kind == Kind::Scrapes) {
        let block = Block::decode(&record.payload).unwrap();
        let mut scrapes = block.scrapes();
        while let Some(scrape) = scrapes.next().unwrap() {
            let text = match scrape.outcome {
                Outcome::Text(format, text) => Some((format, String::from_utf8(text.to_vec()).unwrap())),
                Outcome::Failed | Outcome::Gone => None,
            };
            seen.push((block.target().job.clone(), text));
        }
    }
    seen
}

/// An agent that scrapes every 200 ms and reads the task's metadata only once.
fn scraping(settings: &[(&str, &str)]) -> (Agent, Puller, Metadata) {
    let metadata = Metadata::start();
    let (agent, puller) = Agent::known(&metadata, &[&[("SIPHON_SAMPLE_INTERVAL", "1h")], settings].concat());
    (agent, puller, metadata)
}

/// An agent that scrapes this target alone.
fn scraping_one(target: &Target, settings: &[(&str, &str)]) -> (Agent, Puller, Metadata) {
    let targets = target.setting(";interval=200ms");
    scraping(&[&[("SIPHON_SCRAPE_TARGETS", targets.as_str())], settings].concat())
}

fn failed(puller: &Puller, reason: &str) -> u64 {
    puller.count("failed_scrapes", "scrapes", reason)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_query_of_a_target_is_asked_for_and_never_logged() {
    let target = Target::start(text("a 1\n"));
    let targets = format!("http://{}/m?token=secret;interval=200ms", target.address);
    let settings = [("SIPHON_SCRAPE_TARGETS", targets.as_str()), ("SIPHON_LOG_LEVEL", "trace")];
    let (agent, _puller, _metadata) = scraping(&settings);
    let asked = eventually("a scrape", || target.requests().first().cloned());
    assert!(asked.starts_with("GET /m?token=secret "), "{asked}");
    target.set(Mood::Close);
    eventually("a failure", || agent.logged("scrape failed").pop());
    assert_eq!(agent.logged("path=/m ").len(), 1);
    assert!(agent.logged("secret").is_empty(), "{:?}", agent.logged("secret"));
}

/// No resolver is asked: where the agent runs there may be none.
#[test]
fn a_name_below_localhost_is_this_machine() {
    let target = Target::start(text("a 1\n"));
    let targets = format!("http://app.localhost:{};interval=200ms", target.address.port());
    let (_agent, puller, _metadata) = scraping(&[("SIPHON_SCRAPE_TARGETS", targets.as_str())]);
    eventually("a scrape", || {
        scrapes(&puller.all().ok()?).iter().any(|(_, text)| text.is_some()).then_some(())
    });
}

/// As ADOT's setting has it. The first scrape is somewhere in the interval of 20 s, the last at the end.
#[test]
fn the_endpoint_of_adots_setting_is_scraped() {
    let target = Target::start(text("a 1\n"));
    let endpoint = target.address.to_string();
    let (agent, _puller, _metadata) = scraping(&[("AWS_PROMETHEUS_SCRAPING_ENDPOINT", endpoint.as_str())]);
    let line = format!("scraping job=otel-collector instance={endpoint} path=/metrics interval=20s");
    eventually("its announcement", || agent.logged(&line).pop());
    agent.signal("TERM");
    let asked = eventually("a scrape", || target.requests().first().cloned());
    assert!(asked.starts_with("GET /metrics "), "{asked}");
}

#[test]
fn texts_arrive_as_they_were_with_each_pull() {
    let target = Target::start(text("a 1\nb 1\n"));
    let (_agent, puller, _metadata) = scraping_one(&target, &[]);
    let page = eventually("a scrape", || puller.all().ok().filter(|page| scrapes(page).len() >= 2));
    let first = ("otel-collector".to_owned(), Some((Format::Text, "a 1\nb 1\n".to_owned())));
    assert!(scrapes(&page).iter().all(|scrape| *scrape == first), "{page:?}");
    let open_metrics = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    let zipped = format!("{open_metrics}content-encoding: gzip\r\n");
    target.set(good(&zipped, &gzip(b"a 2\n# EOF\n")));
    let second = (first.0, Some((Format::OpenMetrics, "a 2\n# EOF\n".to_owned())));
    eventually("a zipped text", || scrapes(&puller.all().ok()?).contains(&second).then_some(()));
    assert_eq!(target.most_open(), 1);
}

#[test]
fn a_request_is_what_prometheus_sends() {
    let target = Target::start(text(""));
    let targets = target.setting("/stats?a=b;interval=300ms;timeout=250ms;job=app");
    let (_agent, puller, _metadata) = scraping(&[("SIPHON_SCRAPE_TARGETS", &targets)]);
    let page = eventually("a scrape", || puller.all().ok().filter(|page| !scrapes(page).is_empty()));
    assert_eq!(scrapes(&page)[0].0, "app");
    let request = target.requests()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /stats?a=b http/1.1\r\n"), "{request}");
    for header in [
        format!("host: {}", target.address),
        "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            .to_owned(),
        "accept-encoding: gzip".to_owned(),
        "x-prometheus-scrape-timeout-seconds: 0.25".to_owned(),
        concat!("user-agent: siphon-agent/", env!("CARGO_PKG_VERSION")).to_owned(),
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header}: {request}");
    }
}

#[test]
fn a_bad_answer_costs_that_scrape_only_and_is_counted() {
    let target = Target::start(text("a 1\n"));
    let limits = [("SIPHON_SCRAPE_MAX_BODY_BYTES", "100000"), ("SIPHON_SCRAPE_MEMORY_BYTES", "131072")];
    let (agent, puller, _metadata) = scraping_one(&target, &limits);
    let status =
        |line: &str| Mood::Answer(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n").into_bytes());
    let zipped = |body: &[u8]| good("content-encoding: gzip\r\n", body);
    for (mood, reason) in [
        (Mood::Hang, "timeout"),
        (Mood::Close, "broken"),
        (Mood::Answer(b"SSH-2.0-OpenSSH\r\n".to_vec()), "broken"),
        (Mood::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()), "broken"),
        (Mood::Answer([b"HTTP/1.1 200 OK\r\n", &b"x: y\r\n".repeat(100_000)[..]].concat()), "broken"),
        (status("404 Not Found"), "status"),
        (status("302 Found\r\nlocation: /elsewhere"), "status"),
        (status("204 No Content"), "status"),
        (Mood::Endless, "too_large"),
        (good("", &vec![b'a'; 100_001]), "too_large"),
        (zipped(&gzip(&vec![b'a'; 50 << 20])), "too_large"),
        (zipped(&gzip(b"a 1\n")[..12]), "encoding"),
        (zipped(b"a 1\n"), "encoding"),
        (good("content-encoding: br\r\n", b"a 1\n"), "encoding"),
    ] {
        let before = failed(&puller, reason);
        target.set(mood.clone());
        eventually(&format!("{reason} is counted"), || (failed(&puller, reason) > before).then_some(()));
        let (lines, timeouts) = (agent.logged("scrape failed").len(), failed(&puller, "timeout"));
        eventually("again", || (failed(&puller, reason) > before + 2).then_some(()));
        // On a slow machine one may run out of time in between: two changes, and two lines.
        let changes = 2 * (failed(&puller, "timeout") - timeouts);
        let again = agent.logged("scrape failed").len() - lines;
        assert!(reason == "timeout" || again as u64 <= changes, "logged once: {reason}");
        target.set(text("a 2\n"));
        let up = agent.logged("target is up again").len();
        eventually("up again", || (agent.logged("target is up again").len() > up).then_some(()));
    }
    let page = puller.all().unwrap();
    let texts: Vec<_> = scrapes(&page).into_iter().map(|(_, text)| text.map(|(_, text)| text)).collect();
    assert!(texts.contains(&None) && texts.contains(&Some("a 2\n".to_owned())), "{texts:?}");
    assert!(texts.iter().flatten().all(|text| text.len() == 4), "{texts:?}");
}

#[test]
fn a_target_that_is_not_there_is_refused_and_costs_no_other() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (here, slow) = (Target::start(text("a 1\n")), Target::start(Mood::Hang));
    let targets = format!(
        "http://{nobody};interval=200ms,{},{}",
        here.setting(";job=here;interval=200ms"),
        slow.setting(";interval=2s;timeout=2s")
    );
    let (_agent, puller, _metadata) = scraping(&[("SIPHON_SCRAPE_TARGETS", &targets)]);
    eventually("refused", || (failed(&puller, "refused") > 2).then_some(()));
    eventually("scraped", || {
        let page = puller.all().unwrap();
        (scrapes(&page).iter().filter(|(job, text)| job == "here" && text.is_some()).count() > 2)
            .then_some(())
    });
}

#[test]
fn all_targets_together_keep_to_their_memory() {
    let body = |name: &str| format!("{name} 1\n").repeat(6000);
    let (one, other) = (Target::start(text(&body("one"))), Target::start(text(&body("two"))));
    let targets = format!("{},{}", one.setting(";interval=200ms"), other.setting(";interval=200ms"));
    let (_agent, puller, _metadata) = scraping(&[
        ("SIPHON_SCRAPE_TARGETS", &targets),
        ("SIPHON_SCRAPE_MEMORY_BYTES", "65536"),
        ("SIPHON_SCRAPE_MAX_BODY_BYTES", "60000"),
    ]);
    eventually("over the budget", || (failed(&puller, "budget") > 2).then_some(()));
    let page = eventually("one of them", || {
        puller.all().ok().filter(|page| scrapes(page).iter().any(|(_, text)| text.is_some()))
    });
    assert_eq!(count(&page, "failed_scrapes", "scrapes", "too_large"), 0);
}

#[test]
fn a_stopping_agent_scrapes_once_more() {
    let target = Target::start(text("a 1\n"));
    let targets = target.setting(";interval=1h");
    let (mut agent, puller, _metadata) = scraping(&[("SIPHON_SCRAPE_TARGETS", &targets)]);
    agent.signal("TERM");
    let page = eventually("stopping", || puller.all().ok().filter(|page| page.head.stopping));
    assert_eq!(scrapes(&page), [("otel-collector".to_owned(), Some((Format::Text, "a 1\n".to_owned())))]);
    assert_eq!(target.requests().len(), 1);
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
}

#[test]
fn a_target_that_hangs_at_the_end_holds_up_the_agent_only_briefly() {
    let target = Target::start(Mood::Hang);
    let (agent, puller, _metadata) = scraping(&[("SIPHON_SCRAPE_TARGETS", &target.setting(";interval=1h"))]);
    let begun = Instant::now();
    agent.signal("TERM");
    let page = eventually("stopping", || puller.all().ok().filter(|page| page.head.stopping));
    assert_eq!(scrapes(&page), [("otel-collector".to_owned(), None)]);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn what_is_not_pulled_is_kept_in_blocks() {
    let target = Target::start(text(&"a_series{with=\"a label\"} 1\n".repeat(300)));
    let (_agent, puller, _metadata) = scraping_one(&target, &[]);
    eventually("many scrapes", || (target.requests().len() > 40).then_some(()));
    let page = puller.all().unwrap();
    let blocks: Vec<_> = page.records.iter().filter(|record| record.kind == Kind::Scrapes).collect();
    assert_eq!(blocks.len(), 2, "a full one and an open one");
    assert!(blocks.iter().map(|block| block.payload.len()).sum::<usize>() < 2000);
    assert!(scrapes(&page).len() > 38);
}

#[test]
fn containers_that_ask_for_it_are_scraped_while_they_run() {
    let target = Target::start(text("a 1\n"));
    let task = |status: &str| -> &'static str {
        let labels = format!(
            r#"{{"ECS_PROMETHEUS_EXPORTER_PORT":"{}","ECS_PROMETHEUS_METRICS_PATH":"/m","ECS_PROMETHEUS_JOB_NAME":"jmx"}}"#,
            target.address.port()
        );
        let container = format!(
            r#"{{"Name":"web","DockerId":"app","KnownStatus":"{status}","Labels":{labels},"Networks":[{{"NetworkMode":"awsvpc"}}]}}"#
        );
        format!(r#"{{"TaskARN":"{TASK_ARN}","Containers":[{container}]}}"#).leak()
    };
    let metadata = Metadata::start();
    metadata.set(MetadataMood::Body(task("RUNNING")), MetadataMood::Good);
    let (agent, puller) = Agent::known(&metadata, &[("SIPHON_SCRAPE_DOCKER_LABELS", "true")]);
    // The usual interval is long: what comes is the last scrape.
    eventually("it is found", || agent.logged("scraping job=jmx").first().cloned());
    agent.signal("TERM");
    let page = eventually("a scrape", || puller.all().ok().filter(|page| !scrapes(page).is_empty()));
    assert_eq!(scrapes(&page), [("jmx".to_owned(), Some((Format::Text, "a 1\n".to_owned())))]);
    assert!(target.requests()[0].starts_with("GET /m HTTP/1.1"), "{:?}", target.requests());
    drop(agent);

    let (agent, puller) = Agent::known(&metadata, &[("SIPHON_SCRAPE_DOCKER_LABELS", "true")]);
    eventually("it is found", || agent.logged("scraping job=jmx").first().cloned());
    metadata.set(MetadataMood::Body(task("STOPPED")), MetadataMood::Good);
    let gone = eventually("its end", || puller.all().ok().filter(|page| !scrapes(page).is_empty()));
    assert_eq!(scrapes(&gone).last(), Some(&("jmx".to_owned(), None)));
}

#[test]
fn labels_that_make_no_target_are_counted() {
    let label = r#""Labels":{"ECS_PROMETHEUS_EXPORTER_PORT":"http"}"#;
    let task = format!(
        r#"{{"TaskARN":"{TASK_ARN}","Containers":[{{"KnownStatus":"RUNNING",{label},"Networks":[{{"NetworkMode":"awsvpc"}}]}}]}}"#
    );
    let metadata = Metadata::start();
    metadata.set(MetadataMood::Body(task.leak()), MetadataMood::Good);
    let (_agent, puller) = Agent::known(&metadata, &[("SIPHON_SCRAPE_DOCKER_LABELS", "true")]);
    eventually("counted", || (puller.count("refused_targets", "scrapes", "label") == 1).then_some(()));
}
