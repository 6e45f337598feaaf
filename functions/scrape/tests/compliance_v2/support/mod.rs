//! A sender between an agent and a receiver that records, and one capture of a page that has everything in it.

pub(crate) mod page;
pub(crate) mod receiver;

use std::{sync::LazyLock, time::Duration};

use prost::Message;
use siphon_core::{
    otlp::{Metric, MetricsRequest, Resource, ResourceMetrics, ScopeMetrics},
    wire::Kind,
};
use siphon_scrape::{handler::Scraped, report::Tally};

use crate::world::{ENOUGH, World, agent::attribute, seconds_ago};
pub(crate) use receiver::{Receiver, Recorded, Reply, Seen, SeenExemplar, SeenMetadata};

/// Siphon's sender, what feeds it and what it writes to.
pub(crate) struct Sender {
    pub(crate) world: World,
    pub(crate) receiver: Receiver,
}

impl Sender {
    /// Speaks 2.0.
    pub(crate) async fn new() -> Self {
        Self::of_version("2.0").await
    }

    pub(crate) async fn of_version(version: &str) -> Self {
        let receiver = Receiver::start().await;
        let settings =
            [("AWS_PROMETHEUS_ENDPOINT", receiver.url.as_str()), ("SIPHON_REMOTE_WRITE_VERSION", version)];
        Self { world: World::with_settings(&settings).await, receiver }
    }

    /// A sender whose receiver gives these answers, the last one for ever, with two records to send: one invocation.
    pub(crate) async fn answered(replies: &[Reply], left: Duration) -> (Self, Scraped) {
        let sender = Self::new().await;
        sender.receiver.replies(replies);
        sender.export(page::simple());
        let scraped = sender.world.scrape(left).await;
        (sender, scraped)
    }

    /// The agent takes these metrics as one request, and so as one record.
    pub(crate) fn export(&self, metrics: Vec<Metric>) {
        let own = [("service.name", "shop"), ("service.instance.id", "i-1"), ("deployment", "test")];
        let resource =
            Resource { attributes: own.iter().map(|(key, value)| attribute(key, *value)).collect() };
        let scope_metrics = vec![ScopeMetrics { scope: None, metrics }];
        let resource_metrics = vec![ResourceMetrics { resource: Some(resource), scope_metrics }];
        let payload = MetricsRequest { resource_metrics }.encode_to_vec();
        self.world.agent.record(Kind::OtlpMetrics, seconds_ago(1), payload);
    }

    /// Exports and scrapes once.
    pub(crate) async fn send(&self, metrics: Vec<Metric>) -> Scraped {
        self.export(metrics);
        self.world.scrape(ENOUGH).await
    }

    /// Records of the metrics share that are acknowledged.
    pub(crate) fn acked(&self) -> u64 {
        self.world.agent.acked().0
    }
}

/// What arrived of [`page::everything`].
pub(crate) struct Capture {
    pub(crate) requests: Vec<Recorded>,
    pub(crate) tally: Tally,
}

/// Sent as 2.0, once for all cases.
pub(crate) fn capture() -> &'static Capture {
    static CAPTURE: LazyLock<Capture> = LazyLock::new(|| captured("2.0"));
    &CAPTURE
}

/// The same, sent as 1.0.
pub(crate) fn capture_v1() -> &'static Capture {
    static CAPTURE: LazyLock<Capture> = LazyLock::new(|| captured("1.0"));
    &CAPTURE
}

fn captured(version: &'static str) -> Capture {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sender = Sender::of_version(version).await;
            let tally = sender.send(page::everything()).await.tally;
            assert_eq!(sender.acked(), 1);
            Capture { requests: sender.receiver.requests(), tally }
        })
    };
    std::thread::spawn(run).join().unwrap() // whatever runtime asks for it
}

impl Capture {
    pub(crate) fn series(&self) -> impl Iterator<Item = &Seen> {
        self.requests.iter().flat_map(|request| &request.series)
    }

    /// All series of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<&Seen> {
        let found: Vec<_> = self.series().filter(|series| series.name() == name).collect();
        assert!(!found.is_empty(), "no series {name}");
        found
    }

    /// The only series of this name.
    pub(crate) fn one(&self, name: &str) -> &Seen {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    }

    /// The only series of this name whose label `case` is this.
    pub(crate) fn case(&self, name: &str, case: &str) -> &Seen {
        let mut found = self.named(name);
        found.retain(|series| series.get("case") == Some(case));
        assert_eq!(found.len(), 1, "{name}, {case}");
        found[0]
    }
}
