//! What pullers say became of acknowledged records. Their words are taken, but not in any number nor form.

use std::collections::BTreeMap;

use siphon_core::wire::{Count, EXPORTED, Kind, MAX_NAME_BYTES, Share};

/// Counters with a reason or a metric of their own. Beyond these, what happened is counted under the reason `other`.
const MAX_COUNTERS: usize = 128;

/// Counts of [`EXPORTED`] events.
#[derive(Debug, Default)]
pub(super) struct Exported(BTreeMap<Key, u64>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    event: &'static str,
    kind: &'static str,
    reason: String,
    metric: String,
}

impl Exported {
    /// Adds what is said, if it is about something that can be exported.
    pub(super) fn add(&mut self, count: &Count) {
        let kinds = Share::ALL.map(Share::name).into_iter().chain(Kind::ALL.map(Kind::name));
        let (Some(event), Some(kind)) = (find(EXPORTED, &count.event), find(kinds, &count.kind)) else {
            return;
        };
        if count.value == 0 {
            return;
        }
        let told = |name: &str, otherwise: &str| (if is_plain(name) { name } else { otherwise }).to_owned();
        let mut key =
            Key { event, kind, reason: told(&count.reason, "other"), metric: told(&count.metric, "") };
        if self.0.len() >= MAX_COUNTERS && !self.0.contains_key(&key) {
            (key.reason, key.metric) = ("other".to_owned(), String::new());
        }
        let sum = self.0.entry(key).or_default();
        *sum = sum.saturating_add(count.value);
    }

    /// All of them.
    pub(super) fn counts(&self) -> impl Iterator<Item = Count> {
        self.0.iter().map(|(key, value)| Count {
            metric: key.metric.clone().into(),
            ..Count::new(key.event, key.kind, key.reason.clone(), *value)
        })
    }
}

fn find(names: impl IntoIterator<Item = &'static str>, name: &str) -> Option<&'static str> {
    names.into_iter().find(|known| *known == name)
}

/// Whether a name goes into a label without escaping.
fn is_plain(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(exported: &Exported) -> Vec<Count> {
        exported.counts().collect()
    }

    #[test]
    fn what_is_said_of_known_things_adds_up() {
        let mut exported = Exported::default();
        let refused =
            Count { metric: "http_total".into(), ..Count::new("refused_samples", "metrics", "400", 2) };
        for count in [
            Count::new("stored_samples", "metrics", "", 40),
            Count::new("stored_samples", "metrics", "", 2),
            refused.clone(),
            Count::new("stored_samples", "metrics", "", 0),
            Count::new("accepted_records", "ecs", "", 7),
            Count::new("stored_samples", "logs", "", 7),
        ] {
            exported.add(&count);
        }
        assert_eq!(counts(&exported), [refused, Count::new("stored_samples", "metrics", "", 42)]);
    }

    #[test]
    fn odd_names_are_not_told_and_memory_is_bounded() {
        let mut exported = Exported::default();
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for reason in ["a\"b", "a b", "\n", "é", long.as_str()] {
            exported.add(&Count::new("refused_segments", "traces", reason.to_owned(), 1));
        }
        assert_eq!(counts(&exported), [Count::new("refused_segments", "traces", "other", 5)]);
        for n in 0..1000 {
            exported.add(&Count::new("refused_samples", "metrics", n.to_string(), u64::MAX));
        }
        assert_eq!(exported.0.len(), MAX_COUNTERS + 1);
        let other = Count::new("refused_samples", "metrics", "other", u64::MAX);
        assert!(counts(&exported).contains(&other));
    }
}
