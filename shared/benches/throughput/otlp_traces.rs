//! OTLP traces to X-Ray: as segment documents, and as they are.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use siphon_core::xray::{
    Options, Translator,
    otlp::{Limits, body, read},
};

use crate::cpu_time::CpuTime;

const REQUEST: &[u8] = include_bytes!("../data/traces-20-spans.pb");

const SPANS: usize = 20;

/// One export of a quiet service, one of a busy one, and a page of them.
const REQUESTS: [usize; 3] = [1, 10, 100];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let options = Options::default();
    each_size(criterion, "OTLP traces to X-Ray documents", |requests| translate(requests, &options));
    each_size(criterion, "OTLP traces to X-Ray's OTLP endpoint", forward);
}

fn each_size(criterion: &mut Criterion<CpuTime>, name: &str, work: impl Fn(usize) -> usize) {
    let mut group = criterion.benchmark_group(name);
    for count in REQUESTS {
        group.throughput(Throughput::Elements((count * SPANS) as u64));
        group.bench_with_input(BenchmarkId::new("requests", count), &count, |bencher, count| {
            bencher.iter(|| work(*count));
        });
    }
}

/// As `scrape` does with a page of so many requests.
pub(crate) fn translate(requests: usize, options: &Options) -> usize {
    let mut translator = Translator::new(options, None);
    let documents = |_| translator.translate(REQUEST).expect("the request is good").documents;
    (0..requests).map(documents).map(|documents| documents.len()).sum()
}

/// As `scrape` does with a page of so many requests where spans stay what they are.
fn forward(requests: usize) -> usize {
    let (request, limits) = (Bytes::from_static(REQUEST), Limits::default());
    let spans = |_| read(&request, None, &limits).expect("the request is good").spans;
    body(&(0..requests).flat_map(spans).collect::<Vec<_>>()).expect("there is memory").len()
}
