//! Which of two keys one agent knows.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use siphon_core::wire::{Keys, signature::Key};

/// The keys for one agent, and which of them it was last seen to know.
#[derive(Debug)]
pub struct KeyChoice {
    keys: Arc<Keys>,
    prefers_second: AtomicBool,
}

impl KeyChoice {
    /// Begins with the first.
    #[must_use]
    pub const fn new(keys: Arc<Keys>) -> Self {
        Self { keys, prefers_second: AtomicBool::new(false) }
    }

    /// The key to try.
    #[must_use]
    pub fn preferred(&self) -> &Key {
        let second = self.keys.second().filter(|_| self.prefers_second.load(Ordering::Relaxed));
        second.unwrap_or(self.keys.first())
    }

    /// The key to try if the agent does not know `refused`.
    #[must_use]
    pub fn instead_of(&self, refused: &Key) -> Option<&Key> {
        let second = self.keys.second()?;
        Some(if refused == second { self.keys.first() } else { second })
    }

    /// The agent knows `key`.
    pub fn prefer(&self, key: &Key) {
        self.prefers_second.store(self.keys.second() == Some(key), Ordering::Relaxed);
    }

    /// Whether these are `keys`.
    pub(super) fn is_of(&self, keys: &Keys) -> bool {
        *self.keys == *keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_worked_is_tried_first_from_then_on() {
        let [one, two] = ["0b", "0c"].map(|byte| Key::from_hex(&byte.repeat(32)).unwrap());
        let choice = KeyChoice::new(Keys::new(one.clone(), Some(two.clone())).into());
        assert_eq!((choice.preferred(), choice.instead_of(&one)), (&one, Some(&two)));
        choice.prefer(&two);
        assert_eq!((choice.preferred(), choice.instead_of(&two)), (&two, Some(&one)));
        choice.prefer(&one);
        assert_eq!(choice.preferred(), &one);
        let alone = KeyChoice::new(Keys::new(one.clone(), None).into());
        assert_eq!(alone.instead_of(&one), None);
    }
}
