//! Fuzz targets: one for every decoder of bytes that come from outside.
//!
//! A target hands bytes to a decoder and, if they are taken, to all that comes after it. It panics where a promise
//! breaks: not only where the code panics, but also where an answer can't be right.
//!
//! - `scripts/fuzz.sh` runs them with libFuzzer, which mutates and watches which code is reached.
//! - `tests/corpus.rs` runs them over their seeds and over all that was ever found (`regressions/`).

#![forbid(unsafe_code)]

mod answers;
mod metadata;
mod otlp_delta;
mod otlp_json;
mod otlp_metrics;
mod otlp_packed;
mod otlp_traces;
mod remote_write;
mod sampling_call;
mod scrapes;
mod seeds;
mod sendable;
mod statsd;
mod wire;
mod xray_segment;

use std::{fs, io, path::Path};

/// One decoder, with what comes after it.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called in `SIPHON_FUZZ_TARGET` and among the corpora.
    pub name: &'static str,
    /// Gives whether the decoder took the bytes. Panics where a promise is broken.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to begin with, by name: each is taken.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// All targets.
pub const TARGETS: [Target; 18] = [
    Target { name: "otlp-traces", run: otlp_traces::run, seeds: otlp_traces::seeds },
    Target { name: "otlp-metrics", run: otlp_metrics::run, seeds: otlp_metrics::seeds },
    Target { name: "otlp-delta", run: otlp_delta::run, seeds: otlp_delta::seeds },
    Target { name: "otlp-json", run: otlp_json::run, seeds: otlp_json::seeds },
    Target { name: "otlp-packed", run: otlp_packed::run, seeds: otlp_packed::seeds },
    Target { name: "task-metadata", run: metadata::task, seeds: metadata::task_seeds },
    Target { name: "task-stats", run: metadata::stats, seeds: metadata::stats_seeds },
    Target { name: "statsd", run: statsd::run, seeds: statsd::seeds },
    Target { name: "wire-page", run: wire::page, seeds: wire::page_seeds },
    Target { name: "wire-message", run: wire::message, seeds: wire::message_seeds },
    Target { name: "exposition-text", run: scrapes::text, seeds: scrapes::text_seeds },
    Target { name: "exposition-openmetrics", run: scrapes::open_metrics, seeds: scrapes::open_metrics_seeds },
    Target { name: "scrapes-block", run: scrapes::block, seeds: scrapes::block_seeds },
    Target { name: "scrapes-plain-block", run: scrapes::plain_block, seeds: scrapes::plain_block_seeds },
    Target { name: "xray-segment", run: xray_segment::run, seeds: xray_segment::seeds },
    Target { name: "sampling-call", run: sampling_call::run, seeds: sampling_call::seeds },
    Target { name: "remote-write", run: remote_write::run, seeds: remote_write::seeds },
    Target { name: "answers", run: answers::run, seeds: answers::seeds },
];

/// The target of this name.
///
/// # Errors
/// Says which there are.
pub fn target(name: &str) -> Result<Target, String> {
    let names = || TARGETS.map(|target| target.name).join(", ");
    TARGETS
        .into_iter()
        .find(|target| target.name == name)
        .ok_or_else(|| format!("SIPHON_FUZZ_TARGET is {name:?}: set it to one of {}", names()))
}

/// Writes every target's seeds where libFuzzer reads them: `corpora/TARGET/NAME`.
///
/// # Errors
/// As of the file system.
pub fn write_seeds(corpora: &Path) -> io::Result<()> {
    for target in TARGETS {
        let corpus = corpora.join(target.name);
        fs::create_dir_all(&corpus)?;
        for (name, bytes) in (target.seeds)() {
            fs::write(corpus.join(name), bytes)?;
        }
    }
    Ok(())
}
