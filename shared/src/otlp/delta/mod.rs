//! Metrics of delta temporality, accumulated to cumulative ones: what [`crate::prometheus`] and Prometheus itself need.
//!
//! A receiver hands each request to an [`Accumulator`], which keeps what every series has counted. Nothing but delta points
//! is decoded: a request without any is left as it is, and in others all else is copied byte for byte.
//!
//! | of a delta point | in its place |
//! |---|---|
//! | value, count, sum, buckets, zero bucket | those of the series since it began |
//! | start | that of the series' first point, if it had one |
//! | lowest and highest value | none: they are of the interval |
//! | all else: time, attributes, exemplars, flags, bounds, what is unknown | as it came |
//!
//! # Rules
//!
//! - A series is told by its resource's attributes, its scope (name, version, attributes), its metric's name, unit, kind and
//!   monotonicity, and the point's attributes; these in any order, each by its bytes.
//! - A point that is not after the series' latest is dropped as [`Reason::OutOfOrder`]: a request that is sent again since its
//!   answer got lost counts once. When a point says it began plays no part in that: gaps and overlaps are added up, and what
//!   began before the agent did counts whole. Processes that share one identity (no `service.instance.id`) add up likewise,
//!   as long as their points come in the order of their times.
//! - A series begins anew, with a new start, when its histogram's bounds change, when a total no longer fits its type, and
//!   when nothing has come for longer than [`Limits::expiry`]. For `rate()` that is a counter reset, like a restart.
//! - A point without recorded value passes as it is and ends its series: a stale marker, in the end.
//! - What can't be added is dropped as [`Reason::Invalid`]: a value that is not finite, a counter's that is negative, an
//!   exponential histogram of a scale under -4 or with indexes that no number has.
//! - Points that are lost on the way to Prometheus are part of the next total: a full spool costs resolution, no counts.

mod buckets;
mod exponential;
mod find;
mod histogram;
mod identity;
mod number;
mod observations;
mod point;
mod rewrite;
mod room;
mod table;
mod total;
mod zero;

use std::time::Duration;

use self::{identity::Key, rewrite::Rewriter, table::Table};
use super::check::Fault;
use crate::protobuf::read::{Fields, Malformed};

/// What an [`Accumulator`] may keep, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series at once, of 512 bytes each on average: a sum takes half of that, a histogram of 32 buckets all of it.
    /// Exponential histograms that have no room for more buckets lower their resolution.
    pub series: usize,
    /// A series that nothing comes for is forgotten after that.
    pub expiry: Duration,
}

/// The series of one agent.
pub struct Accumulator {
    table: Table,
    key: Key,
}

/// A request without delta points.
#[derive(Debug)]
pub struct Rewritten {
    /// An `ExportMetricsServiceRequest`. It may be without any point.
    pub request: Vec<u8>,
    /// Points that are not in it any more.
    pub dropped: Drops,
}

/// Why a point is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not after the latest point of its series.
    OutOfOrder,
    /// No room for its series.
    SeriesLimit,
    /// Its value can't be added.
    Invalid,
    /// No room for it in the request. It is counted: the series' next point tells.
    TooLarge,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::OutOfOrder, Self::SeriesLimit, Self::Invalid, Self::TooLarge];

    /// The reason in a counter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out_of_order",
            Self::SeriesLimit => "series_limit",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
        }
    }
}

/// Numbers of dropped points by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; Reason::ALL.len()]);

impl Drops {
    fn add(&mut self, reason: Reason) {
        for (own, count) in Reason::ALL.into_iter().zip(&mut self.0) {
            *count += u64::from(own == reason);
        }
    }

    /// The points dropped for each reason.
    pub fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.0)
    }

    /// The points dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Why a point has no total.
enum Stop {
    /// It can't have one.
    Dropped(Reason),
    /// It can't be read, and so its request can't be.
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Accumulator {
    /// An accumulator without series. `seed` is drawn at random and told nobody.
    #[must_use]
    pub fn new(limits: Limits, seed: &[u8; 16]) -> Self {
        Self { table: Table::new(limits), key: Key::new(seed) }
    }

    /// Adds a request's delta points to their series, and gives the request with totals in their place, in at most
    /// `max_bytes` or as many as it came in. None if there are no delta points in it: then it is to be taken as it came.
    ///
    /// `now` is the time since any moment that stays the same, by a clock that never goes back.
    ///
    /// # Errors
    /// [`Fault`]: it is no `ExportMetricsServiceRequest`, as [`super::check::metrics`] would have said. Points before the
    /// fault are added.
    pub fn rewrite(
        &mut self,
        request: &[u8],
        max_bytes: usize,
        now: Duration,
    ) -> Result<Option<Rewritten>, Fault> {
        let fields = Fields::of(request);
        if !find::in_request(fields)? {
            return Ok(None);
        }
        self.table.sweep(now);
        let mut rewriter = Rewriter {
            table: &mut self.table,
            key: &self.key,
            now,
            spare: max_bytes.saturating_sub(request.len()),
            // Sums stay about as long as they are.
            out: Vec::with_capacity(request.len() + request.len() / 4),
            drops: Drops::default(),
        };
        rewriter.request(fields)?;
        Ok(Some(Rewritten { request: rewriter.out, dropped: rewriter.drops }))
    }
}
