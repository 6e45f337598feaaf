//! What X-Ray last answered each client.

use std::collections::VecDeque;

use serde_json::value::RawValue;

/// The most bytes of all targets. A client's take some hundred bytes a rule.
const MAX_BYTES: usize = 64 << 10;

/// Targets by client, the latest last. Where there is no room the oldest go: as a rule those of processes that ended.
#[derive(Debug, Default)]
pub(super) struct Targets(VecDeque<(String, String)>);

impl Targets {
    /// The targets of `client`, with commas between.
    pub(super) fn of(&self, client: &str) -> &str {
        self.0.iter().find(|(own, _)| own == client).map_or("", |(_, targets)| targets)
    }

    /// In place of what this client had.
    pub(super) fn set(&mut self, client: &str, documents: &[&RawValue]) {
        self.0.retain(|(own, _)| own != client);
        let texts: Vec<_> = documents.iter().map(|document| document.get()).collect();
        self.0.push_back((client.to_owned(), texts.join(",")));
        while self.bytes() > MAX_BYTES {
            self.0.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(client, targets)| client.len() + targets.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn the_latest_targets_stay_and_the_oldest_make_room() {
        let mut targets = Targets::default();
        let long = raw(&format!("\"{}\"", "x".repeat(MAX_BYTES / 4)));
        for client in ["a", "b", "a", "c"] {
            targets.set(client, &[&long, &raw("{}")]);
        }
        assert!(targets.of("a").ends_with("x\",{}"));
        assert_eq!(targets.0.len(), 3);
        targets.set("d", &[&long]);
        assert_eq!((targets.of("b"), targets.of("d")), ("", long.get()), "b is the oldest");
        targets.set("e", &[&long, &long, &long, &long]);
        assert_eq!(targets.bytes(), 0, "too much by itself");
    }
}
