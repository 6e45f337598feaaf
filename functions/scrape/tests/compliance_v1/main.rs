//! The demands of Prometheus' compliance suite on senders of remote write 1.0
//! (<https://github.com/prometheus/compliance>, `remotewrite/sender`), each under the name of the suite's case.
//!
//! The suite gives a sender pages of text to scrape. Here an agent hands out OTLP requests such as a scrape of those
//! pages would make, and everything from there on is real: pull, translation, packing, signing, HTTP. Where a case is
//! about reading text, what it demands of the sender's output is asked for all the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml exempts only functions marked as tests"
)]
#![allow(non_snake_case, reason = "tests bear the suite's names, so that they are found by them")]

mod delivery;
mod labels;
mod samples;
mod target;
#[path = "../scrape/world/mod.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod world;

use siphon_core::{otlp::Metric, remote_write::v1::TimeSeries};
use world::{ENOUGH, World};

/// The target of every scrape: the job and the address that the suite gives.
const TARGET: [(&str, &str); 2] = [("service.name", "test"), ("service.instance.id", "127.0.0.1:9090")];

/// A receiver with AMP's limits, which the sender meets by itself.
async fn new_world() -> World {
    World::with_settings(&[("SIPHON_AMP_LIMITS", "true")]).await
}

/// What arrives of metrics that a target has.
async fn scraped(metrics: Vec<Metric>) -> Vec<TimeSeries> {
    let world = new_world().await;
    world.agent.metrics(&TARGET, metrics);
    world.scrape(ENOUGH).await;
    assert_eq!(world.agent.acked(), (1, 0));
    world.prometheus.series()
}

/// Those of a metric, as the suite would look for them.
fn of<'a>(series: &'a [TimeSeries], metric: &str) -> Vec<&'a TimeSeries> {
    series.iter().filter(|one| label(one, "__name__") == Some(metric)).collect()
}

fn label<'a>(series: &'a TimeSeries, name: &str) -> Option<&'a str> {
    series.labels.iter().find(|label| label.name == name).map(|label| label.value.as_str())
}

fn values(series: &TimeSeries) -> Vec<f64> {
    series.samples.iter().map(|sample| sample.value).collect()
}
