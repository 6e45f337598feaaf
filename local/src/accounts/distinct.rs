//! Counting distinct things in bounded memory.

use std::{
    collections::{BTreeSet, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// Times that are remembered. What comes later than these by as many is not expected.
const TIMES: usize = 4096;

/// Distinct times, roughly ascending.
#[derive(Default)]
pub(super) struct Times {
    count: u64,
    recent: BTreeSet<i64>,
}

impl Times {
    /// Whether the time is new.
    pub(super) fn insert(&mut self, at: i64) -> bool {
        let forgotten = self.recent.len() >= TIMES && self.recent.first().is_some_and(|first| at < *first);
        if forgotten || !self.recent.insert(at) {
            return false;
        }
        if self.recent.len() > TIMES {
            self.recent.pop_first();
        }
        self.count += 1;
        true
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }
}

/// Pairs of ids that are remembered in one generation: two generations are kept.
const GENERATION: usize = 1 << 20;

/// Distinct pairs of ids. The oldest are forgotten after one to two million others.
#[derive(Default)]
pub(super) struct Seen {
    young: HashSet<u128>,
    old: HashSet<u128>,
}

impl Seen {
    /// Whether the pair is new.
    pub(super) fn insert(&mut self, a: &str, b: &str) -> bool {
        let key = key(a, b);
        if self.old.contains(&key) || !self.young.insert(key) {
            return false;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        true
    }
}

/// 128 bits: no two of millions of pairs share one.
fn key(a: &str, b: &str) -> u128 {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, a, b).hash(&mut hasher);
        hasher.finish()
    };
    u128::from(hash(0)) << 64 | u128::from(hash(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_once() {
        let mut times = Times::default();
        assert_eq!([5, 3, 5, 9].map(|at| times.insert(at)), [true, true, false, true]);
        assert_eq!(times.count(), 3);
        for at in 10..10_000 {
            times.insert(at);
        }
        assert!(times.recent.len() <= TIMES);
        assert!(!times.insert(3), "forgotten times are not counted again");
    }

    #[test]
    fn a_pair_is_new_once() {
        let mut seen = Seen::default();
        assert_eq!([("a", "b"), ("ab", ""), ("a", "b")].map(|(a, b)| seen.insert(a, b)), [true, true, false]);
    }
}
