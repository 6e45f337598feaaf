//! The suite's table `TestRetryBehavior`.
//!
//! A record that was refused for good is acknowledged, so that it never comes again; one that could not be taken is sent
//! until it is. What concerns the function rather than the data (401, 404) keeps the record: there is no second request
//! within the invocation, but for a 401, after which credentials are read anew.

use crate::{
    support::{Reply, Sender, page::SIMPLE_SAMPLES},
    world::{ENOUGH, SHORT},
};

/// Requests and acknowledged records after answers of one status, and the samples that count as refused.
async fn refused(status: u16) -> (usize, u64, u64) {
    let (sender, scraped) = Sender::answered(&[Reply::Status(status)], SHORT).await;
    (sender.receiver.requests().len(), sender.acked(), scraped.tally.samples_rejected.total())
}

/// The same bytes go again, until they are taken.
async fn assert_retried(status: u16) {
    let (sender, scraped) = Sender::answered(&[Reply::Status(status), Reply::Written], ENOUGH).await;
    let requests = sender.receiver.requests();
    assert_eq!((requests.len(), sender.acked(), scraped.tally.samples), (2, 1, SIMPLE_SAMPLES), "{status}");
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(requests[1].header("retry-attempt"), "1");
    assert!(requests[0].headers.get("retry-attempt").is_none());
}

#[tokio::test]
async fn no_retry_on_400() {
    assert_eq!(refused(400).await, (1, 1, SIMPLE_SAMPLES));
}

#[tokio::test]
async fn no_retry_on_401() {
    assert_eq!(refused(401).await, (2, 0, 0));
}

#[tokio::test]
async fn no_retry_on_404() {
    assert_eq!(refused(404).await, (1, 0, 0));
}

#[tokio::test]
async fn may_retry_on_429() {
    assert_retried(429).await;
}

#[tokio::test]
async fn retry_on_500() {
    assert_retried(500).await;
}

#[tokio::test]
async fn retry_on_503() {
    assert_retried(503).await;
}

#[tokio::test]
async fn retry_on_502() {
    assert_retried(502).await;
}

#[tokio::test]
async fn retry_on_504() {
    assert_retried(504).await;
}

/// Not the same bytes again: halves of them, down to single samples, which are then refused.
#[tokio::test]
async fn no_retry_on_413() {
    let (sender, scraped) = Sender::answered(&[Reply::Status(413)], SHORT).await;
    let mut bodies: Vec<_> = sender.receiver.requests().into_iter().map(|request| request.body).collect();
    let sent = bodies.len();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!((bodies.len(), sender.acked()), (sent, 1));
    assert_eq!(scraped.tally.samples_rejected.get("413"), SIMPLE_SAMPLES);
}
