//! Centralised sampling between agent and `scrape`: what applications ask X-Ray, they ask the agent; `scrape` asks X-Ray
//! in its place, and hands over the answers.
//!
//! - A page's head has a [`SamplingHead`] where sampling is in use: no other agent costs a call.
//! - It holds a batch of statistics. The same batch comes with every page, until a [`SamplingHandover`] says how many of
//!   it X-Ray has; then those are dropped, and what was counted meanwhile makes the next batch.
//! - So a call to X-Ray that fails loses no statistics. They count twice only where X-Ray took them and the hand-over
//!   after that did not arrive: the same exchange as with records and their ack.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Number, value::RawValue};

use super::{BootId, RulesDigest};

/// The most bytes of rules in a hand-over. X-Ray's own limit on rules keeps them far below.
pub const MAX_RULES_BYTES: usize = 256 << 10;

/// The most bytes of a hand-over: rules, and targets.
pub const MAX_HANDOVER_BYTES: usize = MAX_RULES_BYTES + (128 << 10);

/// What an agent says of sampling, in a page's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplingHead {
    /// Which rules it has, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesDigest>,
    /// Which batch the statistics are. Means something only together with the head's boot.
    #[serde(default)]
    pub batch: u64,
    /// What applications have reported, added up by client and rule, and in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<SamplingStatistics>,
}

/// How often a client has sampled by a rule: as applications report it, and as X-Ray takes it
/// (<https://docs.aws.amazon.com/xray/latest/api/API_SamplingStatisticsDocument.html>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingStatistics {
    /// 24 hex digits, drawn by each process.
    #[serde(rename = "ClientID")]
    pub client_id: String,
    /// Of at most 32 characters.
    pub rule_name: String,
    /// Seconds since the epoch; of the latest report, where several are added up.
    pub timestamp: Number,
    /// Requests that the rule matched.
    pub request_count: u64,
    /// Those that were sampled.
    pub sampled_count: u64,
    /// Those that were sampled without a quota.
    #[serde(default)]
    pub borrow_count: u64,
}

/// What `scrape` brings an agent from X-Ray: `POST` [`super::SAMPLING_PATH`], answer 204.
#[derive(Debug, Serialize, Deserialize)]
pub struct SamplingHandover<'a> {
    /// The task that the function believes it is talking to.
    #[serde(borrow)]
    pub task_arn: Cow<'a, str>,
    /// From the page's head.
    pub boot: BootId,
    /// What X-Ray has of the statistics, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
    /// An array of `SamplingRuleRecords`, if they are other than the agent's.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<&'a RawValue>,
    /// Of the clients whose statistics were reported.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<ClientTargets<'a>>,
}

/// What X-Ray has of a batch of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// From the page's head.
    pub batch: u64,
    /// So many of the batch, from its first on.
    pub statistics: usize,
}

/// What X-Ray answers a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientTargets<'a> {
    /// Which.
    #[serde(borrow)]
    pub client_id: Cow<'a, str>,
    /// Its `SamplingTargetDocuments`.
    #[serde(borrow)]
    pub documents: Vec<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_over_survives_the_wire() {
        let json = concat!(
            r#"{"task_arn":"arn","boot":"07070707070707070707070707070707","reported":{"batch":3,"statistics":2},"#,
            r#""rules":[{"a" : 1}],"targets":[{"client_id":"c","documents":[{"b" : 2}]}]}"#
        );
        let read: SamplingHandover<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(read.rules.unwrap().get(), r#"[{"a" : 1}]"#);
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let least: SamplingHandover<'_> =
            serde_json::from_str(r#"{"task_arn":"\"","boot":"07070707070707070707070707070707"}"#).unwrap();
        assert!(least.rules.is_none() && least.reported.is_none() && least.targets.is_empty());
    }

    #[test]
    fn statistics_may_lack_what_the_call_does_not_require() {
        let json =
            r#"{"ClientID":"c","RuleName":"r","Timestamp":1.5e9,"RequestCount":1,"SampledCount":0,"New":1}"#;
        let read: SamplingStatistics = serde_json::from_str(json).unwrap();
        assert_eq!((read.borrow_count, read.timestamp.as_f64()), (0, Some(1.5e9)));
    }
}
