//! Blocks of scraped texts.

use siphon_core::{
    scrapes::{Format, Outcome, Recorder, Scrape, Target},
    units::UnixMillis,
    wire::Kind,
};

use super::world::{ENOUGH, World, seconds_ago};

/// `up` and so on, and `target_info`.
const REPORT: u64 = 6;

/// The scrapes of a target, one a second.
fn block(begun: UnixMillis, texts: &[&str]) -> Vec<u8> {
    let target =
        Target { job: "app".to_owned(), instance: "127.0.0.1:9090".to_owned(), attributes: Vec::new() };
    let mut recorder = Recorder::new(target);
    for (seconds, text) in (0..).zip(texts) {
        let at = begun.plus(seconds * 1000);
        let outcome = Outcome::Text(Format::Text, text.as_bytes().to_vec());
        recorder.add(Scrape { at, duration_us: 1, outcome });
    }
    recorder.seal().unwrap().payload
}

#[tokio::test]
async fn scrapes_become_series_and_what_can_not_be_read_costs_itself_only() {
    let world = World::new().await;
    let begun = seconds_ago(30);
    let good = block(begun, &["a 1\nb 1\n", "a 2\n", "a 3\nb\n"]);
    world.agent.record(Kind::Scrapes, begun, good[..good.len() / 2].to_vec());
    world.agent.record(Kind::Scrapes, begun, good);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!(world.agent.acked(), (2, 0));
    assert_eq!((tally.records_bad.get("scrapes"), tally.samples_dropped.get("exposition")), (1, 1));
    // The second scrape ends b, the third ends a.
    assert_eq!(tally.samples, (2 + REPORT) + (2 + REPORT) + (1 + REPORT));
    let of = |labels: &str| -> Vec<i64> {
        world.prometheus.edit(|state| {
            state.samples.keys().filter(|(l, _)| l.contains(labels)).map(|(_, at)| at - begun.0).collect()
        })
    };
    assert_eq!(of("__name__=\"a\""), [0, 1000, 2000]);
    assert_eq!(of("__name__=\"b\""), [0, 1000]);
    assert_eq!(of("__name__=\"up\""), [0, 1000, 2000]);
}
