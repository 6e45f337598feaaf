//! The summary: the eight numbers of a run.

use std::fmt;

use serde::Serialize;

use crate::accounts::{Accounts, Missing};

/// What a run amounts to. `None` where the receiver that would have counted it was not ours: `null` in JSON, `–` for
/// people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Tasks of which readings are stored; without our AMP receiver, tasks whose agent ran.
    tasks: usize,
    samples_stored: Option<u64>,
    segments_stored: Option<u64>,
    /// Readings, metric exports and spans that agents took and no receiver has, and samples that were rejected.
    /// `None` also if an agent was killed: it told nobody what it had taken.
    lost: Option<u64>,
    /// Samples and segments that came again unchanged.
    duplicated: Option<u64>,
    /// From a reading's arrival in the agent until it was stored. Only readings carry that time, so only they count.
    freshness_p50_ms: Option<u64>,
    freshness_p99_ms: Option<u64>,
    /// The largest resident set of an agent, peak.
    agent_rss_max_bytes: Option<u64>,
}

/// What the receivers can't know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// The AMP receiver is ours.
    pub(crate) amp: bool,
    /// The X-Ray endpoint is ours.
    pub(crate) xray: bool,
    pub(crate) agents: usize,
    pub(crate) agent_rss_max_bytes: Option<u64>,
}

impl Summary {
    /// Of a run that has ended: nothing may be under way.
    pub(crate) fn new(accounts: &Accounts, circumstances: Circumstances) -> Self {
        let Circumstances { amp, xray, agents, agent_rss_max_bytes } = circumstances;
        let counts = accounts.counts();
        let Missing { readings, exports, spans } = accounts.missing();
        let lost = readings + exports + spans + counts.samples_rejected;
        Self {
            tasks: if amp { accounts.tasks() } else { agents },
            samples_stored: amp.then_some(counts.samples_stored),
            segments_stored: xray.then_some(counts.segments_stored),
            lost: (amp && xray && accounts.unaccounted() == 0).then_some(lost),
            duplicated: (amp && xray).then_some(counts.samples_repeated + counts.segments_repeated),
            freshness_p50_ms: accounts.freshness(0.5).filter(|_| amp),
            freshness_p99_ms: accounts.freshness(0.99).filter(|_| amp),
            agent_rss_max_bytes,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), thousands);
        let millis = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), |n| format!("{} ms", thousands(n)));
        let rows = [
            ("tasks", self.tasks.to_string()),
            ("samples stored", whole(self.samples_stored)),
            ("segments stored", whole(self.segments_stored)),
            ("lost", whole(self.lost)),
            ("duplicated", whole(self.duplicated)),
            ("freshness, median", millis(self.freshness_p50_ms)),
            ("freshness, 99 %", millis(self.freshness_p99_ms)),
            ("agent memory, peak", self.agent_rss_max_bytes.map_or_else(|| "–".to_owned(), bytes)),
        ];
        rows.iter().try_for_each(|(name, value)| writeln!(f, "  {name:<20}{value:>12}"))
    }
}

/// `12 345`
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `2.4 MB`
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn bytes(n: u64) -> String {
    format!("{:.1} MB", n as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Circumstances =
        Circumstances { amp: true, xray: true, agents: 6, agent_rss_max_bytes: Some(2_400_000) };

    #[test]
    fn the_keys_are_these_eight() {
        let json = serde_json::to_value(Summary::new(&Accounts::default(), OURS)).unwrap();
        let mut keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "agent_rss_max_bytes",
                "duplicated",
                "freshness_p50_ms",
                "freshness_p99_ms",
                "lost",
                "samples_stored",
                "segments_stored",
                "tasks"
            ]
        );
        assert_eq!((&json["lost"], &json["tasks"]), (&0.into(), &0.into()));
    }

    #[test]
    fn what_others_receive_is_not_counted() {
        let elsewhere = Circumstances { amp: false, ..OURS };
        let summary = Summary::new(&Accounts::default(), elsewhere);
        assert_eq!((summary.tasks, summary.samples_stored, summary.segments_stored), (6, None, Some(0)));
        assert_eq!((summary.lost, summary.duplicated), (None, None));
        assert!(summary.to_string().contains("samples stored                 –"), "{summary}");
    }

    #[test]
    fn a_killed_agent_makes_the_loss_unknown() {
        let accounts = Accounts::default();
        accounts.no_ledger();
        assert_eq!(Summary::new(&accounts, OURS).lost, None);
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(123), "123");
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(bytes(2_449_000), "2.4 MB");
    }
}
