//! The two calls of centralised sampling, by which applications learn what to trace:
//! [GetSamplingRules](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingRules.html) and
//! [GetSamplingTargets](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingTargets.html). Rules and targets are
//! passed on as JSON, with whatever fields X-Ray gives them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wire::SamplingStatistics;

/// Where rules are asked for, on X-Ray's address: `POST`.
pub const RULES_PATH: &str = "/GetSamplingRules";

/// Where statistics are reported and targets asked for, on X-Ray's address: `POST`.
pub const TARGETS_PATH: &str = "/SamplingTargets";

/// The most statistics that X-Ray takes in one call.
pub const MAX_REPORTED: usize = 25;

/// Some of the rules.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RulesAnswer {
    /// Each a rule with the times when it was made and changed.
    #[serde(rename = "SamplingRuleRecords")]
    pub records: Vec<Box<RawValue>>,
    /// Asks for more of them.
    #[serde(default)]
    pub next_token: Option<String>,
}

/// The body of a call for rules: the first ones, or those that the `token` of the last answer stands for.
#[must_use]
pub fn rules_body(token: Option<&str>) -> String {
    token.map_or_else(|| "{}".to_owned(), |token| serde_json::json!({ "NextToken": token }).to_string())
}

/// The body of a call for targets. All `statistics` are one client's: the answer doesn't tell whose target is whose.
///
/// # Errors
/// Only if the statistics can't be written as JSON, which their types rule out.
pub fn targets_body(statistics: &[SamplingStatistics]) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        sampling_statistics_documents: &'a [SamplingStatistics],
    }
    serde_json::to_vec(&Body { sampling_statistics_documents: statistics })
}

/// Targets of one client.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetsAnswer {
    /// Each says how much a client may sample by one rule, and until when.
    #[serde(rename = "SamplingTargetDocuments")]
    pub targets: Vec<Box<RawValue>>,
    /// When any rule was last changed, seconds since the epoch.
    #[serde(default)]
    pub last_rule_modification: f64,
    /// Statistics that X-Ray does not take.
    #[serde(default)]
    pub unprocessed_statistics: Option<Vec<UnprocessedStatistics>>,
}

/// Statistics that X-Ray does not take
/// (<https://docs.aws.amazon.com/xray/latest/api/API_UnprocessedStatistics.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedStatistics {
    /// Of which rule.
    pub rule_name: Option<String>,
    /// Why, in a word.
    pub error_code: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
}

/// Parts `statistics`, in order, into calls: one client's each, and no more than X-Ray takes.
pub fn reports(statistics: &[SamplingStatistics]) -> impl Iterator<Item = &[SamplingStatistics]> {
    statistics
        .chunk_by(|one, next| one.client_id == next.client_id)
        .flat_map(|of_client| of_client.chunks(MAX_REPORTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(client_id: &str, rule: usize) -> SamplingStatistics {
        SamplingStatistics {
            client_id: client_id.to_owned(),
            rule_name: format!("rule-{rule}"),
            timestamp: 1_795_400_000.into(),
            request_count: 3,
            sampled_count: 2,
            borrow_count: 1,
        }
    }

    #[test]
    fn a_report_is_of_one_client_and_within_the_limit() {
        let mut all: Vec<_> = (0..60).map(|rule| statistics("a", rule)).collect();
        all.push(statistics("b", 0));
        let sizes: Vec<_> = reports(&all).map(|call| (call[0].client_id.as_str(), call.len())).collect();
        assert_eq!(sizes, [("a", 25), ("a", 25), ("a", 10), ("b", 1)]);
        assert_eq!(reports(&[]).count(), 0);
    }

    #[test]
    fn bodies_are_what_x_ray_takes() {
        assert_eq!(rules_body(None), "{}");
        assert_eq!(rules_body(Some("a\"b")), r#"{"NextToken":"a\"b"}"#);
        let want = concat!(
            r#"{"SamplingStatisticsDocuments":[{"ClientID":"a","RuleName":"rule-7","Timestamp":1795400000,"#,
            r#""RequestCount":3,"SampledCount":2,"BorrowCount":1}]}"#
        );
        assert_eq!(String::from_utf8(targets_body(&[statistics("a", 7)]).unwrap()).unwrap(), want);
    }

    #[test]
    fn answers_are_passed_on_as_they_are() {
        let rules = br#"{"SamplingRuleRecords":[{"SamplingRule" : {"RuleName":"Default","New":1}}],"NextToken":null}"#;
        let rules: RulesAnswer = serde_json::from_slice(rules).unwrap();
        assert_eq!(rules.records[0].get(), r#"{"SamplingRule" : {"RuleName":"Default","New":1}}"#);
        assert_eq!(rules.next_token, None);
        let targets =
            br#"{"SamplingTargetDocuments":[{"RuleName":"Default","SamplingBoost":{"BoostRate":1}}],
            "LastRuleModification":1.7954E9,"UnprocessedStatistics":[{"RuleName":"x","ErrorCode":"400"}]}"#;
        let targets: TargetsAnswer = serde_json::from_slice(targets).unwrap();
        assert_eq!(targets.targets[0].get(), r#"{"RuleName":"Default","SamplingBoost":{"BoostRate":1}}"#);
        assert_eq!(targets.last_rule_modification, 1_795_400_000.0);
        assert_eq!(targets.unprocessed_statistics.unwrap()[0].error_code.as_deref(), Some("400"));
    }
}
