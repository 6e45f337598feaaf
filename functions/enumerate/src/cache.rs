//! What warm invocations remember: a task's address never changes, so each task is described once.

use std::collections::{BTreeMap, HashMap, HashSet};

use siphon_core::shard::Target;

/// Cluster -> its tasks. A task without the agent is remembered as `None`; one without an address isn't remembered,
/// because it will get one.
#[derive(Debug, Default)]
pub struct Cache {
    clusters: BTreeMap<String, HashMap<String, Option<Target>>>,
}

impl Cache {
    /// Forgets all clusters but `listed`.
    pub fn keep_clusters(&mut self, listed: &[String]) {
        self.clusters.retain(|cluster, _| listed.contains(cluster));
    }

    /// Forgets the tasks of `cluster` that are not `listed`, and gives the listed ones that must be described.
    pub fn keep_tasks(&mut self, cluster: &str, listed: Vec<String>) -> Vec<String> {
        let tasks = self.clusters.entry(cluster.to_owned()).or_default();
        let mut unknown: HashSet<String> = listed.into_iter().collect();
        tasks.retain(|arn, _| unknown.remove(arn));
        let mut unknown: Vec<_> = unknown.into_iter().collect();
        unknown.sort_unstable(); // the same calls for the same tasks: easier to follow
        unknown
    }

    /// Remembers where the task listens, or with `None` that it has no agent.
    pub fn learn(&mut self, cluster: &str, task_arn: String, target: Option<Target>) {
        self.clusters.entry(cluster.to_owned()).or_default().insert(task_arn, target);
    }

    /// The clusters that any task is remembered of.
    #[must_use]
    pub fn clusters(&self) -> Vec<String> {
        self.clusters.keys().cloned().collect()
    }

    /// Every remembered target.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        self.clusters.values().flat_map(HashMap::values).flatten().cloned().collect()
    }

    /// Remembered tasks that have no agent.
    #[must_use]
    pub fn without_agent(&self) -> usize {
        self.clusters.values().flat_map(HashMap::values).filter(|target| target.is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(arn: &str) -> Target {
        Target { task_arn: arn.into(), address: [10, 0, 0, 1].into(), port: 4319 }
    }

    fn arns(list: &[&str]) -> Vec<String> {
        list.iter().map(|&arn| arn.to_owned()).collect()
    }

    #[test]
    fn only_new_tasks_are_described_and_gone_ones_forgotten() {
        let mut cache = Cache::default();
        assert_eq!(cache.keep_tasks("shop", arns(&["b", "a", "a"])), arns(&["a", "b"]));
        cache.learn("shop", "a".into(), Some(target("a")));
        cache.learn("shop", "b".into(), None);
        assert_eq!(cache.keep_tasks("shop", arns(&["a", "b", "c"])), arns(&["c"]), "b is known to have none");
        assert_eq!((cache.targets(), cache.without_agent()), (vec![target("a")], 1));
        assert_eq!(
            cache.keep_tasks("shop", arns(&["c"])),
            arns(&["c"]),
            "c was not learnt, so it is asked again"
        );
        assert!(cache.targets().is_empty());
    }

    #[test]
    fn a_cluster_that_is_gone_takes_its_tasks_along() {
        let mut cache = Cache::default();
        cache.learn("shop", "a".into(), Some(target("a")));
        cache.learn("jobs", "b".into(), Some(target("b")));
        cache.keep_clusters(&arns(&["jobs", "new"]));
        assert_eq!((cache.clusters(), cache.targets()), (arns(&["jobs"]), vec![target("b")]));
    }
}
