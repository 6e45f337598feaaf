//! An application that its authors instrumented with `prometheus_client`: scraped by an agent, it comes out in a real
//! Prometheus as if that had scraped it itself, in both formats, until a series and then the application are gone.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use std::{
    collections::BTreeMap,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use siphon_core::{
    shard::{Shard, Target},
    units::UnixMillis,
};
use siphon_tests::{
    KEY,
    http::{free_port, get},
    lambda::{Function, sqs_event},
    metadata::Metadata,
    process::{Process, command},
    programs,
    prometheus::Prometheus,
    python::Python,
    scratch::Scratch,
    wait,
};

const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/shop/0123456789abcdef0123456789abcdef";

/// Jobs of ours and, with `direct_` before, of Prometheus's own, and their paths.
const JOBS: [(&str, &str); 2] = [("openmetrics", "/metrics"), ("text", "/text")];

/// Begins of labels that tell of the task and the target, and of a scrape's scope.
const OURS: [&str; 8] =
    ["aws_", "cloud_", "instance", "job", "otel_scope_", "server_", "service_", "url_scheme"];

/// An agent that scrapes the application, and the function that pulls it.
struct Delivery {
    agent: Process,
    scrape: Function,
    target: Target,
    _metadata: Metadata,
}

impl Delivery {
    fn start(app: &str, write_url: &str, logs: &Path) -> Self {
        let metadata = Metadata::start(TASK);
        let port = free_port();
        let targets = JOBS.map(|(job, path)| format!("http://{app}{path};job={job};interval=1s"));
        let mut agent = command(programs::agent());
        agent
            .env("SIPHON_KEY", KEY)
            .env("SIPHON_OTLP_HTTP_ADDRESS", "127.0.0.1:0")
            .env("SIPHON_PULL_ADDRESS", format!("127.0.0.1:{port}"))
            .env("SIPHON_SCRAPE_TARGETS", targets.join(","))
            .env("ECS_CONTAINER_METADATA_URI_V4", metadata.url());
        let mut scrape = command(programs::scrape());
        scrape
            .env("SIPHON_KEY", KEY)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_PROMETHEUS_ENDPOINT", write_url);
        Self {
            agent: Process::start("agent", &mut agent, logs),
            scrape: Function::start("scrape", &mut scrape, logs),
            target: Target { task_arn: TASK.to_owned(), address: [127, 0, 0, 1].into(), port },
            _metadata: metadata,
        }
    }

    /// Pulls the agent until it is drained.
    fn round(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let listed_at = UnixMillis(i64::try_from(now).unwrap());
        let shard = Shard { listed_at, targets: vec![self.target.clone()] };
        let body = serde_json::to_string(&shard).unwrap();
        let message = json!({ "MessageId": "m", "ReceiptHandle": "r", "Body": body, "MD5OfBody": "" });
        let outcome = self.scrape.invoke(sqs_event(&[message])).unwrap();
        assert_eq!(outcome, json!({ "batchItemFailures": [] }));
    }
}

/// The series that `query` gives, by name and the application's own labels, with bounds as numbers.
fn series(prometheus: &Prometheus, query: &str) -> BTreeMap<String, String> {
    let labels = |metric: &Value| {
        let own = metric
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !OURS.iter().any(|ours| name.starts_with(ours)));
        own.map(|(name, value)| {
            let text = value.as_str().unwrap();
            let bound = text.parse::<f64>().ok().filter(|_| name == "le");
            format!("{name}={},", bound.map_or_else(|| text.to_owned(), |bound| bound.to_string()))
        })
        .collect::<String>()
    };
    let found = prometheus.query(query);
    let pairs = found.iter().map(|s| (labels(&s["metric"]), s["value"][1].as_str().unwrap().to_owned()));
    pairs.collect()
}

/// What is asked of both, for a job.
fn select(what: &str, job: &str) -> String {
    format!("{{__name__=~\"{what}\",job=\"{job}\"}}")
}

#[test]
fn a_scraped_application_looks_as_if_prometheus_had_scraped_it_itself() {
    let Some(python) = Python::find() else { return };
    let app = format!("127.0.0.1:{}", free_port());
    let direct = JOBS.map(|(job, path)| {
        format!(
            "{{job_name: direct_{job}, metrics_path: {path}, scrape_interval: 1s, scrape_timeout: 1s, \
             static_configs: [{{targets: ['{app}']}}]}}"
        )
    });
    let Some(prometheus) = Prometheus::scraping(&direct.join(", ")) else { return };
    let logs = Scratch::new();
    let port = app.rsplit(':').next().unwrap();
    let process = Process::start("app", python.app("scraped.py").arg(port), logs.path());
    wait::until("the application serves", || get(&format!("http://{app}/metrics"), &[]));
    let mut delivery = Delivery::start(&app, &prometheus.write_url(), logs.path());

    // The same series and values.
    for (job, _) in JOBS {
        let (ours, theirs) = wait::until("both have scraped it", || {
            delivery.round();
            let values = |job: &str| series(&prometheus, &select("demo_.+", job));
            let (ours, mut theirs) = (values(job), values(&format!("direct_{job}")));
            if job == "openmetrics" {
                // Times at which counting began: told beside the samples, as in remote write 2.0.
                theirs.retain(|labels, _| !labels.contains("_created,"));
            }
            (!ours.is_empty() && !theirs.is_empty()).then_some((ours, theirs))
        });
        assert_eq!(ours, theirs, "{job}");
        assert!(ours.len() >= 18, "{ours:?}");
        let names = |job: &str| {
            let all = series(&prometheus, &format!("{{__name__!~\".*_created|target_info\",job=\"{job}\"}}"));
            all.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(
            names(job),
            names(&format!("direct_{job}")),
            "what the library adds, and the scrapes' own"
        );
        let own = |name: &str| series(&prometheus, &format!("{name}{{job=~\"(direct_)?{job}\"}}"));
        for name in ["up", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling"] {
            assert_eq!(own(name).len(), 1, "{name}: {:?}", prometheus.query(name));
        }
        let exported = format!(
            "demo_requests_total{{job=\"{job}\",exported_job=\"own\",aws_ecs_task_family=\"frontend\"}}"
        );
        assert_eq!(prometheus.values(&exported).len(), 3, "{:?}", prometheus.query("demo_requests_total"));
    }

    // A series goes, and only that one.
    get(&format!("http://{app}/drop"), &[]).unwrap();
    let dropped = "demo_requests_total{path=\"/gone\"}";
    wait::until("the series has ended in all jobs", || {
        delivery.round();
        prometheus.query(dropped).is_empty().then_some(())
    });
    assert_eq!(prometheus.values("count(demo_requests_total)"), [8.0]);

    // The application goes.
    drop(process);
    wait::until("it is down for all", || {
        delivery.round();
        (prometheus.values("sum(up) + count(up)") == [4.0]).then_some(())
    });
    assert!(prometheus.query("{__name__=~\"demo_.+\"}").is_empty());
    assert_eq!(prometheus.values("sum(scrape_samples_scraped)"), [0.0]);

    // The task goes.
    delivery.agent.signal("TERM");
    wait::until("its series have ended", || {
        if delivery.agent.ended().is_none() {
            delivery.round();
        }
        prometheus.query("up{job!~\"direct_.+\"}").is_empty().then_some(())
    });
    assert_eq!(prometheus.values("count(up)"), [2.0], "Prometheus's own");
}
