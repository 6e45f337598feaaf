//! `ExportMetricsServiceRequest` with delta metrics: what the agent makes of it.

use std::time::Duration;

use prost::Message;
use siphon_core::{
    otlp::{
        Metric, MetricData, MetricsRequest, NO_RECORDED_VALUE, Temporality, check,
        delta::{Accumulator, Limits, Rewritten},
    },
    prometheus,
    series::LabelSets,
};

use crate::seeds::golden;

const DELTA: i32 = Temporality::Delta as i32;
const CUMULATIVE: i32 = Temporality::Cumulative as i32;

/// The golden requests as an SDK would send them that prefers deltas.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let as_delta = |bytes: &[u8]| {
        let mut request = MetricsRequest::decode(bytes).expect("a golden request is good");
        metrics(&mut request).filter_map(temporality).for_each(|temporality| *temporality = DELTA);
        request.encode_to_vec()
    };
    golden("metrics", ".pb").into_iter().map(|(name, bytes)| (name, as_delta(&bytes))).collect()
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    let mut deltas = accumulator(4);
    let Ok(points) = check::metrics(bytes) else {
        let _ = deltas.rewrite(bytes, bytes.len(), Duration::ZERO);
        return false;
    };
    let rewritten = |deltas: &mut Accumulator, max_bytes, seconds| {
        deltas.rewrite(bytes, max_bytes, Duration::from_secs(seconds)).expect("as the check says")
    };
    // Sent twice, then after all was forgotten, then without room.
    for (max_bytes, seconds) in [(bytes.len() + 4096, 0), (bytes.len() + 4096, 1), (bytes.len(), 9)] {
        if let Some(made) = rewritten(&mut deltas, max_bytes, seconds) {
            assert!(made.request.len() <= max_bytes, "{} of {max_bytes} bytes", made.request.len());
            check_rewritten(&made, points);
        }
    }
    let decoded = MetricsRequest::decode(bytes).expect("as the check says");
    match rewritten(&mut accumulator(0), bytes.len(), 0) {
        Some(made) => check_others(&made, decoded),
        None => assert!(!has_delta(decoded), "delta points are passed over"),
    }
    true
}

fn accumulator(series: usize) -> Accumulator {
    Accumulator::new(Limits { series, expiry: Duration::from_secs(5) }, &[1; 16])
}

/// No point is lost unseen, and none is of delta temporality.
fn check_rewritten(made: &Rewritten, points: u64) {
    let left = check::metrics(&made.request).expect("what is written can be read");
    assert_eq!(left + made.dropped.total(), points, "points are lost");
    assert!(!has_delta(MetricsRequest::decode(&*made.request).expect("as the check says")));
    let (mut sets, options) = (LabelSets::default(), prometheus::Options::default());
    let translated = prometheus::Translator::new(&options, None).translate(&made.request, &mut sets);
    let dropped = translated.expect("as the check says").dropped;
    assert!(dropped.iter().all(|drop| drop.reason != "delta_temporality"), "{dropped:?}");
}

/// Without room for any series nothing but delta points goes, and ends of series stay.
fn check_others(made: &Rewritten, mut given: MetricsRequest) {
    for scope in given.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics) {
        scope.metrics.retain_mut(|metric| match temporality(metric) {
            Some(delta) if *delta == DELTA => {
                *delta = CUMULATIVE;
                keep_ends(metric) > 0
            }
            _ => true,
        });
    }
    let made = MetricsRequest::decode(&*made.request).expect("as the check says");
    // Bytes, since a NaN is not equal to itself.
    assert_eq!(made.encode_to_vec(), given.encode_to_vec());
}

fn keep_ends(metric: &mut Metric) -> usize {
    let ends = |flags: u32| flags & NO_RECORDED_VALUE != 0;
    match &mut metric.data {
        Some(MetricData::Sum(data)) => {
            data.points.retain(|point| ends(point.flags));
            data.points.len()
        }
        Some(MetricData::Histogram(data)) => {
            data.points.retain(|point| ends(point.flags));
            data.points.len()
        }
        Some(MetricData::ExponentialHistogram(data)) => {
            data.points.retain(|point| ends(point.flags));
            data.points.len()
        }
        _ => 0,
    }
}

fn has_delta(mut request: MetricsRequest) -> bool {
    metrics(&mut request).any(|metric| temporality(metric).is_some_and(|temporality| *temporality == DELTA))
}

fn metrics(request: &mut MetricsRequest) -> impl Iterator<Item = &mut Metric> {
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    scopes.flat_map(|scope| &mut scope.metrics)
}

fn temporality(metric: &mut Metric) -> Option<&mut i32> {
    match &mut metric.data {
        Some(MetricData::Sum(data)) => Some(&mut data.temporality),
        Some(MetricData::Histogram(data)) => Some(&mut data.temporality),
        Some(MetricData::ExponentialHistogram(data)) => Some(&mut data.temporality),
        _ => None,
    }
}
