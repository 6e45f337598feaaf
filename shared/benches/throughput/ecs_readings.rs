//! ECS readings to remote-write bodies.

use criterion::{BenchmarkId, Criterion, Throughput};
use siphon_core::{
    ecs::{MetricFilter, Options, Translator},
    remote_write::{Limits, Packer, Version},
    series::{Batch, LabelSets},
    units::UnixMillis,
    wire::Reading,
};

use crate::cpu_time::CpuTime;

pub(crate) const TASK: &[u8] = include_bytes!("../../testdata/golden/ecs/fargate/task.json");
pub(crate) const STATS: [&[u8]; 3] = [
    include_bytes!("../../testdata/golden/ecs/fargate/stats-0.json"),
    include_bytes!("../../testdata/golden/ecs/fargate/stats-1.json"),
    include_bytes!("../../testdata/golden/ecs/fargate/stats-2.json"),
];

const SAMPLE_INTERVAL_MS: i64 = 20_000;

/// A reading alone, a scrape's at the default schedule of a minute, and those of 20 minutes.
const READINGS: [usize; 3] = [1, 3, 60];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let readings: Vec<Reading> = STATS
        .into_iter()
        .cycle()
        .take(60)
        .map(|stats| Reading { task: TASK.into(), stats: stats.into() })
        .collect();
    for (name, filter, samples) in [("default", MetricFilter::Adot, 8), ("all", MetricFilter::All, 82)] {
        let options = Options { filter, suffixes: true };
        let mut group = criterion.benchmark_group(format!("ECS readings to remote write, {name} metrics"));
        for count in READINGS {
            group.throughput(Throughput::Elements((count * samples) as u64));
            let id = BenchmarkId::new("readings", count);
            group.bench_with_input(id, &readings[..count], |bencher, readings| {
                bencher.iter(|| translate(readings, &options));
            });
        }
    }
}

/// As `scrape` does with a page.
pub(crate) fn translate(readings: &[Reading], options: &Options) -> usize {
    let mut sets = LabelSets::default();
    let mut translator = Translator::new(options);
    let mut batch = Batch::default();
    for (reading, n) in readings.iter().zip(0..) {
        let at = UnixMillis(1_795_400_000_000 + n * SAMPLE_INTERVAL_MS);
        batch.append(translator.translate(reading, at, &mut sets).expect("the reading is good").batch);
    }
    let (requests, _) = Packer::new(&Limits::default(), Version::V1).requests(&mut batch, &sets);
    requests.iter().map(|request| request.body.len()).sum()
}
