//! Packs series into requests that every receiver takes.

mod item;
mod v1;
mod v2;

use super::{snappy::Block, version::Version};
use crate::series::{Batch, LabelSets};

pub(super) use item::sendable;

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
    /// The version that it is of.
    pub version: Version,
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

/// The reason of exemplars that pass the limit with their labels.
const EXEMPLAR_TOO_LARGE: &str = "exemplar_too_large";

impl Drop {
    /// Whether it is exemplars that were left out.
    #[must_use]
    pub fn is_exemplars(&self) -> bool {
        self.reason == EXEMPLAR_TOO_LARGE
    }
}

/// Packs series into requests of one version, as many as fit into each. Keeps its buffers from call to call.
pub struct Packer {
    v1: v1::Writer,
    out: Out,
}

impl Packer {
    /// Makes requests of `version` within `limits`.
    #[must_use]
    pub fn new(limits: &Limits, version: Version) -> Self {
        let limits =
            Limits { body_bytes: limits.body_bytes.min(MAX_BODY_BYTES - 1), samples: limits.samples.max(1) };
        Self { v1: v1::Writer::default(), out: Out::new(limits, version) }
    }

    /// Packs a batch.
    ///
    /// A series without samples is passed over. Out: no empty request; a series is in one request unless it passes the
    /// limits alone, then it is cut between samples. A sample that with its labels passes the limits alone is dropped
    /// and counted. An ordinary NaN is sent as `0x7ff8000000000001`; a stale marker keeps its bits. A series that has
    /// both samples and native histograms is one series in version 1.0 and two of the same labels in 2.0, which allows
    /// but one kind.
    pub fn requests(&mut self, batch: &mut Batch, sets: &LabelSets) -> (Vec<Request>, Vec<Drop>) {
        let series = batch.by_series().filter(|one| !one.samples.is_empty() || !one.histograms.is_empty());
        match self.out.version {
            Version::V1 => self.v1.write(series, sets, &mut self.out),
            Version::V2 => v2::Writer::new(&mut self.out).write(series, sets),
        }
        (std::mem::take(&mut self.out.requests), std::mem::take(&mut self.out.dropped))
    }
}

/// The request that is being written, those that are done, and what is in none.
struct Out {
    version: Version,
    limits: Limits,
    body: Block,
    requests: Vec<Request>,
    dropped: Vec<Drop>,
}

impl Out {
    fn new(limits: Limits, version: Version) -> Self {
        Self { version, limits, body: Block::new(), requests: Vec::new(), dropped: Vec::new() }
    }

    /// Ends the request that has so many series and samples.
    fn seal(&mut self, series: usize, samples: usize) {
        match self.body.finish() {
            Some(body) => self.requests.push(Request { version: self.version, body, series, samples }),
            None => self.drop("snappy", samples),
        }
    }

    fn drop(&mut self, reason: &'static str, samples: usize) {
        let samples = samples as u64;
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.samples += samples,
            None => self.dropped.push(Drop { reason, samples }),
        }
    }
}
