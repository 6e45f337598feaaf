//! Agents, a Prometheus and an X-Ray on loopback that answer as they are told.

pub(crate) mod agent;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod secrets;
pub(crate) mod xray;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use siphon_core::{
    shard::{Shard, Target},
    units::UnixMillis,
};
use siphon_scrape::{
    clients,
    handler::{Context, Scraped, scrape, scrape_last},
    settings::Config,
    start_error::StartError,
    task_event::TaskStateChange,
    time::now,
};
use tokio::{net::TcpListener, task::AbortHandle};

pub(crate) use agent::Agent;
pub(crate) use otlp::Otlp;
pub(crate) use prometheus::Prometheus;
pub(crate) use xray::XRay;

/// The shared key, hex.
pub(crate) const KEY: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

/// Everything that the function talks to.
pub(crate) struct World {
    pub(crate) agent: Agent,
    pub(crate) prometheus: Prometheus,
    pub(crate) xray: XRay,
    pub(crate) otlp: Otlp,
    /// What the AWS SDK would call X-Ray with.
    pub(crate) aws: SdkConfig,
    context: Context,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_settings(&[]).await
    }

    pub(crate) async fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::try_with_settings(settings).await.unwrap()
    }

    /// As on a cold start, which may fail.
    pub(crate) async fn try_with_settings(settings: &[(&str, &str)]) -> Result<Self, StartError> {
        let (agent, prometheus) = (Agent::start("task-1").await, Prometheus::start().await);
        let (xray, otlp) = (XRay::start().await, Otlp::start().await);
        let given =
            |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let config = Config::read(|name| match (given(name), name) {
            (Some(value), _) => Some(value),
            (None, "SIPHON_KEY") if given("SIPHON_KEY_SECRET_ARN").is_some() => None,
            (None, "SIPHON_KEY") => Some(KEY.to_owned()),
            (None, "AWS_PROMETHEUS_ENDPOINT") => Some(prometheus.url.clone()),
            (None, "SIPHON_AGENT_PORT") => Some(agent.target().port.to_string()),
            (None, "SIPHON_XRAY_OTLP_ENDPOINT") => Some(otlp.url.clone()),
            (None, _) => None,
        });
        let credentials = Credentials::new("id", "secret", Some("token".to_owned()), None, "test");
        let aws = clients::aws()
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&xray.url)
            .load()
            .await;
        let context = Context::new(config.unwrap(), &aws).await?;
        Ok(Self { agent, prometheus, xray, otlp, aws, context })
    }

    /// One invocation over this world's agent.
    pub(crate) async fn scrape(&self, left: Duration) -> Scraped {
        self.scrape_all(vec![self.agent.target()], left).await
    }

    pub(crate) async fn scrape_all(&self, targets: Vec<Target>, left: Duration) -> Scraped {
        let shard = Shard { listed_at: now(), targets };
        let mut message = SqsMessage::default();
        message.message_id = Some("message-1".to_owned());
        message.body = Some(serde_json::to_string(&shard).unwrap());
        let mut event = SqsEvent::default();
        event.records.push(message);
        scrape(event, &self.context, left).await
    }

    /// One invocation by a change of a task's state.
    pub(crate) async fn scrape_last(&self, change: &TaskStateChange, left: Duration) -> Scraped {
        scrape_last(change, &self.context, left).await
    }
}

/// Time enough for anything that need not wait.
pub(crate) const ENOUGH: Duration = Duration::from_secs(20);

/// Time for a few attempts.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

/// An error closes the connection without an answer.
pub(crate) type Answer = Result<Response<Full<Bytes>>, io::Error>;

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap())
}

pub(crate) fn reset() -> Answer {
    Err(io::Error::other("told to close the connection"))
}

/// A server of this world.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// Aborted, it takes no connection any more.
    pub(crate) accepting: AbortHandle,
}

/// Serves `state` on `address`. `None` from `respond` leaves the request without an answer for ever.
pub(crate) async fn serve<S: Send + 'static>(
    address: &str,
    state: &Arc<Mutex<S>>,
    respond: fn(&mut S, &Parts, Bytes) -> Option<Answer>,
) -> Served {
    serve_late(address, state, |_| Duration::ZERO, respond).await
}

/// As [`serve`], but each request waits first.
pub(crate) async fn serve_late<S: Send + 'static>(
    address: &str,
    state: &Arc<Mutex<S>>,
    delay: fn(&mut S) -> Duration,
    respond: fn(&mut S, &Parts, Bytes) -> Option<Answer>,
) -> Served {
    let listener = TcpListener::bind(address).await.unwrap();
    let local = listener.local_addr().unwrap();
    let state = Arc::clone(state);
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let state = Arc::clone(&state);
            let service = service_fn(move |request: Request<Incoming>| {
                let state = Arc::clone(&state);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let delay = delay(&mut state.lock().unwrap());
                    tokio::time::sleep(delay).await;
                    let answer = respond(&mut state.lock().unwrap(), &head, body);
                    match answer {
                        Some(answer) => answer,
                        None => std::future::pending().await,
                    }
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Served { address: local, accepting: accepting.abort_handle() }
}

pub(crate) fn header<'a>(head: &'a Parts, name: &str) -> &'a str {
    head.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
}

pub(crate) fn seconds_ago(seconds: i64) -> UnixMillis {
    now().plus(-seconds * 1000)
}
