//! Waits between attempts: 100 ms doubling to 5 s, drawn at random below that, never shorter than the receiver asks.

use std::time::Duration;

use crate::time::Deadline;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// An attempt that has less time than this is not begun.
const LEAST_ATTEMPT: Duration = Duration::from_millis(100);

/// Counts the attempts at one thing.
#[derive(Debug)]
pub struct Backoff {
    retries: u32,
    deadline: Deadline,
}

impl Backoff {
    /// For attempts that all end by `deadline`.
    #[must_use]
    pub const fn new(deadline: Deadline) -> Self {
        Self { retries: 0, deadline }
    }

    /// How many attempts have failed so far.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// Waits until the next attempt may begin. False, at once, if that would leave it too little time.
    pub async fn wait(&mut self, asked: Option<Duration>) -> bool {
        let wait = wait(self.retries, asked, random());
        self.retries += 1;
        if self.deadline.left() < wait + LEAST_ATTEMPT {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }
}

/// The wait after failure number `retries` (from 0), if the receiver asked for `asked`; `random` is from 0 to 1.
fn wait(retries: u32, asked: Option<Duration>, random: f64) -> Duration {
    let longest = FIRST.saturating_mul(2u32.saturating_pow(retries)).min(LONGEST);
    longest.mul_f64(random).max(asked.unwrap_or_default())
}

/// From 0 to 1; 1 where the system has no randomness to give, which only makes the waits longer.
fn random() -> f64 {
    getrandom::u32().map_or(1.0, |n| f64::from(n) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_never_undercut_the_receiver() {
        let longest: Vec<_> = (0..8).map(|n| wait(n, None, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(wait(u32::MAX, None, 0.5), Duration::from_millis(2500));
        assert_eq!(wait(3, Some(Duration::from_secs(9)), 1.0), Duration::from_secs(9));
        assert_eq!(wait(3, Some(Duration::from_millis(1)), 0.5), Duration::from_millis(400));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_no_attempt_after_the_deadline() {
        let mut backoff = Backoff::new(Deadline::after(Duration::from_secs(20)));
        while backoff.wait(None).await {}
        assert!(backoff.retries() > 6, "{}", backoff.retries());
        assert!(backoff.deadline.left() > Duration::ZERO, "the last wait was not begun");
        assert!(
            !Backoff::new(Deadline::after(Duration::from_secs(5))).wait(Some(Duration::from_secs(5))).await
        );
    }
}
