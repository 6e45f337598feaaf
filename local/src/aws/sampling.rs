//! X-Ray's centralised sampling: GetSamplingRules and GetSamplingTargets over fixed rules.
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sampling.html>

use serde::Deserialize;
use serde_json::{Value, json};
use siphon_core::units::UnixMillis;

use super::{ACCOUNT, REGION};

const MAX_STATISTICS: usize = 25;

/// How long a quota holds.
const QUOTA_SECONDS: i64 = 60;

/// How often clients are to report, in seconds.
const INTERVAL: u64 = 10;

/// When the rules were made: 2025.
const CREATED: f64 = 1_750_000_000.0;

/// A rule: name, priority, the service that it is for, how many a second in any case, and what share of the others.
const RULES: [(&str, u64, &str, u64, f64); 3] = [
    ("Probes", 100, "probe", 0, 0.0),
    ("Checkout", 200, "checkout", 5, 1.0),
    // Every account has it, and it can't be deleted.
    ("Default", 10_000, "*", 1, 0.05),
];

pub(super) fn rules() -> Value {
    let record = |(name, priority, service, reservoir, rate): (&str, u64, &str, u64, f64)| {
        json!({
            "SamplingRule": {
                "RuleName": name,
                "RuleARN": format!("arn:aws:xray:{REGION}:{ACCOUNT}:sampling-rule/{name}"),
                "ResourceARN": "*",
                "Priority": priority,
                "FixedRate": rate,
                "ReservoirSize": reservoir,
                "ServiceName": service,
                "ServiceType": "*",
                "Host": "*",
                "HTTPMethod": "*",
                "URLPath": "*",
                "Version": 1,
                "Attributes": {},
            },
            "CreatedAt": CREATED,
            "ModifiedAt": CREATED,
        })
    };
    json!({ "SamplingRuleRecords": RULES.map(record), "NextToken": null })
}

#[derive(Deserialize)]
struct Call {
    #[serde(rename = "SamplingStatisticsDocuments")]
    statistics: Vec<Statistics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statistics {
    #[serde(rename = "ClientID")]
    client_id: String,
    rule_name: String,
    timestamp: f64,
    request_count: u64,
    sampled_count: u64,
    #[serde(default)]
    borrow_count: u64,
}

/// The answer, and how many requests were reported; or what is wrong with the call.
pub(super) fn targets(body: &[u8], now: UnixMillis) -> Result<(Value, u64), String> {
    let call: Call = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if call.statistics.len() > MAX_STATISTICS {
        return Err(format!("{} statistics documents, at most {MAX_STATISTICS}", call.statistics.len()));
    }
    call.statistics.iter().try_for_each(|statistics| check(statistics, now))?;
    let (known, unknown): (Vec<_>, Vec<_>) =
        call.statistics.iter().partition(|statistics| rule(&statistics.rule_name).is_some());
    let targets: Vec<_> = known.iter().filter_map(|statistics| target(&statistics.rule_name, now)).collect();
    let unprocessed: Vec<_> = unknown
        .iter()
        .map(|statistics| json!({ "RuleName": statistics.rule_name, "ErrorCode": "404", "Message": "no such rule" }))
        .collect();
    let answer = json!({
        "SamplingTargetDocuments": targets,
        "LastRuleModification": CREATED,
        "UnprocessedStatistics": unprocessed,
    });
    Ok((answer, known.iter().map(|statistics| statistics.request_count).sum()))
}

fn check(statistics: &Statistics, now: UnixMillis) -> Result<(), String> {
    let Statistics { client_id, rule_name, timestamp, request_count, sampled_count, borrow_count } =
        statistics;
    let is_hex = client_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if client_id.len() != 24 || !is_hex {
        return Err(format!("ClientID {client_id:?} is not 24 hex digits"));
    }
    if rule_name.is_empty() || rule_name.len() > 32 {
        return Err(format!("RuleName {rule_name:?} is not of 1 to 32 characters"));
    }
    if (timestamp - now.0 as f64 / 1000.0).abs() > 3600.0 {
        return Err(format!("Timestamp {timestamp} is not of this hour"));
    }
    if sampled_count > request_count || borrow_count > request_count {
        return Err(format!(
            "{sampled_count} sampled and {borrow_count} borrowed of {request_count} requests"
        ));
    }
    Ok(())
}

fn rule(name: &str) -> Option<(u64, f64)> {
    let found = RULES.into_iter().find(|(own, ..)| *own == name);
    found.map(|(.., reservoir, rate)| (reservoir, rate))
}

fn target(name: &str, now: UnixMillis) -> Option<Value> {
    let (reservoir, rate) = rule(name)?;
    Some(json!({
        "RuleName": name,
        "FixedRate": rate,
        "ReservoirQuota": reservoir,
        "ReservoirQuotaTTL": now.0 / 1000 + QUOTA_SECONDS,
        "Interval": INTERVAL,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn call(change: impl FnOnce(&mut Value)) -> Result<(Value, u64), String> {
        let mut statistics = json!({ "ClientID": "0123456789abcdef01234567", "RuleName": "Default",
            "Timestamp": 1_795_000_000, "RequestCount": 7, "SampledCount": 2, "BorrowCount": 1 });
        change(&mut statistics);
        targets(json!({ "SamplingStatisticsDocuments": [statistics] }).to_string().as_bytes(), NOW)
    }

    #[test]
    fn a_client_gets_a_quota_that_ends() {
        let (answer, requests) = call(|_| ()).unwrap();
        assert_eq!(requests, 7);
        let target = &answer["SamplingTargetDocuments"][0];
        assert_eq!(
            (&target["ReservoirQuota"], &target["ReservoirQuotaTTL"]),
            (&json!(1), &json!(1_795_000_060))
        );
        let (answer, requests) = call(|s| s["RuleName"] = json!("Gone")).unwrap();
        assert_eq!((&answer["UnprocessedStatistics"][0]["RuleName"], requests), (&json!("Gone"), 0));
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        for (field, value) in [
            ("ClientID", json!("0123")),
            ("RuleName", json!("r".repeat(33))),
            ("Timestamp", json!(1)),
            ("SampledCount", json!(8)),
            ("RequestCount", json!(-1)),
            ("New", json!(1)),
        ] {
            assert!(call(|s| s[field] = value).is_err(), "{field}");
        }
        assert!(targets(b"{}", NOW).is_err());
    }
}
