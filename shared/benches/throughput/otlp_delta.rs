//! OTLP metrics as the agent receives them: checked, looked through for deltas, and these added up.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use prost::Message;
use siphon_core::otlp::{
    MetricData, MetricsRequest, check,
    delta::{Accumulator, Limits},
};

use crate::{cpu_time::CpuTime, otlp_metrics::record};

/// Points of a request, as it is and of its counters and histograms alone.
const POINTS: usize = 330;
const DELTA_POINTS: usize = 170;

/// One request, of which all series are new, and as many as make those few.
const REQUESTS: [usize; 2] = [1, 100];

const LIMITS: Limits = Limits { series: 2_000, expiry: Duration::from_secs(3_600) };

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let cumulative: Vec<Vec<u8>> = (0..).take(100).map(record).collect();
    let delta: Vec<Vec<u8>> = cumulative.iter().map(|request| of_delta_temporality(request)).collect();
    let mut group = criterion.benchmark_group("OTLP metrics in the agent");
    let mut each = |name: &str, points: usize, records: &[Vec<u8>], work: fn(&[Vec<u8>]) -> u64| {
        for count in REQUESTS {
            group.throughput(Throughput::Elements((count * points) as u64));
            group.bench_with_input(BenchmarkId::new(name, count), &records[..count], |bencher, records| {
                bencher.iter(|| work(records));
            });
        }
    };
    each("checked alone, requests", POINTS, &cumulative, checked);
    each("cumulative, requests", POINTS, &cumulative, added_up);
    each("delta, checked alone, requests", DELTA_POINTS, &delta, checked);
    each("delta, requests", DELTA_POINTS, &delta, added_up);
}

fn checked(records: &[Vec<u8>]) -> u64 {
    records.iter().map(|record| check::metrics(record).expect("the request is good")).sum()
}

fn added_up(records: &[Vec<u8>]) -> u64 {
    let mut deltas = Accumulator::new(LIMITS, &[1; 16]);
    let points = records.iter().map(|record| {
        let points = check::metrics(record).expect("the request is good");
        let made = deltas.rewrite(record, record.len(), Duration::ZERO).expect("the request is good");
        points - made.map_or(0, |made| made.dropped.total())
    });
    let points = points.sum();
    assert_eq!(points % records.len() as u64, 0, "points are dropped");
    points
}

fn of_delta_temporality(request: &[u8]) -> Vec<u8> {
    let mut request = MetricsRequest::decode(request).expect("the request is good");
    for scope in request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics) {
        scope.metrics.retain_mut(|metric| match &mut metric.data {
            Some(MetricData::Sum(sum)) => {
                sum.temporality = 1;
                true
            }
            Some(MetricData::Histogram(histogram)) => {
                histogram.temporality = 1;
                true
            }
            _ => false,
        });
    }
    request.encode_to_vec()
}
