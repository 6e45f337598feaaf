//! The suite's table `TestErrorHandling`, and `TestNetworkErrors`.
//!
//! What is not delivered stays in the agent, and goes in the next invocation: each case ends with that.

use std::time::{Duration, Instant};

use siphon_core::wire::Kind;
use siphon_scrape::settings::Config;

use crate::{
    support::{Reply, Sender, page, page::SIMPLE_SAMPLES},
    world::{ENOUGH, KEY, SHORT, World, seconds_ago},
};

/// The data outlives an invocation whose requests are all answered so, and arrives in the next one.
async fn assert_kept(reply: Reply) {
    let (sender, scraped) = Sender::answered(&[reply], SHORT).await;
    assert_eq!((sender.acked(), scraped.tally.samples), (0, 0));
    assert_eq!(scraped.tally.writes_failed.total(), 1);
    assert_taken(&sender).await;
}

async fn assert_taken(sender: &Sender) {
    sender.receiver.replies(&[]);
    let tally = sender.world.scrape(ENOUGH).await.tally;
    assert_eq!((sender.acked(), tally.samples), (1, SIMPLE_SAMPLES));
}

/// Metrics that no receiver can be reached for stay where they are.
async fn assert_unreachable(url: &str) {
    let world = World::with_settings(&[("AWS_PROMETHEUS_ENDPOINT", url)]).await;
    world.agent.readings(1, 20);
    let tally = world.scrape(SHORT).await.tally;
    assert_eq!((world.agent.acked(), tally.writes_failed.get("prometheus_unavailable")), ((0, 0), 1));
}

#[tokio::test]
async fn handle_connection_refused() {
    assert_unreachable("http://127.0.0.1:1/api/v1/write").await;
}

/// The receiver of the suite stalls for 30 seconds; this one for ever.
#[tokio::test]
async fn handle_timeout() {
    let begun = Instant::now();
    let (sender, _) = Sender::answered(&[Reply::Silence], SHORT).await;
    assert!(begun.elapsed() < SHORT + Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(sender.acked(), 0);
    assert_taken(&sender).await;
}

#[tokio::test]
async fn handle_partial_write() {
    let written = &[("X-Prometheus-Remote-Write-Samples-Written", "1")];
    assert_kept(Reply::With(503, written, Vec::new())).await;
}

/// An answer that ends before it has begun.
#[tokio::test]
async fn handle_malformed_response() {
    assert_kept(Reply::Reset).await;
}

#[tokio::test]
async fn sender_continues_after_errors() {
    let sender = Sender::new().await;
    for (reply, rejected) in [(Reply::Status(400), SIMPLE_SAMPLES), (Reply::Written, 0)] {
        sender.receiver.replies(&[reply]);
        let tally = sender.send(page::simple()).await.tally;
        assert_eq!(tally.samples_rejected.total(), rejected);
    }
    sender.world.agent.record(Kind::OtlpMetrics, seconds_ago(1), &b"\xff"[..]);
    sender.export(page::simple());
    let tally = sender.world.scrape(ENOUGH).await.tally;
    assert_eq!((sender.acked(), tally.samples, tally.records_bad.total()), (4, SIMPLE_SAMPLES, 1));
}

#[tokio::test]
async fn handle_invalid_status_code() {
    assert_kept(Reply::Status(999)).await;
}

#[tokio::test]
async fn handle_empty_response() {
    assert_kept(Reply::With(500, &[], Vec::new())).await;
}

#[tokio::test]
async fn handle_large_error_response() {
    assert_kept(Reply::With(500, &[], vec![b'x'; 1 << 20])).await;
}

#[expect(non_snake_case, reason = "the suite's name")]
mod TestNetworkErrors {
    use super::*;

    /// A name that no resolver takes, nor asks anyone for: its first label is too long.
    #[tokio::test]
    async fn dns_resolution_failure() {
        assert_unreachable(&format!("http://{}.invalid/api/v1/write", "a".repeat(64))).await;
    }

    /// Refused at start, with what is accepted.
    #[test]
    fn invalid_url_scheme() {
        let settings = [("SIPHON_KEY", KEY), ("AWS_PROMETHEUS_ENDPOINT", "ftp://127.0.0.1/api/v1/write")];
        let config =
            Config::read(|name| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        let error = config.unwrap_err().to_string();
        assert!(error.contains("AWS_PROMETHEUS_ENDPOINT") && error.contains("https://"), "{error}");
    }
}
