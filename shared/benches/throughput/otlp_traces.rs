//! OTLP traces to X-Ray segment documents.

use criterion::{BenchmarkId, Criterion, Throughput};
use prost::Message;
use siphon_core::{
    otlp::TraceRequest,
    xray::{Options, documents},
};

use crate::cpu_time::CpuTime;

const REQUEST: &[u8] = include_bytes!("../data/traces-20-spans.pb");

const SPANS: usize = 20;

/// One export of a quiet service, one of a busy one, and a page of them.
const REQUESTS: [usize; 3] = [1, 10, 100];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let options = Options::default();
    let mut group = criterion.benchmark_group("OTLP traces to X-Ray documents");
    for count in REQUESTS {
        group.throughput(Throughput::Elements((count * SPANS) as u64));
        group.bench_with_input(BenchmarkId::new("requests", count), &count, |bencher, count| {
            bencher.iter(|| (0..*count).map(|_| translate(&options)).sum::<usize>());
        });
    }
}

pub(crate) fn translate(options: &Options) -> usize {
    let request = TraceRequest::decode(REQUEST).expect("the request is good");
    documents(&request, options).documents.iter().map(|document| document.json.len()).sum()
}
