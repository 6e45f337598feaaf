//! The lease: one puller at a time.

use std::time::{Duration, Instant};

use siphon_core::wire::LeaseId;

/// No lease lasts longer: the longest that a Lambda invocation can run.
pub const MAX_LEASE: Duration = Duration::from_secs(15 * 60);

/// Who may pull, and until when. The caller says what time it is, by a monotonic clock.
#[derive(Debug, Default)]
pub struct Lease(Option<(LeaseId, Instant)>);

/// Another puller holds the lease.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("another puller holds the lease for {} ms more; come back then", left.as_millis())]
pub struct Leased {
    /// For how long it may hold it.
    pub left: Duration,
}

impl Lease {
    /// Whether `puller` may pull.
    ///
    /// # Errors
    /// [`Leased`] if another holds the lease.
    pub fn check(&self, puller: LeaseId, now: Instant) -> Result<(), Leased> {
        match self.0 {
            Some((holder, end)) if holder != puller && now < end => Err(Leased { left: end - now }),
            _ => Ok(()),
        }
    }

    /// Gives the lease to `puller`, who has passed [`Self::check`], for `wanted` or [`MAX_LEASE`], whichever is less.
    pub fn grant(&mut self, puller: LeaseId, wanted: Duration, now: Instant) {
        self.0 = Some((puller, now + wanted.min(MAX_LEASE)));
    }

    /// Takes the lease back if `puller` holds it.
    pub fn release(&mut self, puller: LeaseId) {
        if self.0.is_some_and(|(holder, _)| holder == puller) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: LeaseId = LeaseId([1; 16]);
    const OTHER: LeaseId = LeaseId([2; 16]);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_puller_at_a_time_until_it_gives_the_lease_back_or_its_time_is_over() {
        let (mut lease, start) = (Lease::default(), Instant::now());
        assert_eq!(lease.check(ONE, start), Ok(()));
        lease.grant(ONE, 10 * SECOND, start);
        assert_eq!(lease.check(ONE, start), Ok(()), "its holder may pull again");
        assert_eq!(lease.check(OTHER, start + 4 * SECOND), Err(Leased { left: 6 * SECOND }));
        lease.release(OTHER);
        assert!(lease.check(OTHER, start).is_err(), "only its holder gives it back");
        assert_eq!(lease.check(OTHER, start + 10 * SECOND), Ok(()));
        lease.release(ONE);
        assert_eq!(lease.check(OTHER, start), Ok(()));
    }

    #[test]
    fn no_lease_is_endless() {
        let (mut lease, start) = (Lease::default(), Instant::now());
        lease.grant(ONE, Duration::from_millis(u64::MAX), start);
        assert_eq!(lease.check(OTHER, start), Err(Leased { left: MAX_LEASE }));
    }
}
