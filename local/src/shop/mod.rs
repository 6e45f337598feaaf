//! The applications: a small shop whose services serve requests and send their telemetry to the agent beside them, as
//! any OpenTelemetry SDK does.
//!
//! Requests are played, not made: their spans and measurements are what real ones would leave behind.

mod exporter;
mod meters;
mod span;
mod story;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use siphon_core::otlp::Resource;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    clock,
    http_client::HttpClient,
    lock,
    tasks::{SERVICES, Status, Task},
    terminal::Terminal,
};
use exporter::Exporter;
use meters::Meters;
use span::attribute;
use story::Story;

/// Customers' requests a second for each task, up to [`MAX_RATE`] in all.
const RATE_PER_TASK: f64 = 0.8;
const MAX_RATE: f64 = 40.0;

/// What one task's application has not exported yet.
pub(crate) struct Application {
    resource: Resource,
    meters: Mutex<Meters>,
    spans: Mutex<Vec<siphon_core::otlp::Span>>,
}

/// The applications of all tasks.
pub(crate) struct Shop {
    tasks: Arc<Vec<Task>>,
    applications: Arc<Vec<Application>>,
    client: HttpClient,
    terminal: Arc<Terminal>,
}

impl Shop {
    pub(crate) fn new(tasks: &Arc<Vec<Task>>, terminal: &Arc<Terminal>) -> Self {
        Self {
            tasks: Arc::clone(tasks),
            applications: Arc::new(tasks.iter().map(Application::new).collect()),
            client: HttpClient::new(),
            terminal: Arc::clone(terminal),
        }
    }

    /// Lets customers in until `close` says so.
    pub(crate) fn open(&self, close: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(serve_customers(Arc::clone(&self.tasks), Arc::clone(&self.applications), close))
    }

    /// Starts the application of `task`, which ends when `stop` says so and everything is exported.
    pub(crate) fn start(&self, task: &Task, stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let exporter = Exporter {
            base: format!("http://{}", task.otlp),
            index: task.index,
            applications: Arc::clone(&self.applications),
            client: self.client.clone(),
            terminal: Arc::clone(&self.terminal),
        };
        tokio::spawn(exporter.run(stop))
    }
}

impl Application {
    fn new(task: &Task) -> Self {
        let resource = Resource {
            attributes: vec![
                attribute("service.name", task.service),
                attribute("service.namespace", "shop"),
                attribute("service.version", "1.9.0"),
                attribute("service.instance.id", task.name()),
                attribute("deployment.environment", "local"),
                attribute("telemetry.sdk.name", "opentelemetry"),
                attribute("telemetry.sdk.language", "rust"),
                attribute("telemetry.sdk.version", "0.33.0"),
            ],
        };
        Self { resource, meters: Mutex::new(Meters::new(clock::nanos())), spans: Mutex::default() }
    }
}

async fn serve_customers(
    tasks: Arc<Vec<Task>>,
    applications: Arc<Vec<Application>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut random = fastrand::Rng::new();
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred tasks")]
    let rate = (tasks.len() as f64 * RATE_PER_TASK).min(MAX_RATE);
    loop {
        // Arrivals that know nothing of one another: exponential gaps.
        let gap = -(1.0 - random.f64()).ln() / rate;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(gap.min(5.0))) => {}
            _ = stop.changed() => return,
        }
        let staff = SERVICES.map(|service| pick(&tasks, service, &mut random));
        let story = Story::play(staff, &mut random, clock::nanos());
        for (index, span) in story.spans {
            if let Some(application) = applications.get(index) {
                lock(&application.spans).push(span);
            }
        }
        for served in story.served {
            if let (Some(application), Some(task)) = (applications.get(served.task), tasks.get(served.task)) {
                lock(&application.meters).record(&served);
                task.served();
            }
        }
    }
}

/// One of the running tasks of `service`, at random. As behind a load balancer, one that is told to stop gets no more.
fn pick(tasks: &[Task], service: &str, random: &mut fastrand::Rng) -> Option<usize> {
    let serves = |task: &&Task| task.service == service && task.status() == Status::Running;
    random.choice(tasks.iter().filter(serves).map(|task| task.index).collect::<Vec<_>>())
}
