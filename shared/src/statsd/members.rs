//! How many distinct members a set has, in at most 2 KiB: exactly up to 256, beyond by a HyperLogLog sketch
//! (Flajolet et al., 2007) of 2,048 registers, whose standard error is 2.3 %.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

const MAX_EXACT: usize = 256;
const INDEX_BITS: u32 = 11;
const REGISTERS: usize = 1 << INDEX_BITS;

/// The members of a set, by their hashes.
#[derive(Clone, Debug)]
pub(super) enum Members {
    /// Sorted.
    Exact(Vec<u64>),
    /// For each register the longest run of zeros, and one, that a hash in it began with.
    Sketch(Box<[u8]>),
}

impl Members {
    pub(super) const fn new() -> Self {
        Self::Exact(Vec::new())
    }

    pub(super) fn insert(&mut self, member: &str) {
        let hash = FixedState::default().hash_one(member);
        match self {
            Self::Exact(hashes) => {
                if let Err(place) = hashes.binary_search(&hash) {
                    if hashes.len() < MAX_EXACT {
                        hashes.insert(place, hash);
                    } else {
                        *self = sketch(hashes);
                        self.insert(member);
                    }
                }
            }
            Self::Sketch(registers) => note(registers, hash),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> f64 {
        match self {
            Self::Exact(hashes) => hashes.len() as f64,
            Self::Sketch(registers) => estimate(registers),
        }
    }
}

fn sketch(hashes: &[u64]) -> Members {
    let mut registers = vec![0; REGISTERS].into_boxed_slice();
    hashes.iter().for_each(|hash| note(&mut registers, *hash));
    Members::Sketch(registers)
}

/// The low bits of a hash choose its register, the others are looked at.
fn note(registers: &mut [u8], hash: u64) {
    let index = usize::try_from(hash & (REGISTERS as u64 - 1)).unwrap_or(0);
    let run = (hash >> INDEX_BITS).trailing_zeros().min(u64::BITS - INDEX_BITS) + 1;
    if let Some(register) = registers.get_mut(index) {
        *register = (*register).max(u8::try_from(run).unwrap_or(u8::MAX));
    }
}

fn estimate(registers: &[u8]) -> f64 {
    let m = REGISTERS as f64;
    let harmonic: f64 = registers.iter().map(|run| (-f64::from(*run)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / harmonic;
    let empty = registers.iter().filter(|run| **run == 0).count();
    // While there are few, how many registers are still empty tells more.
    let count = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
    count.round()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(members: impl IntoIterator<Item = u32>) -> f64 {
        let mut set = Members::new();
        members.into_iter().for_each(|member| set.insert(&format!("user-{member}")));
        set.count()
    }

    #[test]
    fn small_sets_are_exact_whatever_comes_twice() {
        assert_eq!(count([]), 0.0);
        assert_eq!(count([1, 2, 1, 1, 3]), 3.0);
        assert_eq!(count((0..256).chain(0..256)), 256.0);
    }

    #[test]
    fn large_sets_are_near() {
        for size in [257, 1000, 5000, 6000, 20_000, 300_000] {
            let got = count((0..size).chain(0..size / 2));
            let error = got / f64::from(size) - 1.0;
            assert!(error.abs() < 0.07, "{got} for {size}");
        }
    }
}
