//! The symbol table of remote write 2.0.

use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashMapExt};

use crate::protobuf::write;

/// The strings of one request, each once, as they come. The first is empty.
pub(super) struct Symbols<'a> {
    refs: HashMap<&'a str, u32>,
    /// The field `symbols` of all of them.
    encoded: Vec<u8>,
}

impl<'a> Symbols<'a> {
    pub(super) fn new() -> Self {
        let mut symbols = Self { refs: HashMap::new(), encoded: Vec::new() };
        symbols.clear();
        symbols
    }

    /// The place of `symbol`, which is new if it was not there.
    pub(super) fn reference(&mut self, symbol: &'a str) -> u32 {
        let next = u32::try_from(self.refs.len()).unwrap_or(u32::MAX);
        match self.refs.entry(symbol) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                write::bytes(4, symbol.as_bytes(), &mut self.encoded);
                *new.insert(next)
            }
        }
    }

    /// As they are sent.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Takes back what was added since [`Symbols::encoded`] had this length. What comes next has to be
    /// [`Symbols::clear`]: references that were given out for it are still known.
    pub(super) fn truncate(&mut self, length: usize) {
        self.encoded.truncate(length);
    }

    /// Forgets all but the empty one.
    pub(super) fn clear(&mut self) {
        self.refs.clear();
        self.encoded.clear();
        self.reference("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_is_there_once_and_the_empty_one_first() {
        let mut symbols = Symbols::new();
        for _ in 0..2 {
            let refs = ["a", "", "bc", "a"].map(|symbol| symbols.reference(symbol));
            assert_eq!(refs, [1, 0, 2, 1]);
            assert_eq!(symbols.encoded(), b"\x22\x00\x22\x01a\x22\x02bc");
            symbols.clear();
        }
    }
}
