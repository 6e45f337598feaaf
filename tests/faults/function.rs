//! The scraping function: its settings and clients, and the events that it gets.

use std::sync::Arc;

use aws_config::Region;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use siphon_core::shard::Shard;
use siphon_local::receivers::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SESSION_TOKEN};
use siphon_scrape::{clients, handler::Context, settings::Config};
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
    /// The most that it pulls at once.
    pub(crate) page_bytes: u32,
}

/// What all environments of a function share here.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) settings: FunctionSettings,
    pub(crate) context: Arc<Context>,
}

impl Function {
    pub(crate) async fn new(settings: FunctionSettings) -> Self {
        let config = Config::read(|name| match name {
            "SIPHON_KEY" => Some(KEY.to_owned()),
            "AWS_PROMETHEUS_ENDPOINT" => Some(settings.prometheus.clone()),
            "SIPHON_REMOTE_WRITE_VERSION" => Some(settings.remote_write.clone()),
            "SIPHON_PAGE_MAX_BYTES" => Some(settings.page_bytes.to_string()),
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
        let context = Arc::new(Context::new(config.unwrap(), &aws).await.unwrap());
        Self { settings, context }
    }
}

/// One message for each shard.
pub(crate) fn event(shards: &[Shard]) -> SqsEvent {
    let mut event = SqsEvent::default();
    for (n, shard) in shards.iter().enumerate() {
        let mut message = SqsMessage::default();
        message.message_id = Some(format!("message-{n}"));
        message.body = Some(serde_json::to_string(shard).unwrap());
        event.records.push(message);
    }
    event
}
