//! The two calls of centralised sampling, by which applications learn what to trace:
//! [GetSamplingRules](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingRules.html) and
//! [GetSamplingTargets](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingTargets.html). Rules and targets are
//! passed on as JSON, with whatever fields X-Ray gives them.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::wire::SamplingStatistics;

/// Where rules are asked for, on X-Ray's address: `POST`.
pub const RULES_PATH: &str = "/GetSamplingRules";

/// Where statistics are reported and targets asked for, on X-Ray's address: `POST`.
pub const TARGETS_PATH: &str = "/SamplingTargets";

/// The most statistics that X-Ray takes in one call.
pub const MAX_REPORTED: usize = 25;

/// A client's id has so many hex digits, and a rule's name as many characters
/// (<https://docs.aws.amazon.com/xray/latest/api/API_SamplingStatisticsDocument.html>).
const CLIENT_ID_DIGITS: usize = 24;
const RULE_NAME_CHARACTERS: RangeInclusive<usize> = 1..=32;

/// X-Ray's counts are of 32 bits, with a sign.
pub const MAX_COUNT: u64 = i32::MAX as u64;

/// The last second of the year 9999.
const MAX_SECONDS: f64 = 253_402_300_799.0;

/// The body of a call for targets, as applications make it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetsCall {
    /// What one or more clients report.
    #[serde(rename = "SamplingStatisticsDocuments")]
    pub statistics: Vec<SamplingStatistics>,
    /// Of rules that sample more while there are errors.
    #[serde(rename = "SamplingBoostStatisticsDocuments", default)]
    boost_statistics: Option<Vec<IgnoredAny>>,
}

impl TargetsCall {
    /// Reads one, and checks what X-Ray would refuse a whole call for.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let call: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        for (index, document) in call.statistics.iter().enumerate() {
            check(document).map_err(|fault| format!("SamplingStatisticsDocuments[{index}].{fault}"))?;
        }
        Ok(call)
    }

    /// How many documents are about rules that sample more while there are errors.
    #[must_use]
    pub fn boost_statistics(&self) -> u64 {
        self.boost_statistics.as_ref().map_or(0, |documents| documents.len() as u64)
    }
}

fn check(document: &SamplingStatistics) -> Result<(), String> {
    let client_id = document.client_id.as_bytes();
    if client_id.len() != CLIENT_ID_DIGITS || !client_id.iter().all(u8::is_ascii_hexdigit) {
        return Err(format!("ClientID is not {CLIENT_ID_DIGITS} hex digits: {:?}", document.client_id));
    }
    if !RULE_NAME_CHARACTERS.contains(&document.rule_name.chars().count()) {
        let most = RULE_NAME_CHARACTERS.end();
        return Err(format!("RuleName is not 1 to {most} characters: {:?}", document.rule_name));
    }
    if !document.timestamp.as_f64().is_some_and(|seconds| (0.0..=MAX_SECONDS).contains(&seconds)) {
        return Err(format!("Timestamp is not a time in seconds since 1970: {}", document.timestamp));
    }
    let counts = [
        ("RequestCount", document.request_count),
        ("SampledCount", document.sampled_count),
        ("BorrowCount", document.borrow_count),
    ];
    counts
        .into_iter()
        .find(|(_, count)| *count > MAX_COUNT)
        .map_or(Ok(()), |(name, count)| Err(format!("{name} is over {MAX_COUNT}: {count}")))
}

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
    fn a_call_that_x_ray_would_refuse_is_refused_with_what_and_where() {
        let client = "0123456789abcdef01234567";
        let document = |member: &str, value: &str| {
            let mut members = serde_json::json!({ "ClientID": client, "RuleName": "r", "Timestamp": 1, "RequestCount": 1, "SampledCount": 1 });
            members[member] = serde_json::from_str(value).unwrap();
            members
        };
        let read = |document| {
            let documents = [statistics(client, 0)].map(|good| serde_json::to_value(good).unwrap());
            let documents: Vec<_> = documents.into_iter().chain([document]).collect();
            let body = serde_json::json!({ "SamplingStatisticsDocuments": documents });
            TargetsCall::read(body.to_string().as_bytes()).map(|call| call.statistics.len())
        };
        let long = format!("\"{}\"", "é".repeat(33));
        for (member, value, fault) in [
            ("ClientID", "\"abc\"", "[1].ClientID is not 24 hex digits: \"abc\""),
            ("ClientID", "\"0123456789abcdef0123456g\"", "[1].ClientID is not"),
            ("RuleName", "\"\"", "[1].RuleName is not 1 to 32 characters"),
            ("RuleName", &long, "[1].RuleName is not"),
            ("Timestamp", "-1", "[1].Timestamp is not a time"),
            ("Timestamp", "1e300", "[1].Timestamp is not a time"),
            ("RequestCount", "2147483648", "[1].RequestCount is over 2147483647: 2147483648"),
            ("SampledCount", "3e9", "expected u64"),
            ("BorrowCount", "-1", "integer `-1`, expected u64"),
        ] {
            let error = read(document(member, value)).unwrap_err();
            assert!(error.contains(fault), "{member} {value}: {error}");
        }
        let most = format!("\"{}\"", "é".repeat(32));
        for (member, value) in
            [("RuleName", most.as_str()), ("Timestamp", "1.5e9"), ("RequestCount", "2147483647")]
        {
            assert_eq!(read(document(member, value)), Ok(2), "{member}");
        }
        let boost = br#"{"SamplingStatisticsDocuments":[],"SamplingBoostStatisticsDocuments":[{},7]}"#;
        assert_eq!(TargetsCall::read(boost).unwrap().boost_statistics(), 2);
        assert!(TargetsCall::read(b"{}").unwrap_err().contains("SamplingStatisticsDocuments"));
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
