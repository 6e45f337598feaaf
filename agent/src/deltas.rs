//! Metrics of delta temporality on their way into the spool: made cumulative, if that is on.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use log::warn;
use siphon_core::otlp::delta::{Accumulator, Drops, Limits, Reason, Rewritten};

use crate::logging::Throttle;

/// What the series of delta metrics have counted.
pub struct Deltas {
    accumulator: Option<RefCell<Accumulator>>,
    limit_log: RefCell<Throttle>,
}

impl Deltas {
    /// Without series. `limits`: none if delta metrics are to stay as they come.
    #[must_use]
    pub fn new(limits: Option<Limits>, seed: &[u8; 16]) -> Self {
        let accumulator = limits.map(|limits| RefCell::new(Accumulator::new(limits, seed)));
        Self { accumulator, limit_log: RefCell::new(Throttle::new(Duration::from_secs(60))) }
    }

    /// The request with totals in the place of delta points, or none if it is to be stored as it came. It has to be one that
    /// [`siphon_core::otlp::check::metrics`] has taken. `since_start`: the time since the agent's start.
    pub fn accumulate(&self, request: &[u8], max_bytes: usize, since_start: Duration) -> Option<Rewritten> {
        let mut accumulator = self.accumulator.as_ref()?.borrow_mut();
        // It was checked: there is no fault.
        let made = accumulator.rewrite(request, max_bytes, since_start).ok()??;
        self.report(&made.dropped);
        Some(made)
    }

    fn report(&self, dropped: &Drops) {
        let beyond =
            dropped.by_reason().find(|(reason, points)| *reason == Reason::SeriesLimit && *points > 0);
        if let Some((_, points)) = beyond
            && let Some(suppressed) = self.limit_log.borrow_mut().pass(Instant::now())
        {
            warn!(points, suppressed; "too many series of delta metrics: points dropped; raise SIPHON_DELTA_MAX_SERIES");
        }
    }
}
