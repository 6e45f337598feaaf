//! Cuts series into requests that every receiver takes.

use super::encode::{Fields, framed_len, put_frame};
use crate::series::Series;

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

/// Packs series into requests of remote write 1.0, as many as fit into each, in the given order.
///
/// In: one [`Series`] a label set, as [`super::merge`] gives them; a series without samples is passed over. Out: no
/// empty request; a series is in one request unless it passes the limits alone, then it is cut between samples. A
/// sample that with its labels passes the limits alone is dropped and counted. An ordinary NaN is sent as
/// `0x7ff8000000000001`; a stale marker keeps its bits.
#[must_use]
pub fn requests(series: &[Series], limits: &Limits) -> (Vec<Request>, Vec<Drop>) {
    let mut packer = Packer::new(limits);
    let mut fields = Fields::default();
    for one in series {
        fields.encode(one);
        packer.add(&fields);
    }
    packer.finish()
}

struct Packer {
    limits: Limits,
    open: Open,
    requests: Vec<Request>,
    dropped: Vec<Drop>,
    snappy: snap::raw::Encoder,
}

/// The request that is being filled.
#[derive(Default)]
struct Open {
    body: Vec<u8>,
    series: usize,
    samples: usize,
}

/// Items of one series that fit into one request: a part of [`Fields::items`].
#[derive(Clone, Copy, Default)]
struct Piece {
    start: usize,
    end: usize,
    samples: usize,
}

impl Packer {
    fn new(limits: &Limits) -> Self {
        let limits =
            Limits { body_bytes: limits.body_bytes.min(MAX_BODY_BYTES - 1), samples: limits.samples.max(1) };
        Self {
            limits,
            open: Open::default(),
            requests: Vec::new(),
            dropped: Vec::new(),
            snappy: snap::raw::Encoder::new(),
        }
    }

    /// Adds all items of a series, in as few pieces as the limits allow.
    fn add(&mut self, fields: &Fields) {
        let mut piece = Piece::default();
        for item in &fields.index {
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

    fn fits_alone(&self, fields: &Fields, piece: Piece) -> bool {
        piece.samples <= self.limits.samples && framed_len(content(fields, piece)) <= self.limits.body_bytes
    }

    fn fits_open(&self, fields: &Fields, piece: Piece) -> bool {
        self.open.samples + piece.samples <= self.limits.samples
            && self.open.body.len() + framed_len(content(fields, piece)) <= self.limits.body_bytes
    }

    /// Adds one piece to the open request, or to a new one if it doesn't fit.
    fn push(&mut self, fields: &Fields, piece: Piece) {
        let Some(items) = fields.items.get(piece.start..piece.end).filter(|items| !items.is_empty()) else {
            return;
        };
        if !self.fits_open(fields, piece) {
            self.seal();
        }
        let body = &mut self.open.body;
        put_frame(1, content(fields, piece), body);
        body.extend_from_slice(&fields.labels);
        body.extend_from_slice(items);
        self.open.series += 1;
        self.open.samples += piece.samples;
    }

    fn seal(&mut self) {
        if self.open.series == 0 {
            return;
        }
        let Open { series, samples, .. } = self.open;
        match self.snappy.compress_vec(&self.open.body) {
            Ok(body) => self.requests.push(Request { body, series, samples }),
            Err(_) => self.count("snappy", samples as u64), // only beyond 4 GiB
        }
        self.open.body.clear();
        self.open.series = 0;
        self.open.samples = 0;
    }

    fn count(&mut self, reason: &'static str, samples: u64) {
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.samples += samples,
            None => self.dropped.push(Drop { reason, samples }),
        }
    }

    fn finish(mut self) -> (Vec<Request>, Vec<Drop>) {
        self.seal();
        (self.requests, self.dropped)
    }
}

fn content(fields: &Fields, piece: Piece) -> usize {
    fields.labels.len() + (piece.end - piece.start)
}
