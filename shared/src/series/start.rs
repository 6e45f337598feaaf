//! When a counter began to count.

use std::fmt;

use crate::units::UnixMillis;

/// The moment at which a counter or histogram began, if that is known: from it a receiver tells a counter that began anew
/// from one that it never saw before.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Start(i64);

impl Start {
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(0);

    /// A known moment. The epoch itself is told as the millisecond after it: remote write 2.0 has 0 for "unknown"
    /// (<https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#io-prometheus-write-v2-request>).
    #[must_use]
    pub const fn at(moment: UnixMillis) -> Self {
        Self(if moment.0 == 0 { 1 } else { moment.0 })
    }

    /// The moment; `None` if it is unknown.
    #[must_use]
    pub const fn known(self) -> Option<UnixMillis> {
        if self.0 == 0 { None } else { Some(UnixMillis(self.0)) }
    }

    /// As remote write 2.0 has it: milliseconds since the epoch, 0 if unknown.
    pub(crate) const fn encoded(self) -> i64 {
        self.0
    }

    /// The reverse of [`Start::encoded`].
    pub(crate) const fn decoded(millis: i64) -> Self {
        Self(millis)
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.known().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_at_the_epoch_is_not_an_unknown_one() {
        assert_eq!(Start::default(), Start::UNKNOWN);
        assert_eq!((Start::UNKNOWN.known(), Start::UNKNOWN.encoded()), (None, 0));
        for (moment, want) in [(0, 1), (1, 1), (-1, -1), (1_700_000_000_000, 1_700_000_000_000)] {
            let start = Start::at(UnixMillis(moment));
            assert_eq!((start.known(), start.encoded()), (Some(UnixMillis(want)), want));
            assert_eq!(Start::decoded(want), start);
        }
    }
}
