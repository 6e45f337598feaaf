//! A plain HTTP client for what we fetch and send ourselves: metadata answers and the shop's telemetry.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps connections for reuse; clones share them.
#[derive(Clone)]
pub(crate) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

impl HttpClient {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// The body of a 200 answer.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Bytes> {
        self.send(http::Request::get(url).body(Full::default())?).await
    }

    pub(crate) async fn post(&self, url: &str, content_type: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
        let request = http::Request::post(url).header(http::header::CONTENT_TYPE, content_type);
        self.send(request.body(Full::from(body))?).await
    }

    async fn send(&self, request: http::Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
        let url = request.uri().clone();
        let exchange = async {
            let answer = self.0.request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            anyhow::ensure!(status == http::StatusCode::OK, "{url} answered {status}");
            Ok(body)
        };
        tokio::time::timeout(TIMEOUT, exchange).await?
    }
}
