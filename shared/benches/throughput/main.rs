//! How fast one core translates: records as an agent hands them out, to bodies as receivers take them.
//!
//! `cargo bench -p siphon-core`. Counted is the thread's processor time, so that a busy machine changes little; throughput
//! is in samples or spans.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

mod cpu_time;
mod ecs_readings;
mod otlp_check;
mod otlp_delta;
mod otlp_metrics;
mod otlp_traces;
mod scrapes;

use criterion::{Criterion, criterion_group, criterion_main};

use self::cpu_time::CpuTime;

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = otlp_metrics::bench, otlp_delta::bench, otlp_check::bench, ecs_readings::bench, otlp_traces::bench, scrapes::bench
}
criterion_main!(benches);
