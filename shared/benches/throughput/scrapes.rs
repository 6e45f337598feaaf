//! Blocks of scrapes to remote-write bodies.

use std::fmt::Write;

use criterion::{BenchmarkId, Criterion, Throughput};
use siphon_core::{
    ecs::Identity,
    prometheus::{Options, ScrapeTranslator},
    remote_write::{Limits, Packer, Version},
    scrapes::{Format, Outcome, Recorder, Scrape, Target},
    series::{Batch, LabelSets},
    units::UnixMillis,
};

use crate::{cpu_time::CpuTime, otlp_metrics::TASK};

/// Series that the target has: counters of 100 paths with three codes each, and a histogram of each path.
const SERIES: usize = 100 * (3 + 12);

/// What is added to each scrape: `up` and so on, and `target_info`.
const REPORT: usize = 6;

/// A scrape alone, those of a minute, and a full block.
const SCRAPES: [u32; 3] = [1, 3, 32];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let identity = Identity::from_task(TASK, "").expect("the recorded answer is good");
    let options = Options::default();
    let mut group = criterion.benchmark_group("Scrapes to remote write");
    for scrapes in SCRAPES {
        group.throughput(Throughput::Elements(u64::from(scrapes) * (SERIES + REPORT) as u64));
        let payload = block(scrapes);
        group.bench_with_input(BenchmarkId::new("scrapes", scrapes), &payload, |bencher, payload| {
            bencher.iter(|| translate(payload, &options, &identity));
        });
    }
}

/// As `scrape` does with a record.
fn translate(payload: &[u8], options: &Options, identity: &Identity) -> usize {
    let mut sets = LabelSets::default();
    let mut batch = Batch::default();
    let mut translator = ScrapeTranslator::new(options, Some(identity));
    batch.append(translator.translate(payload, &mut sets).expect("the block is good").translation.batch);
    let (requests, _) = Packer::new(&Limits::default(), Version::V1).requests(&mut batch, &sets);
    requests.iter().map(|request| request.body.len()).sum()
}

/// So many scrapes, after one in an earlier block.
fn block(scrapes: u32) -> Vec<u8> {
    let target =
        Target { job: "app".to_owned(), instance: "127.0.0.1:9090".to_owned(), attributes: Vec::new() };
    let mut recorder = Recorder::new(target);
    for n in 0..=scrapes {
        let at = UnixMillis(1_795_400_000_000 + i64::from(n) * 20_000);
        recorder.add(Scrape { at, duration_us: 4_000, outcome: Outcome::Text(Format::Text, text(n).into()) });
        if n == 0 {
            recorder.seal();
        }
    }
    recorder.seal().expect("there are scrapes").payload
}

/// The text of the `n`th scrape: a tenth of the paths were asked for since the one before.
fn text(n: u32) -> String {
    let mut text = "# HELP requests_total Requests.\n# TYPE requests_total counter\n".to_owned();
    let count = |path: u32| 1000 + path + n.div_ceil(10) * u32::from(path % 10 == n % 10);
    for path in 0..100 {
        for code in [200, 404, 500] {
            let _ =
                writeln!(text, "requests_total{{path=\"/orders/{path}\",code=\"{code}\"}} {}", count(path));
        }
    }
    text.push_str("# HELP latency_seconds Latency.\n# TYPE latency_seconds histogram\n");
    for path in 0..100 {
        for bound in ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf"] {
            let _ = writeln!(
                text,
                "latency_seconds_bucket{{path=\"/orders/{path}\",le=\"{bound}\"}} {}",
                count(path)
            );
        }
        let _ = writeln!(text, "latency_seconds_sum{{path=\"/orders/{path}\"}} {}.25", count(path));
        let _ = writeln!(text, "latency_seconds_count{{path=\"/orders/{path}\"}} {}", count(path));
    }
    text
}
