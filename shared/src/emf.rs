//! CloudWatch embedded metric format: one JSON line on stdout becomes metrics, without a call
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use serde_json::{Map, Value, json};

use crate::units::UnixMillis;

/// The CloudWatch namespace of Siphon's own metrics.
pub const NAMESPACE: &str = "Siphon";

/// The units in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long.
    Milliseconds,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// One metric of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in CloudWatch, unique within the line.
    pub name: &'static str,
    /// What its value counts.
    pub unit: Unit,
    /// Its value.
    pub value: u64,
}

/// The line, without a newline. `details` become members that CloudWatch Logs Insights can query but that are no
/// metrics; a detail under a metric's name is lost.
#[must_use]
pub fn line(at: UnixMillis, metrics: &[Metric], details: Map<String, Value>) -> String {
    let definitions: Vec<_> =
        metrics.iter().map(|m| json!({ "Name": m.name, "Unit": m.unit.name() })).collect();
    let mut line = details;
    line.extend(metrics.iter().map(|m| (m.name.to_owned(), m.value.into())));
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": definitions });
    line.insert("_aws".to_owned(), json!({ "Timestamp": at.0, "CloudWatchMetrics": [directive] }));
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_defines_each_metric_that_it_holds() {
        let metrics = [
            Metric { name: "Samples", unit: Unit::Count, value: 7 },
            Metric { name: "FreshnessMax", unit: Unit::Milliseconds, value: 1200 },
        ];
        let mut details = Map::new();
        details.insert("unreachable".into(), json!({ "timeout": 1 }));
        let line: Value = serde_json::from_str(&line(UnixMillis(5), &metrics, details)).unwrap();
        assert_eq!(
            line,
            json!({
                "_aws": { "Timestamp": 5, "CloudWatchMetrics": [{
                    "Namespace": "Siphon",
                    "Dimensions": [[]],
                    "Metrics": [
                        { "Name": "Samples", "Unit": "Count" },
                        { "Name": "FreshnessMax", "Unit": "Milliseconds" },
                    ],
                }] },
                "Samples": 7,
                "FreshnessMax": 1200,
                "unreachable": { "timeout": 1 },
            })
        );
    }
}
