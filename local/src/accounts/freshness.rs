//! How long readings took from their arrival in the agent until they were stored.

/// Longer ones count as this long.
const MAX_MS: usize = 120_000;

/// Counts by the millisecond, so that quantiles are exact.
#[derive(Default)]
pub(super) struct Freshness {
    /// Grows up to the largest that was seen.
    by_millisecond: Vec<u64>,
    total: u64,
}

impl Freshness {
    /// A negative time (a clock that jumped) counts as 0.
    pub(super) fn observe(&mut self, millis: i64) {
        let at = usize::try_from(millis.max(0)).unwrap_or(MAX_MS).min(MAX_MS);
        if self.by_millisecond.len() <= at {
            self.by_millisecond.resize(at + 1, 0);
        }
        if let Some(count) = self.by_millisecond.get_mut(at) {
            *count += 1;
        }
        self.total += 1;
    }

    /// The smallest time that at least `quantile` (0 to 1) of the readings did not exceed.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count that is far below 2^53"
    )]
    pub(super) fn quantile(&self, quantile: f64) -> Option<u64> {
        let rank = (self.total as f64 * quantile).ceil() as u64;
        let mut below = 0;
        let at = self.by_millisecond.iter().position(|count| {
            below += count;
            below >= rank.max(1)
        })?;
        u64::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.quantile(0.5), None);
        for millis in 1..=100 {
            freshness.observe(millis);
        }
        let quantiles = [0.0, 0.5, 0.99, 1.0].map(|q| freshness.quantile(q));
        assert_eq!(quantiles, [Some(1), Some(50), Some(99), Some(100)]);
        freshness.observe(i64::MAX);
        freshness.observe(-5);
        assert_eq!(freshness.quantile(1.0), Some(120_000));
    }
}
