//! Token buckets, by which ECS throttles.

use std::sync::Mutex;

use siphon_core::units::UnixMillis;

use crate::lock;

/// A bucket of `burst` tokens that fills by `per_second`.
pub(crate) struct Bucket {
    burst: i64,
    per_second: i64,
    /// Thousandths of a token, and when it was so.
    level: Mutex<(i64, UnixMillis)>,
}

impl Bucket {
    pub(crate) fn new(burst: i64, per_second: i64) -> Self {
        Self { burst, per_second, level: Mutex::new((burst * 1000, UnixMillis(0))) }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&self, now: UnixMillis) -> bool {
        let mut level = lock(&self.level);
        let (thousandths, at) = *level;
        // Tokens a second are thousandths a millisecond.
        let filled = thousandths.saturating_add(now.since(at).max(0).saturating_mul(self.per_second));
        let filled = filled.min(self.burst * 1000);
        let enough = filled >= 1000;
        *level = (if enough { filled - 1000 } else { filled }, now);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let bucket = Bucket::new(3, 20);
        let at = UnixMillis(1_000_000);
        assert_eq!((0..5).filter(|_| bucket.take(at)).count(), 3);
        assert!(!bucket.take(at.plus(49)));
        assert!(bucket.take(at.plus(50)));
        assert_eq!((0..5).filter(|_| bucket.take(at.plus(60_000))).count(), 3, "never more than the burst");
    }
}
