//! Names, values and times.

use siphon_core::{
    otlp::{Histogram, HistogramPoint, MetricData, NumberPoint, Quantile, Sum, Summary, SummaryPoint},
    series::STALE,
    units::UnixMillis,
};

use super::{
    ENOUGH, TARGET, label, new_world, of, scraped, values,
    world::{
        metrics::{gauge, metric, nanos, number},
        seconds_ago,
    },
};

#[tokio::test]
async fn CounterTest() {
    let sum = |value| {
        let points = vec![number(value, seconds_ago(10), &[])];
        MetricData::Sum(Sum { points, temporality: 2, monotonic: true })
    };
    let series = scraped(vec![metric("counter", sum(42.0)), metric("requests_total", sum(1e15))]).await;
    for (name, value) in [("counter_total", 42.0), ("requests_total", 1e15)] {
        let found = of(&series, name);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(values(found[0]), [value], "{name}");
    }
}

#[tokio::test]
async fn GaugeTest() {
    let given = [0.0, -0.1, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY];
    let name = |n| format!("gauge_{n}");
    let gauges =
        (0..).zip(given).map(|(n, value)| gauge(&name(n), vec![number(value, seconds_ago(10), &[])]));
    let series = scraped(gauges.collect()).await;
    for (n, value) in (0..).zip(given) {
        assert_eq!(of(&series, &name(n)).into_iter().map(values).collect::<Vec<_>>(), [[value]]);
    }
}

#[tokio::test]
async fn HistogramTest() {
    let point = HistogramPoint {
        time_unix_nano: nanos(seconds_ago(10)),
        count: 7,
        sum: Some(9.5),
        bucket_counts: vec![2, 3, 2],
        explicit_bounds: vec![0.5, 2.0],
        ..HistogramPoint::default()
    };
    let data = MetricData::Histogram(Histogram { points: vec![point], temporality: 2 });
    let series = scraped(vec![metric("histogram", data)]).await;
    let buckets: Vec<_> =
        of(&series, "histogram_bucket").iter().map(|s| (label(s, "le").unwrap(), values(s)[0])).collect();
    assert_eq!(buckets, [("0.5", 2.0), ("2", 5.0), ("+Inf", 7.0)]);
    assert_eq!(values(of(&series, "histogram_sum")[0]), [9.5]);
    assert_eq!(values(of(&series, "histogram_count")[0]), [7.0]);
    assert!(of(&series, "histogram").is_empty());
}

#[tokio::test]
async fn SummaryTest() {
    let quantiles = [(0.5, 1.0), (0.99, 3.5)].map(|(quantile, value)| Quantile { quantile, value });
    let point = SummaryPoint {
        time_unix_nano: nanos(seconds_ago(10)),
        count: 4,
        sum: 6.5,
        quantiles: quantiles.into(),
        ..SummaryPoint::default()
    };
    let data = MetricData::Summary(Summary { points: vec![point] });
    let series = scraped(vec![metric("summary", data)]).await;
    let quantiles: Vec<_> =
        of(&series, "summary").iter().map(|s| (label(s, "quantile").unwrap(), values(s)[0])).collect();
    assert_eq!(quantiles, [("0.5", 1.0), ("0.99", 3.5)]);
    assert_eq!(values(of(&series, "summary_sum")[0]), [6.5]);
    assert_eq!(values(of(&series, "summary_count")[0]), [4.0]);
}

/// Where a scrape misses a series, OTLP has a point without recorded value.
#[tokio::test]
async fn StalenessTest() {
    let world = new_world().await;
    let gone = NumberPoint { flags: 1, ..number(0.0, seconds_ago(10), &[("a", "1")]) };
    for points in [vec![number(1.0, seconds_ago(20), &[("a", "1")])], vec![gone], vec![]] {
        world.agent.metrics(&TARGET, vec![gauge("stale", points)]);
        world.scrape(ENOUGH).await;
    }
    let series = world.prometheus.series_of("stale");
    let bits: Vec<_> = series.iter().flat_map(values).map(f64::to_bits).collect();
    assert_eq!(bits, [1f64.to_bits(), STALE.to_bits()], "its next sample is the marker, and its last");
    assert_eq!(STALE.to_bits(), 0x7ff0_0000_0000_0002);
}

#[tokio::test]
async fn TimestampTest() {
    let at = [UnixMillis(seconds_ago(30).0 / 1000 * 1000 + 123), seconds_ago(7)];
    let points = at.map(|at| number(1.0, at, &[])).into();
    let series = scraped(vec![gauge("timed", points)]).await;
    let times: Vec<_> = of(&series, "timed")[0].samples.iter().map(|s| UnixMillis(s.timestamp)).collect();
    assert_eq!(times, at);
}
