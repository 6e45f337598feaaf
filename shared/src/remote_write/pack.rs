//! Packs series into requests that every receiver takes.

use super::{
    encode::{Item, Items},
    snappy::Block,
};
use crate::{
    protobuf::write,
    series::{Batch, LabelSets},
};

/// No request's protobuf reaches this, whatever [`Limits`] say: Amazon Managed Service for Prometheus refuses more.
pub const MAX_BODY_BYTES: usize = 1_000_000;

/// How large a request may become.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of protobuf, before snappy.
    pub body_bytes: usize,
    /// Samples and native histograms together.
    pub samples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 900_000, samples: 5_000 }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A snappy block.
    pub body: Vec<u8>,
    /// `TimeSeries` messages in it.
    pub series: usize,
    /// Samples and native histograms in it.
    pub samples: usize,
}

/// What was left out, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// `too_large`: with its labels it passes the limit alone. `exemplar_too_large`: likewise, an exemplar.
    pub reason: &'static str,
    /// How many samples (or exemplars).
    pub samples: u64,
}

/// Packs series into requests of remote write 1.0, as many as fit into each. Keeps its buffers from call to call.
pub struct Packer {
    limits: Limits,
    items: Items,
    head: Vec<u8>,
    open: Open,
    requests: Vec<Request>,
    dropped: Vec<Drop>,
}

/// The request that is being filled.
struct Open {
    body: Block,
    series: usize,
    samples: usize,
}

/// A series on its way into requests.
#[derive(Clone, Copy)]
struct Fields<'a> {
    labels: &'a [u8],
    items: &'a [u8],
}

/// Items of one series that fit into one request: a part of [`Fields::items`].
#[derive(Clone, Copy, Default)]
struct Piece {
    start: usize,
    end: usize,
    samples: usize,
}

impl Packer {
    /// Makes requests within `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let limits =
            Limits { body_bytes: limits.body_bytes.min(MAX_BODY_BYTES - 1), samples: limits.samples.max(1) };
        Self {
            limits,
            items: Items::default(),
            head: Vec::new(),
            open: Open { body: Block::new(), series: 0, samples: 0 },
            requests: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Packs a batch.
    ///
    /// A series without samples is passed over. Out: no empty request; a series is in one request unless it passes the
    /// limits alone, then it is cut between samples. A sample that with its labels passes the limits alone is dropped
    /// and counted. An ordinary NaN is sent as `0x7ff8000000000001`; a stale marker keeps its bits.
    pub fn requests(&mut self, batch: &mut Batch, sets: &LabelSets) -> (Vec<Request>, Vec<Drop>) {
        let mut items = std::mem::take(&mut self.items);
        for series in batch.by_series() {
            let has_samples = !series.samples.is_empty() || !series.histograms.is_empty();
            if let Some(labels) = sets.get(series.id).filter(|_| has_samples) {
                items.encode(series);
                self.add(Fields { labels: labels.encoded(), items: &items.bytes }, &items.index);
            }
        }
        self.items = items;
        self.seal();
        (std::mem::take(&mut self.requests), std::mem::take(&mut self.dropped))
    }

    /// Adds all items of a series, in as few pieces as the limits allow.
    fn add(&mut self, fields: Fields<'_>, index: &[Item]) {
        let mut piece = Piece::default();
        for item in index {
            let samples = usize::from(item.is_sample);
            let grown = Piece { end: item.end, samples: piece.samples + samples, ..piece };
            if self.fits_alone(fields, grown) {
                piece = grown;
                continue;
            }
            self.push(fields, piece);
            piece = Piece { start: piece.end, end: item.end, samples };
            if !self.fits_alone(fields, piece) {
                self.count(if item.is_sample { "too_large" } else { "exemplar_too_large" }, 1);
                piece = Piece { start: item.end, end: item.end, samples: 0 };
            }
        }
        self.push(fields, piece);
    }

    fn fits_alone(&self, fields: Fields<'_>, piece: Piece) -> bool {
        piece.samples <= self.limits.samples && framed_len(fields, piece) <= self.limits.body_bytes
    }

    fn fits_open(&self, fields: Fields<'_>, piece: Piece) -> bool {
        self.open.samples + piece.samples <= self.limits.samples
            && self.open.body.len() + framed_len(fields, piece) <= self.limits.body_bytes
    }

    /// Adds one piece to the open request, or to a new one if it doesn't fit.
    fn push(&mut self, fields: Fields<'_>, piece: Piece) {
        let Some(items) = fields.items.get(piece.start..piece.end).filter(|items| !items.is_empty()) else {
            return;
        };
        if !self.fits_open(fields, piece) {
            self.seal();
        }
        self.head.clear();
        write::delimited(1, content_len(fields, piece), &mut self.head);
        for part in [&self.head, fields.labels, items] {
            self.open.body.write(part);
        }
        self.open.series += 1;
        self.open.samples += piece.samples;
    }

    fn seal(&mut self) {
        let Open { body, series, samples } = &mut self.open;
        if *series > 0 {
            let (series, samples) = (std::mem::take(series), std::mem::take(samples));
            match body.finish() {
                Some(body) => self.requests.push(Request { body, series, samples }),
                None => self.count("snappy", samples as u64),
            }
        }
    }

    fn count(&mut self, reason: &'static str, samples: u64) {
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.samples += samples,
            None => self.dropped.push(Drop { reason, samples }),
        }
    }
}

fn content_len(fields: Fields<'_>, piece: Piece) -> usize {
    fields.labels.len() + (piece.end - piece.start)
}

fn framed_len(fields: Fields<'_>, piece: Piece) -> usize {
    write::delimited_len(content_len(fields, piece))
}
