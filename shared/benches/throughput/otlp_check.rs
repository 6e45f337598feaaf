//! What the agent does with every OTLP request: is it one, and how many items does it hold?

use criterion::{BenchmarkId, Criterion, Throughput};
use siphon_core::otlp::check;

use crate::cpu_time::CpuTime;

const TRACES: &[u8] = include_bytes!("../data/traces-20-spans.pb");
const METRICS: &[u8] = include_bytes!("../data/metrics-400-samples.pb");

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("OTLP requests checked");
    for (name, request, check) in [
        ("20 spans", TRACES, check::traces as fn(&[u8]) -> Result<u64, check::Fault>),
        ("330 points", METRICS, check::metrics),
    ] {
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), request, |bencher, request| {
            bencher.iter(|| check(request).expect("the request is good"));
        });
    }
}
