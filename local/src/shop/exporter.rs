//! An application's exporter: batches of OTLP over HTTP to the agent beside it.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use siphon_core::otlp::{
    MetricsRequest, ResourceMetrics, ResourceSpans, Scope, ScopeMetrics, ScopeSpans, TraceRequest,
};
use tokio::sync::watch;

use super::Application;
use crate::{clock, http_client::HttpClient, lock, terminal::Terminal};

const SPANS_EVERY: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Exporter {
    /// Such as `http://127.0.0.11:4318`.
    pub(super) base: String,
    pub(super) index: usize,
    pub(super) applications: Arc<Vec<Application>>,
    pub(super) client: HttpClient,
    pub(super) terminal: Arc<Terminal>,
}

impl Exporter {
    /// Exports until `stop`, and then what is left.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let Some(application) = self.applications.get(self.index) else { return };
        let mut spans = tokio::time::interval(SPANS_EVERY);
        let mut metrics = tokio::time::interval(METRICS_EVERY);
        let mut reachable = true;
        loop {
            let (result, last) = tokio::select! {
                _ = spans.tick() => (self.spans(application).await, false),
                _ = metrics.tick() => (self.metrics(application).await, false),
                _ = stop.changed() => {
                    // The traffic may be writing its last request.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    (self.spans(application).await.and(self.metrics(application).await), true)
                }
            };
            if let Err(error) = &result
                && reachable
            {
                self.terminal.warn(&format!("shop: an export to {} failed: {error:#}", self.base));
            }
            reachable = result.is_ok();
            if last {
                return;
            }
        }
    }

    async fn spans(&self, application: &Application) -> anyhow::Result<()> {
        let spans = std::mem::take(&mut *lock(&application.spans));
        if spans.is_empty() {
            return Ok(());
        }
        let request = TraceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(application.resource.clone()),
                scope_spans: vec![ScopeSpans { scope: Some(scope()), spans }],
            }],
        };
        self.send("/v1/traces", request.encode_to_vec()).await
    }

    async fn metrics(&self, application: &Application) -> anyhow::Result<()> {
        let metrics = lock(&application.meters).export(clock::nanos());
        let request = MetricsRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(application.resource.clone()),
                scope_metrics: vec![ScopeMetrics { scope: Some(scope()), metrics }],
            }],
        };
        self.send("/v1/metrics", request.encode_to_vec()).await
    }

    async fn send(&self, path: &str, body: Vec<u8>) -> anyhow::Result<()> {
        self.client.post(&format!("{}{path}", self.base), "application/x-protobuf", body).await.map(drop)
    }
}

fn scope() -> Scope {
    Scope { name: "shop".to_owned(), version: "1.9.0".to_owned(), attributes: Vec::new() }
}
