//! One line an enumeration, in CloudWatch's embedded metric format.

use serde_json::{Map, Value, json};
use siphon_core::{
    emf::{self, Metric, Unit},
    units::UnixMillis,
};

use crate::listing::Listed;

/// What came out of one enumeration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the tasks were listed.
    pub at: UnixMillis,
    /// What ECS told.
    pub listed: Listed,
    /// Agents to scrape.
    pub targets: usize,
    /// Messages to send.
    pub shards: usize,
}

impl Report {
    /// The line, without a newline.
    #[must_use]
    pub fn line(&self) -> String {
        let count = |name, value: usize| Metric { name, unit: Unit::Count, value: value as u64 };
        let metrics = [
            count("Clusters", self.listed.clusters),
            count("ClustersFailed", self.listed.clusters_failed),
            count("TasksListed", self.listed.tasks),
            count("TasksDescribed", self.listed.described),
            count("TasksSkipped", self.listed.skipped.values().sum()),
            count("Targets", self.targets),
            count("Shards", self.shards),
        ];
        let mut details = Map::new();
        details.insert("function".to_owned(), Value::from("enumerate"));
        details.insert("skipped".to_owned(), json!(self.listed.skipped));
        emf::line(self.at, &metrics, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_holds_every_figure() {
        let listed = Listed {
            clusters: 2,
            clusters_failed: 1,
            tasks: 9,
            described: 4,
            skipped: [("no_agent", 2), ("not_running", 1)].into(),
        };
        let report = Report { at: UnixMillis(7), listed, targets: 6, shards: 1 };
        let line: Value = serde_json::from_str(&report.line()).unwrap();
        assert_eq!(line["TasksSkipped"], 3);
        assert_eq!((&line["Targets"], &line["ClustersFailed"]), (&json!(6), &json!(1)));
        assert_eq!(line["skipped"], json!({ "no_agent": 2, "not_running": 1 }));
    }
}
