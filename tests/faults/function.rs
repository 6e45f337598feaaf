//! The scraping function: its settings and clients, and the events that it gets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::Region;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::{Value, json};
use siphon_core::shard::{Shard, Target};
use siphon_local::receivers::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SESSION_TOKEN};
use siphon_scrape::{
    clients,
    event::Event,
    handler::{Context, Scraped, scrape, scrape_last},
    report::Tally,
    settings::Config,
    task_event::DETAIL_TYPE,
};
use siphon_tests::KEY;

/// What a function is told.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct FunctionSettings {
    /// Where metrics go.
    pub(crate) prometheus: String,
    /// Where traces go.
    pub(crate) aws: String,
    /// The best version of remote write that it may speak.
    pub(crate) remote_write: String,
    /// Whether it keeps AMP's limits.
    pub(crate) amp_limits: bool,
    /// The most that it pulls at once.
    pub(crate) page_bytes: u32,
    /// As many agents does it pull at the same time.
    pub(crate) concurrent_agents: usize,
    /// Where agents listen that events tell of.
    pub(crate) agent_port: u16,
}

/// The function, whatever its environments.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) settings: FunctionSettings,
    /// What must never be in a report, and was.
    faults: Arc<Mutex<Vec<String>>>,
}

impl Function {
    pub(crate) fn new(settings: FunctionSettings) -> Self {
        Self { settings, faults: Arc::default() }
    }

    /// What one environment keeps: clients, with connections that go on only while it is not frozen.
    pub(crate) async fn context(&self) -> Context {
        let settings = &self.settings;
        let config = Config::read(|name| match name {
            "SIPHON_KEY" => Some(KEY.to_owned()),
            "AWS_PROMETHEUS_ENDPOINT" => Some(settings.prometheus.clone()),
            "SIPHON_REMOTE_WRITE_VERSION" => Some(settings.remote_write.clone()),
            "SIPHON_AMP_LIMITS" => Some(settings.amp_limits.to_string()),
            "SIPHON_PAGE_MAX_BYTES" => Some(settings.page_bytes.to_string()),
            "SIPHON_CONCURRENT_AGENTS" => Some(settings.concurrent_agents.to_string()),
            "SIPHON_AGENT_PORT" => Some(settings.agent_port.to_string()),
            _ => None,
        });
        let token = Some(SESSION_TOKEN.to_owned());
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token, None, "faults");
        let aws = clients::aws()
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&settings.aws)
            .load()
            .await;
        Context::new(config.unwrap(), &aws).await.unwrap()
    }

    /// Looks for what must never be in a report.
    pub(crate) fn look_through(&self, report: &Tally) {
        let (unbalanced, panics) = (&report.ledger_unbalanced, report.agents_failed.get("panic"));
        if unbalanced.total() + panics > 0 {
            self.fault(format!("a report has {unbalanced:?} and {panics} panics"));
        }
    }

    /// Notes what is wrong with the function.
    pub(crate) fn fault(&self, problem: String) {
        self.faults.lock().unwrap().push(problem);
    }

    /// Everything that is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }
}

/// What the function does by an event, without its report.
pub(crate) async fn handle(event: Value, context: &Context, left: Duration) -> Scraped {
    match Event::read(event).unwrap() {
        Event::Shards(event) => scrape(event, context, left).await,
        Event::Task(change) => scrape_last(&change, context, left).await,
    }
}

/// A task is told to stop.
pub(crate) fn stop(target: &Target) -> Value {
    let interfaces = json!([{ "privateIpv4Address": target.address.to_string() }]);
    let agent = json!({ "name": "siphon-agent", "lastStatus": "RUNNING", "networkInterfaces": interfaces });
    json!({
        "detail-type": DETAIL_TYPE,
        "detail": {
            "taskArn": target.task_arn, "desiredStatus": "STOPPED", "lastStatus": "DEACTIVATING",
            "containers": [agent],
        },
    })
}

/// One message for each shard.
pub(crate) fn shards(shards: &[Shard]) -> Value {
    let mut event = SqsEvent::default();
    for (n, shard) in shards.iter().enumerate() {
        let mut message = SqsMessage::default();
        message.message_id = Some(format!("message-{n}"));
        message.body = Some(serde_json::to_string(shard).unwrap());
        event.records.push(message);
    }
    serde_json::to_value(event).unwrap()
}
