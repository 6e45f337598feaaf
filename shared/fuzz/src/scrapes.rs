//! Blocks of scrapes, and the texts in them: series.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use siphon_core::{
    exposition::{self, Labels, SyntaxError},
    prometheus::{self, ScrapeTranslator},
    scrapes::{Format, Outcome, Recorder, Scrape, Target},
    series::LabelSets,
    units::UnixMillis,
};

use crate::sendable;

const TEXTS: [(&str, &str); 3] = [
    (
        "counters",
        "# HELP c_total Counts \\\\ and \\n.\n# TYPE c_total counter\nc_total{a=\"b\\\"\",job=\"x\"} 1 1395066363000\n\
         c_total 2\n",
    ),
    (
        "histogram",
        "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum NaN\nh_count 2\n# TYPE s summary\n\
         s{quantile=\"0.5\"} 1\n",
    ),
    ("target", "target_info{a=\"b\"} 1\nx{otel_scope_name=\"s\"} +Inf\n"),
];

const OPEN_METRICS: [(&str, &str); 3] = [
    (
        "exemplars",
        "# TYPE c counter\n# UNIT c_s s\nc_total{a=\"b\"} 1 1.5 # {trace_id=\"t\"} 0.5 1.5\nc_created{a=\"b\"} 1\n# EOF\n",
    ),
    (
        "kinds",
        "# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE g gaugehistogram\ng_bucket{le=\"1\"} 1\ng_gsum 2\n# EOF",
    ),
    ("empty", "# EOF\n"),
];

pub(crate) fn text_seeds() -> Vec<(String, Vec<u8>)> {
    TEXTS.map(|(name, text)| (name.to_owned(), text.into())).into()
}

pub(crate) fn open_metrics_seeds() -> Vec<(String, Vec<u8>)> {
    OPEN_METRICS.map(|(name, text)| (name.to_owned(), text.into())).into()
}

pub(crate) fn text(bytes: &[u8]) -> bool {
    exposition(bytes, Format::Text)
}

pub(crate) fn open_metrics(bytes: &[u8]) -> bool {
    exposition(bytes, Format::OpenMetrics)
}

/// What is read comes out of a block as series, and what is not fails its scrape.
fn exposition(bytes: &[u8], format: Format) -> bool {
    let read = exposition::parse(bytes, format);
    let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    match &read {
        Ok(read) => {
            for sample in &read.samples {
                assert!(!exposition::metric(sample.series).is_empty() && sample.line <= lines);
                let exemplar = sample.exemplar.map_or("", |exemplar| exemplar.labels);
                assert!(
                    Labels::of(sample.series).chain(Labels::of(exemplar)).all(|(name, _)| !name.is_empty())
                );
            }
        }
        Err(SyntaxError { line, samples_before, .. }) => {
            assert!(*line <= lines + 1 && samples_before <= line)
        }
    }
    let mut recorder = Recorder::new(target());
    for at in 1..4 {
        let outcome = if at == 2 { Outcome::Failed } else { Outcome::Text(format, bytes.to_vec()) };
        recorder.add(Scrape { at: UnixMillis(at), duration_us: 1, outcome });
    }
    let payload = recorder.seal().expect("there are scrapes").payload;
    let translated = translate(&payload).expect("a recorded block is one");
    assert!(read.is_ok() || translated == 2, "{translated}");
    read.is_ok()
}

/// How many texts can't be read.
fn translate(payload: &[u8]) -> Option<usize> {
    let (mut sets, options) = (LabelSets::default(), prometheus::Options::default());
    let made = ScrapeTranslator::new(&options, None).translate(payload, &mut sets).ok()?;
    sendable::check(made.translation.batch, &sets);
    Some(made.unreadable.len())
}

fn target() -> Target {
    Target { job: "app".to_owned(), instance: "127.0.0.1:9090".to_owned(), attributes: Vec::new() }
}

pub(crate) fn block_seeds() -> Vec<(String, Vec<u8>)> {
    let mut recorder = Recorder::new(target());
    let texts = TEXTS.map(|(_, text)| Outcome::Text(Format::Text, text.into()));
    let open_metrics = OPEN_METRICS.map(|(_, text)| Outcome::Text(Format::OpenMetrics, text.into()));
    let outcomes = texts.into_iter().chain([Outcome::Failed]).chain(open_metrics).chain([Outcome::Gone]);
    let mut seeds = Vec::new();
    for (at, outcome) in (1..).zip(outcomes) {
        recorder.add(Scrape { at: UnixMillis(at * 20_000), duration_us: 1500, outcome });
        if at % 3 == 2 {
            seeds.push((format!("block-{at}"), recorder.seal().expect("there are scrapes").payload));
        }
    }
    seeds
}

pub(crate) fn block(bytes: &[u8]) -> bool {
    translate(bytes).is_some()
}

/// What is deflated in a block, plain: the length of the head (2 bytes, little endian), head, scrapes.
pub(crate) fn plain_block_seeds() -> Vec<(String, Vec<u8>)> {
    let plain = |(name, payload): (String, Vec<u8>)| {
        let (length, rest) = match payload[1..] {
            [short, ref rest @ ..] if short < 0x80 => (usize::from(short), rest),
            [low, high, ref rest @ ..] => (usize::from(low & 0x7f) | usize::from(high) << 7, rest),
            _ => unreachable!("a block has a head"),
        };
        let (head, scrapes) = (inflated(&rest[..length]), inflated(&rest[length..]));
        let length = u16::try_from(head.len()).expect("seeds are short").to_le_bytes();
        (name, [&length[..], &head, &scrapes].concat())
    };
    block_seeds().into_iter().map(plain).collect()
}

pub(crate) fn plain_block(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return false };
    let (head, scrapes) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let head = deflated(head);
    let mut payload = vec![1];
    prost::encode_length_delimiter(head.len(), &mut payload).expect("there is memory");
    payload.extend(head);
    payload.extend(deflated(scrapes));
    block(&payload)
}

fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    DeflateDecoder::new(bytes).read_to_end(&mut plain).expect("it was deflated");
    plain
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).expect("there is memory");
    encoder.finish().expect("there is memory")
}
