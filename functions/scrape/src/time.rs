//! The clock, and how much time is left.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use siphon_core::units::UnixMillis;
use tokio::time::Instant;

/// The time by this machine's clock.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What is left until `time`, zero once it is over.
#[must_use]
pub fn until(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::now()).unwrap_or_default()
}

/// A moment after which nothing may be begun, nor go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `left` from now.
    #[must_use]
    pub fn after(left: Duration) -> Self {
        Self(Instant::now() + left)
    }

    /// The time left, zero once it is over.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The moment itself.
    #[must_use]
    pub const fn at(self) -> Instant {
        self.0
    }
}

/// The deadlines of one invocation.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For pulls and writes. The agent's lease ends here: nothing is written later.
    pub writes: Deadline,
    /// For acks: what was written in the last moment must still be acknowledged.
    pub acks: Deadline,
}

impl Deadlines {
    /// Parts `left`, the invocation's remaining time: a quarter of it, at most two seconds, is kept for acks, and a
    /// quarter of that for the report.
    #[must_use]
    pub fn within(left: Duration) -> Self {
        let reserve = (left / 4).min(Duration::from_secs(2));
        Self {
            writes: Deadline::after(left.saturating_sub(reserve)),
            acks: Deadline::after(left.saturating_sub(reserve / 4)),
        }
    }

    /// Those of a part of the invocation that takes no longer than `time`.
    #[must_use]
    pub fn within_next(self, time: Duration) -> Self {
        let part = Self::within(time);
        Self { writes: self.writes.min(part.writes), acks: self.acks.min(part.acks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_is_kept_for_acks_and_the_report() {
        let deadlines = Deadlines::within(Duration::from_secs(50));
        assert_eq!(deadlines.writes.left(), Duration::from_secs(48));
        assert_eq!(deadlines.acks.left(), Duration::from_millis(49_500));
        assert_eq!(Deadlines::within(Duration::from_secs(1)).writes.left(), Duration::from_millis(750));
        let part = deadlines.within_next(Duration::from_secs(30));
        assert_eq!(part.writes.left(), Duration::from_secs(28));
        assert_eq!(part.within_next(Duration::from_secs(900)).acks.left(), Duration::from_millis(29_500));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(deadlines.acks.left(), Duration::ZERO);
    }
}
