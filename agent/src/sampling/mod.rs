//! Centralised sampling, as applications see it: they ask the agent, and get what `scrape` has handed over last.
//!
//! Until the first hand-over there are no rules, which SDKs answer with their local default: the first request of each
//! second and five in a hundred of the others. Rules stay until others come, however old they are: old ones are nearer
//! to what their owner wants than none. A target says itself until when its quota holds.

mod statistics;
mod targets;

use std::time::{Duration, Instant};

use bytes::Bytes;
use siphon_core::{
    units::UnixMillis,
    wire::{MAX_RULES_BYTES, RulesDigest, SamplingHandover, SamplingHead, SamplingStatistics},
};
use statistics::Statistics;
use targets::Targets;

/// Sampling is in use until it has not been asked about for so long: SDKs ask for rules every five minutes.
const IN_USE: Duration = Duration::from_secs(15 * 60);

/// What the agent knows of sampling. Its memory is bounded: rules and targets by the hand-over's limits, statistics by
/// their number.
#[derive(Debug, Default)]
pub struct Sampling {
    asked: Option<Instant>,
    rules: Option<Rules>,
    targets: Targets,
    statistics: Statistics,
}

#[derive(Debug)]
struct Rules {
    digest: RulesDigest,
    /// The answer to GetSamplingRules.
    answer: Bytes,
    /// When they came: to whom asks here, that is when they changed.
    came: UnixMillis,
}

/// A hand-over can't be what X-Ray said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// Rules are not an array.
    #[error("rules are not an array")]
    NotAnArray,
    /// Over the limit.
    #[error("rules are over {MAX_RULES_BYTES} bytes")]
    TooLarge,
}

impl Sampling {
    /// The answer to GetSamplingRules.
    pub fn rules(&mut self, now: Instant) -> Bytes {
        self.asked = Some(now);
        self.rules.as_ref().map_or_else(|| rules_answer("[]"), |rules| rules.answer.clone())
    }

    /// The answer to GetSamplingTargets; `reported` is added up. Gives also how many of `reported` there was no room for.
    pub fn targets(&mut self, reported: Vec<SamplingStatistics>, now: Instant) -> (String, u64) {
        self.asked = Some(now);
        let client = reported.first().map(|statistics| statistics.client_id.clone()).unwrap_or_default();
        let lost =
            reported.into_iter().filter_map(|statistics| self.statistics.add(statistics).err()).count();
        (self.targets_answer(&client), lost as u64)
    }

    fn targets_answer(&self, client: &str) -> String {
        // SDKs ask for the rules again when this is later than the last time they did, in whole seconds.
        let changed = self.rules.as_ref().map_or(0, |rules| rules.came.0 / 1000 + 1);
        let targets = self.targets.of(client);
        format!(
            "{{\"SamplingTargetDocuments\":[{targets}],\"LastRuleModification\":{changed},\"UnprocessedStatistics\":[]}}"
        )
    }

    /// What a page says: nothing if nobody asks.
    pub fn head(&mut self, now: Instant) -> Option<SamplingHead> {
        let in_use = self.asked.is_some_and(|asked| now.duration_since(asked) < IN_USE);
        if !in_use && self.statistics.is_empty() {
            return None;
        }
        let (batch, statistics) = self.statistics.hand_out();
        Some(SamplingHead { rules: self.rules.as_ref().map(|rules| rules.digest), batch, statistics })
    }

    /// Takes over what X-Ray said. Rules that are the agent's already change nothing.
    ///
    /// # Errors
    /// [`HandoverError`]; then nothing is taken over.
    pub fn take_over(
        &mut self,
        handover: &SamplingHandover<'_>,
        now: UnixMillis,
    ) -> Result<(), HandoverError> {
        if let Some(rules) = handover.rules {
            self.take_rules(rules.get(), now)?;
        }
        if let Some(reported) = handover.reported {
            self.statistics.reported(reported);
        }
        for client in &handover.targets {
            self.targets.set(&client.client_id, &client.documents);
        }
        Ok(())
    }

    fn take_rules(&mut self, rules: &str, now: UnixMillis) -> Result<(), HandoverError> {
        if rules.len() > MAX_RULES_BYTES {
            return Err(HandoverError::TooLarge);
        }
        if !rules.starts_with('[') {
            return Err(HandoverError::NotAnArray);
        }
        let digest = RulesDigest::of(rules.as_bytes());
        if self.rules.as_ref().is_none_or(|own| own.digest != digest) {
            self.rules = Some(Rules { digest, answer: rules_answer(rules), came: now });
        }
        Ok(())
    }
}

fn rules_answer(records: &str) -> Bytes {
    Bytes::from(format!("{{\"SamplingRuleRecords\":{records},\"NextToken\":null}}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use siphon_core::wire::BootId;

    use super::*;

    fn reported(rule: &str, requests: u64) -> SamplingStatistics {
        let json = json!({ "ClientID": "c", "RuleName": rule, "Timestamp": 1, "RequestCount": requests, "SampledCount": 1 });
        serde_json::from_value(json).unwrap()
    }

    fn take_over(sampling: &mut Sampling, more: &str, now: i64) -> Result<(), HandoverError> {
        let json = format!(r#"{{"task_arn":"arn","boot":"{}"{more}}}"#, BootId([0; 16]));
        sampling.take_over(&serde_json::from_str(&json).unwrap(), UnixMillis(now))
    }

    fn json_of(bytes: impl AsRef<[u8]>) -> Value {
        serde_json::from_slice(bytes.as_ref()).unwrap()
    }

    #[test]
    fn there_are_no_rules_until_some_are_handed_over_and_then_always() {
        let (mut sampling, start) = (Sampling::default(), Instant::now());
        assert_eq!(json_of(sampling.rules(start))["SamplingRuleRecords"], json!([]));
        assert_eq!(json_of(sampling.targets(vec![], start).0)["LastRuleModification"], 0);
        take_over(&mut sampling, r#","rules":[{"SamplingRule":{"RuleName":"a"}}]"#, 1_000).unwrap();
        let rules = sampling.rules(start + 100 * IN_USE);
        assert_eq!(json_of(rules)["SamplingRuleRecords"][0]["SamplingRule"]["RuleName"], "a");
        let changed = |sampling: &mut Sampling| {
            json_of(sampling.targets(vec![], start).0)["LastRuleModification"].clone()
        };
        assert_eq!(changed(&mut sampling), 2);
        take_over(&mut sampling, r#","rules":[{"SamplingRule":{"RuleName":"a"}}]"#, 9_000).unwrap();
        assert_eq!(changed(&mut sampling), 2, "the same rules are no change");
        take_over(&mut sampling, r#","rules":[]"#, 10_000).unwrap();
        assert_eq!(changed(&mut sampling), 11);
    }

    #[test]
    fn rules_that_cannot_be_right_change_nothing() {
        let mut sampling = Sampling::default();
        assert_eq!(take_over(&mut sampling, r#","rules":{}"#, 0), Err(HandoverError::NotAnArray));
        let long = format!(r#","rules":["{}"]"#, "x".repeat(MAX_RULES_BYTES));
        assert_eq!(take_over(&mut sampling, &long, 0), Err(HandoverError::TooLarge));
        assert!(sampling.rules.is_none());
    }

    #[test]
    fn a_page_tells_of_sampling_while_it_is_in_use_or_statistics_are_left() {
        let (mut sampling, start) = (Sampling::default(), Instant::now());
        assert_eq!(sampling.head(start), None);
        sampling.rules(start);
        assert_eq!(
            sampling.head(start + IN_USE - Duration::from_secs(1)).map(|h| h.statistics),
            Some(vec![])
        );
        assert_eq!(sampling.head(start + IN_USE), None);
        sampling.targets(vec![reported("a", 3), reported("a", 4)], start);
        let head = sampling.head(start + IN_USE).unwrap();
        assert_eq!((head.statistics.len(), head.statistics[0].request_count), (1, 7));
        let done = format!(r#","reported":{{"batch":{},"statistics":1}}"#, head.batch);
        take_over(&mut sampling, &done, 0).unwrap();
        assert_eq!(sampling.head(start + IN_USE), None);
    }

    #[test]
    fn a_client_gets_its_own_targets() {
        let (mut sampling, now) = (Sampling::default(), Instant::now());
        let targets = r#","targets":[{"client_id":"c","documents":[{"RuleName":"a"},{"RuleName":"b"}]},
            {"client_id":"d","documents":[]}]"#;
        take_over(&mut sampling, targets, 0).unwrap();
        let answer = json_of(sampling.targets(vec![reported("a", 1)], now).0);
        assert_eq!(answer["SamplingTargetDocuments"], json!([{ "RuleName": "a" }, { "RuleName": "b" }]));
        assert_eq!(answer["UnprocessedStatistics"], json!([]));
    }
}
