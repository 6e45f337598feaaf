//! OTLP metrics to remote-write bodies.

use criterion::{BenchmarkId, Criterion, Throughput};
use prost::Message;
use siphon_core::{
    amp::Limiter,
    ecs::Identity,
    otlp::{MetricData, MetricsRequest},
    prometheus::{Options, Translator},
    remote_write::{Limits, Packer, Version},
    series::{Batch, LabelSets},
    units::UnixMillis,
};

use crate::cpu_time::CpuTime;

const REQUEST: &[u8] = include_bytes!("../data/metrics-400-samples.pb");
pub(crate) const TASK: &[u8] = include_bytes!("../../testdata/golden/ecs/fargate/task.json");

/// Samples of a request, with `target_info`.
const SAMPLES: usize = 401;

/// Requests of which the samples fit into one remote-write request.
const GROUP: usize = 12;

/// When it is scraped: twenty minutes after the first export.
const NOW: UnixMillis = UnixMillis(1_795_401_200_000);

const EXPORT_INTERVAL_NS: u64 = 10_000_000_000;

/// One request alone, one remote-write request full, and the page of an agent that was not scraped for 20 minutes.
const REQUESTS: [usize; 3] = [1, GROUP, 10 * GROUP];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let identity = Identity::from_task(TASK, "").expect("the recorded answer is good");
    let options = Options::default();
    let records: Vec<Vec<u8>> = (0..).take(10 * GROUP).map(record).collect();
    let mut group = criterion.benchmark_group("OTLP metrics to remote write");
    for count in REQUESTS {
        group.throughput(Throughput::Elements((count * SAMPLES) as u64));
        group.bench_with_input(BenchmarkId::new("requests", count), &records[..count], |bencher, records| {
            bencher.iter(|| translate(records, &options, &identity));
        });
    }
}

/// As `scrape` does with a page.
pub(crate) fn translate(records: &[Vec<u8>], options: &Options, identity: &Identity) -> usize {
    let mut sets = LabelSets::default();
    let mut limiter = Limiter::new(NOW);
    let mut translator = Translator::new(options, Some(identity));
    let mut packer = Packer::new(&Limits::default(), Version::V1);
    let mut body_bytes = 0;
    for group in records.chunks(GROUP) {
        let mut batch = Batch::default();
        for record in group {
            let mut translated = translator.translate(record, &mut sets).expect("the request is good").batch;
            let losses = limiter.apply(&mut translated, &mut sets);
            assert!(
                losses.dropped.is_empty() && losses.trimmed.is_empty(),
                "the request is within AMP's limits"
            );
            batch.append(translated);
        }
        let (requests, _) = packer.requests(&mut batch, &sets);
        body_bytes += requests.iter().map(|request| request.body.len()).sum::<usize>();
    }
    body_bytes
}

/// The request with its points so many exports later.
pub(crate) fn record(exports: u64) -> Vec<u8> {
    let mut request = MetricsRequest::decode(REQUEST).expect("the request is good");
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        let later = |time: &mut u64| *time += exports * EXPORT_INTERVAL_NS;
        match metric.data.as_mut() {
            Some(MetricData::Gauge(data)) => {
                data.points.iter_mut().for_each(|p| later(&mut p.time_unix_nano))
            }
            Some(MetricData::Sum(data)) => data.points.iter_mut().for_each(|p| later(&mut p.time_unix_nano)),
            Some(MetricData::Histogram(data)) => {
                data.points.iter_mut().for_each(|p| later(&mut p.time_unix_nano));
            }
            other => unreachable!("the request has no {other:?}"),
        }
    }
    request.encode_to_vec()
}
