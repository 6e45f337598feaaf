//! The suite's table `TestFallbackBehavior`, and `TestNoFallbackOn2xx`.

use siphon_tests::prometheus::Prometheus;

use crate::{
    support::{Recorded, Reply, Sender, page},
    world::{Agent, ENOUGH, World},
};

/// Label sets, times and values: what has to be the same in both versions.
fn data(request: &Recorded) -> Vec<String> {
    let series = request.series.iter();
    let shown = series.flat_map(|series| {
        let sample = |sample: &siphon_core::remote_write::v2::Sample| {
            format!("{:?} {} {}", series.labels, sample.timestamp, sample.value.to_bits())
        };
        series.samples.iter().map(sample).collect::<Vec<_>>()
    });
    shown.collect()
}

/// A sender to a receiver that knows only 1.0.
async fn fallen_back() -> Sender {
    let (sender, scraped) = Sender::answered(&[Reply::Status(415), Reply::Written], ENOUGH).await;
    assert_eq!(scraped.tally.samples, page::SIMPLE_SAMPLES);
    assert!(scraped.failed.is_empty());
    sender
}

#[tokio::test]
async fn fallback_on_415_unsupported_media_type() {
    let sender = fallen_back().await;
    let requests = sender.receiver.requests();
    assert_eq!((requests.len(), sender.acked()), (2, 1));
    assert_eq!(data(&requests[0]), data(&requests[1]), "the same data, before the cursor moves");
    assert_eq!(data(&requests[0]).len() as u64, page::SIMPLE_SAMPLES);
}

#[tokio::test]
async fn retry_with_different_version() {
    assert_eq!(fallen_back().await.receiver.versions(), ["2.0.0", "0.1.0"]);
}

#[tokio::test]
async fn fallback_header_changes() {
    let requests = fallen_back().await.receiver.requests();
    assert_eq!(requests[1].header("content-type"), "application/x-protobuf");
    assert_eq!(requests[1].header("x-prometheus-remote-write-version"), "0.1.0");
    assert_eq!(requests[1].header("content-encoding"), "snappy");
}

#[tokio::test]
async fn accept_success_after_fallback() {
    let sender = fallen_back().await;
    sender.world.scrape(ENOUGH).await;
    assert_eq!(sender.receiver.requests().len(), 2, "nothing is left to send");
}

/// For all agents, in this invocation and in those after it.
#[tokio::test]
async fn persistent_fallback_choice() {
    let sender = fallen_back().await;
    let other = Agent::start("task-2").await;
    other.readings(1, 20);
    sender.export(page::simple());
    sender.world.scrape_all(vec![sender.world.agent.target(), other.target()], ENOUGH).await;
    assert_eq!(sender.receiver.versions(), ["2.0.0", "0.1.0", "0.1.0", "0.1.0"]);
    assert_eq!((sender.acked(), other.acked().0), (2, 1));
}

#[tokio::test]
#[expect(non_snake_case, reason = "the suite's name")]
async fn TestNoFallbackOn2xx() {
    let sender = Sender::new().await;
    for _ in 0..2 {
        sender.send(page::simple()).await;
    }
    assert_eq!(sender.receiver.versions(), ["2.0.0", "2.0.0"]);
}

/// Beyond the suite: a request of 2.0 that needs several of 1.0, under way when the receiver is found out.
#[tokio::test]
async fn a_delivery_that_grows_is_neither_lost_nor_doubled() {
    let sender = Sender::new().await;
    sender.receiver.replies(&[Reply::Status(415), Reply::Written]);
    let wide = "x".repeat(4_000);
    let point = |n: usize| page::point(1.0, &[("n", &n.to_string()), ("wide", &wide)]);
    sender.export(vec![page::gauge("wide", (0..400).map(point).collect())]);
    sender.export(page::simple());
    let tally = sender.world.scrape(ENOUGH).await.tally;
    let requests = sender.receiver.requests();
    assert!(requests.len() > 2, "{}", requests.len());
    let mut first: Vec<_> = data(&requests[0]);
    let mut again: Vec<_> = requests[1..].iter().flat_map(data).collect();
    again.retain(|one| first.contains(one));
    first.sort_unstable();
    again.sort_unstable();
    assert_eq!(first, again);
    assert_eq!((sender.acked(), tally.samples), (2, 401 + page::SIMPLE_SAMPLES));
}

/// Beyond the suite: a real Prometheus. One of before 2.54, such as Debian's, knows nothing of 2.0 and takes its bytes with
/// a 2xx for an empty request of 1.0; a newer one writes them. In either case all samples are there, and each once.
#[tokio::test]
async fn a_real_prometheus_of_any_age_gets_everything() {
    let Some(prometheus) = Prometheus::start() else { return };
    let url = prometheus.write_url();
    let settings = [("AWS_PROMETHEUS_ENDPOINT", url.as_str()), ("SIPHON_REMOTE_WRITE_VERSION", "2.0")];
    let world = World::with_settings(&settings).await;
    for (round, age) in [(1, 40), (2, 20)] {
        world.agent.readings(30, age);
        let tally = world.scrape(ENOUGH).await.tally;
        assert_eq!((tally.samples, tally.samples_rejected.total()), (30 * 8, 0), "{round}");
        assert_eq!(world.agent.acked().0, 30 * round);
        let series = prometheus.query("{aws_ecs_task_id=\"task-1\"}");
        assert_eq!(series.len(), 8);
        for name in series.iter().map(|series| series["metric"]["__name__"].as_str().unwrap()) {
            let stored = prometheus.values(&format!("count_over_time({name}[10m])"));
            assert_eq!(stored, [(30 * round) as f64], "{name} after round {round}");
        }
    }
}
