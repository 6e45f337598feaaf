//! Requests: headers, order, and what is sent again.

use std::{collections::BTreeMap, time::Duration};

use siphon_core::remote_write::v1::Label;

use super::{
    ENOUGH, TARGET, new_world, values,
    world::{
        metrics::{gauge, number},
        prometheus::Reply,
        seconds_ago,
    },
};

#[tokio::test]
async fn HeadersTest() {
    let world = new_world().await;
    world.agent.metrics(&TARGET, vec![gauge("a", vec![number(1.0, seconds_ago(10), &[])])]);
    world.scrape(ENOUGH).await;
    let heads = world.prometheus.edit(|state| state.heads.clone());
    assert_eq!(heads.len(), 1);
    for (name, value) in [
        ("content-encoding", "snappy"),
        ("content-type", "application/x-protobuf"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ] {
        let got: Vec<_> = heads[0].get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(got, [value], "{name}");
    }
    assert!(heads[0].contains_key("user-agent"));
}

/// As the suite has it, a thousand series and a receiver that takes its time; here up to 50 milliseconds rather than
/// five seconds for a request, and several invocations.
#[tokio::test]
async fn OrderingTest() {
    const SERIES: usize = 1_000;
    const SAMPLES: usize = 30;
    let world = new_world().await;
    world.prometheus.edit(|state| state.slowest = Duration::from_millis(50));
    let names: Vec<_> = (0..SERIES).map(|n| format!("series_{n}")).collect();
    for n in 0..SAMPLES {
        let at = seconds_ago(300).plus(n as i64 * 5_000);
        let gauges = names.iter().map(|name| gauge(name, vec![number(n as f64, at, &[])])).collect();
        world.agent.metrics(&TARGET, gauges);
        if n % 10 == 9 {
            world.scrape(ENOUGH).await;
        }
    }
    let mut last: BTreeMap<Vec<(String, String)>, Vec<i64>> = BTreeMap::new();
    for series in world.prometheus.series() {
        let labels =
            series.labels.iter().map(|Label { name, value }| (name.clone(), value.clone())).collect();
        last.entry(labels).or_default().extend(series.samples.iter().map(|sample| sample.timestamp));
    }
    assert!(world.prometheus.requests() > 5, "{}", world.prometheus.requests());
    let of_all = SERIES + 1; // and target_info
    assert_eq!((last.len(), last.values().map(Vec::len).sum()), (of_all, of_all * SAMPLES));
    assert!(last.values().all(|times| times.windows(2).all(|pair| pair[0] < pair[1])));
}

#[tokio::test]
async fn Retries500Test() {
    let world = new_world().await;
    world.prometheus.replies(&[Reply::Status(500), Reply::Store]);
    world.agent.metrics(&TARGET, vec![gauge("a", vec![number(7.0, seconds_ago(10), &[])])]);
    world.scrape(ENOUGH).await;
    let received: Vec<_> = world.prometheus.series_of("a").iter().map(values).collect();
    assert_eq!(received, [[7.0], [7.0]], "sent again");
    assert_eq!(world.prometheus.requests(), 2);
}

#[tokio::test]
async fn Retries400Test() {
    let world = new_world().await;
    world.prometheus.replies(&[Reply::Status(400), Reply::Store]);
    for value in [7.0, 8.0] {
        world.agent.metrics(&TARGET, vec![gauge("a", vec![number(value, seconds_ago(10), &[])])]);
        world.scrape(ENOUGH).await;
    }
    let received: Vec<_> = world.prometheus.series_of("a").iter().map(values).collect();
    assert_eq!(received, [[7.0], [8.0]], "what was refused is not sent again, and what comes later is");
    assert_eq!(world.prometheus.requests(), 2);
}
