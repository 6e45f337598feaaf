//! How fast connections from other machines are taken. Who opens and drops them without end costs no more than that.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Lets so many through each second, and as many as in two seconds at once.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When all that was let through would have come, had it come evenly.
    even: Cell<Option<Instant>>,
}

const BURST: Duration = Duration::from_secs(2);

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), even: Cell::new(None) }
    }

    /// Whether one more may come.
    pub(super) fn takes(&self, now: Instant) -> bool {
        let even = self.even.get().map_or(now, |even| even.max(now)) + self.interval;
        let takes = even <= now + BURST;
        if takes {
            self.even.set(Some(even));
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_second() {
        let (pace, start) = (Pace::new(10), Instant::now());
        let taken = |at: Duration| (0..100).filter(|_| pace.takes(start + at)).count();
        assert_eq!(taken(Duration::ZERO), 20);
        assert_eq!(taken(Duration::from_millis(500)), 5);
        assert_eq!(taken(Duration::from_secs(100)), 20, "a long pause saves up no more than a burst");
    }
}
