//! The nonces of requests, so that none is taken twice.

use std::collections::BTreeSet;

use siphon_core::{
    units::UnixMillis,
    wire::signature::{MAX_AGE_MS, Nonce},
};

/// Nonces remembered at most, about 200 KB. A puller that asks faster than this many in [`MAX_AGE_MS`] only narrows the
/// time within which requests are taken.
const MAX_NONCES: usize = 4096;

/// The authentic requests of the last minute. A request is taken if it is recent, and newer than all that is forgotten.
#[derive(Debug)]
pub struct Replay {
    seen: BTreeSet<(UnixMillis, [u8; 16])>,
    /// Requests of this time or before it may have been seen and forgotten.
    forgotten: UnixMillis,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// Too old or too new.
    #[error(
        "signed {behind_ms} ms behind the agent's clock, and requests older than {MAX_AGE_MS} ms, as much ahead, or \
         from before the agent's start are refused; compare the clocks"
    )]
    Expired {
        /// Negative when it is ahead.
        behind_ms: i64,
    },
    /// Taken before.
    #[error("nonce was used before; draw a new one for each request")]
    Replayed,
}

impl Replay {
    /// Remembers nothing, and so takes nothing that was signed at `start` or before it: an earlier run of the agent may
    /// have taken it.
    #[must_use]
    pub const fn new(start: UnixMillis) -> Self {
        Self { seen: BTreeSet::new(), forgotten: start }
    }

    /// Takes an authentic request and remembers it.
    ///
    /// # Errors
    /// [`Stale`] if it is not recent, or was taken before.
    pub fn take(&mut self, time: UnixMillis, nonce: Nonce, now: UnixMillis) -> Result<(), Stale> {
        self.forget_before(now.plus(-MAX_AGE_MS));
        let behind_ms = now.since(time);
        if !(-MAX_AGE_MS..=MAX_AGE_MS).contains(&behind_ms) {
            return Err(Stale::Expired { behind_ms });
        }
        if self.seen.contains(&(time, nonce.0)) {
            return Err(Stale::Replayed);
        }
        if time <= self.forgotten {
            return Err(Stale::Expired { behind_ms });
        }
        self.seen.insert((time, nonce.0));
        if self.seen.len() > MAX_NONCES {
            self.forget_oldest();
        }
        Ok(())
    }

    fn forget_before(&mut self, limit: UnixMillis) {
        while self.seen.first().is_some_and(|(time, _)| *time < limit) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((time, _)) = self.seen.pop_first() {
            self.forgotten = self.forgotten.max(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_700_000_000_000);

    fn nonce(number: u64) -> Nonce {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Nonce(bytes)
    }

    fn at(millis: i64) -> UnixMillis {
        START.plus(millis)
    }

    #[test]
    fn a_request_is_taken_once_and_only_within_a_minute() {
        let mut replay = Replay::new(START);
        let now = at(100_000);
        assert_eq!(replay.take(now, nonce(1), now), Ok(()));
        assert_eq!(replay.take(now, nonce(1), at(130_000)), Err(Stale::Replayed));
        assert_eq!(replay.take(now, nonce(2), at(130_000)), Ok(()), "same time, other nonce");
        for (behind_ms, verdict) in [(60_000, true), (60_001, false), (-60_000, true), (-60_001, false)] {
            let taken = replay.take(now.plus(-behind_ms), nonce(3), now);
            assert_eq!(taken.is_ok(), verdict, "{behind_ms}: {taken:?}");
        }
    }

    #[test]
    fn what_is_forgotten_is_not_taken_again_even_if_the_clock_goes_back() {
        let mut replay = Replay::new(START);
        replay.take(at(1_000), nonce(1), at(1_000)).unwrap();
        replay.take(at(90_000), nonce(2), at(90_000)).unwrap();
        assert_eq!(replay.seen.len(), 1, "the first is too old to be remembered");
        assert_eq!(replay.take(at(1_000), nonce(1), at(2_000)), Err(Stale::Expired { behind_ms: 1_000 }));
    }

    #[test]
    fn nothing_from_before_the_start_is_taken() {
        let mut replay = Replay::new(START);
        assert_eq!(replay.take(START, nonce(1), at(10)), Err(Stale::Expired { behind_ms: 10 }));
        assert_eq!(replay.take(at(1), nonce(1), at(10)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_still_pass() {
        let mut replay = Replay::new(START);
        for number in 0..10_000u32 {
            let time = at(1 + i64::from(number / 4));
            assert_eq!(replay.take(time, nonce(number.into()), time), Ok(()), "{number}");
        }
        assert_eq!(replay.seen.len(), MAX_NONCES);
        assert!(replay.take(at(1), nonce(0), at(2_500)).is_err(), "forgotten, but not taken again");
    }
}
