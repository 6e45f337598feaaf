//! AMP's limits: met before sending where the receiver is AMP, and nowhere else.

use siphon_core::{
    amp::TRIMMED,
    otlp::{Buckets, Exemplar, ExponentialHistogram, ExponentialHistogramPoint, Metric, MetricData, Sum},
    remote_write::v1::{HistogramCount, TimeSeries},
};

use super::world::{
    ENOUGH, World,
    metrics::{gauge, labels, metric, nanos, number},
    seconds_ago,
};

const JOB: [(&str, &str); 1] = [("service.name", "shop")];

/// Everything that AMP doesn't take: exemplars, a large histogram, too many labels, a long value, a reserved name, a
/// sample of the past and one of the future.
fn unfit_metrics() -> Vec<Metric> {
    let at = seconds_ago(10);
    let mut counted = number(1.0, at, &[]);
    counted.exemplars = vec![Exemplar { time_unix_nano: nanos(at), ..Exemplar::default() }];
    let sum = Sum { points: vec![counted], temporality: 2, monotonic: true };
    let buckets = Buckets { offset: 0, counts: vec![1; 320] };
    let point = ExponentialHistogramPoint {
        time_unix_nano: nanos(at),
        count: 320,
        scale: 5,
        positive: Some(buckets),
        ..ExponentialHistogramPoint::default()
    };
    let large = ExponentialHistogram { points: vec![point], temporality: 2 };
    let many: Vec<_> = (0..160).map(|n| format!("label{n:03}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "v")).collect();
    let long = "v".repeat(3_000);
    let labelled = [&many[..], &[("long", &long)], &[("__replica__", "a")]].map(|own| number(1.0, at, own));
    let others = [seconds_ago(56 * 60), seconds_ago(-600)].map(|at| number(1.0, at, &[]));
    vec![
        metric("counted", MetricData::Sum(sum)),
        metric("large", MetricData::ExponentialHistogram(large)),
        gauge("labelled", labelled.into()),
        gauge("others", others.into()),
    ]
}

fn bucket_counts(series: &TimeSeries) -> Vec<i64> {
    let deltas = series.histograms[0].positive_deltas.iter();
    deltas
        .scan(0, |count, delta| {
            *count += delta;
            Some(*count)
        })
        .collect()
}

#[tokio::test]
async fn what_amp_would_refuse_is_trimmed_or_left_out_and_counted() {
    let world = World::with_settings(&[("SIPHON_AMP_LIMITS", "true")]).await;
    world.agent.metrics(&JOB, unfit_metrics());
    let tally = world.scrape(ENOUGH).await.tally;

    assert_eq!(tally.exemplars_dropped.get("exemplars_unsupported"), 1);
    let dropped = ["expired", "in_future"].map(|reason| tally.samples_dropped.get(reason));
    assert_eq!(dropped, [1, 1]);
    assert_eq!(world.prometheus.series_of("target_info").len(), 1, "with the newest of the others");
    let trimmed = ["histogram_resolution", "label_count", "label_value_bytes", "label_name"]
        .map(|r| tally.samples_trimmed.get(r));
    assert_eq!((trimmed, tally.samples_trimmed.total()), ([1; 4], 4));
    assert_eq!((world.agent.acked(), tally.samples_rejected.total()), ((1, 0), 0));

    assert!(world.prometheus.series().iter().all(|series| series.exemplars.is_empty()));
    assert!(world.prometheus.series_of("others").is_empty());
    let large = &world.prometheus.series_of("large")[0];
    assert_eq!(large.histograms[0].schema, 4, "one lower");
    assert_eq!(bucket_counts(large), [2; 160]);
    assert_eq!(large.histograms[0].count, Some(HistogramCount::Int(320)));
    let labelled = world.prometheus.series_of("labelled");
    assert_eq!(labelled.len(), 3);
    for labels in labelled.iter().map(labels) {
        assert!(labels.len() <= 150 && labels.iter().all(|(_, value)| value.len() <= 2_048));
        assert!(labels.contains_key(TRIMMED) || labels.contains_key("long"));
        assert!(!labels.contains_key("__replica__"));
        assert_eq!((&*labels["job"], &*labels["aws_ecs_task_id"]), ("shop", "task-1"));
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_amp_gets_everything() {
    let world = World::new().await;
    world.agent.metrics(&JOB, unfit_metrics());
    let tally = world.scrape(ENOUGH).await.tally;

    let lost = [&tally.exemplars_dropped, &tally.samples_dropped, &tally.samples_trimmed];
    assert!(lost.iter().all(|reasons| reasons.total() == 0), "{lost:?}");
    assert_eq!(world.prometheus.series_of("counted_total")[0].exemplars.len(), 1);
    assert_eq!(world.prometheus.series_of("others")[0].samples.len(), 2);
    assert_eq!(bucket_counts(&world.prometheus.series_of("large")[0]), [1; 320]);
    let labelled = world.prometheus.series_of("labelled");
    assert!(labelled.iter().any(|series| series.labels.len() > 160));
    assert!(labelled.iter().any(|series| labels(series).get("long").is_some_and(|long| long.len() == 3_000)));
}

#[tokio::test]
async fn fewer_labels_by_setting() {
    let world = World::with_settings(&[("SIPHON_RESOURCE_LABELS", "team")]).await;
    world.agent.metrics(
        &[JOB[0], ("team", "a"), ("color", "red")],
        vec![gauge("g", vec![number(1.0, seconds_ago(1), &[])])],
    );
    world.scrape(ENOUGH).await;
    let got = labels(&world.prometheus.series_of("g")[0]);
    let want = [("__name__", "g"), ("aws_ecs_task_id", "task-1"), ("job", "shop"), ("team", "a")];
    assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let told = labels(&world.prometheus.series_of("target_info")[0]);
    assert!(
        ["aws_ecs_task_arn", "cloud_region", "color"].iter().all(|name| told.contains_key(*name)),
        "{told:?}"
    );
}
