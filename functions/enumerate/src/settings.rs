//! What the function is told by its environment.

use siphon_core::{
    settings::{Accepted, SettingErrors, Settings, parsed, whole},
    shard::Agent,
};
use tracing_subscriber::filter::LevelFilter;

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where shards go.
    pub queue_url: String,
    /// Names or ARNs of the clusters to list; empty means all of the account and region.
    pub clusters: Vec<String>,
    /// How agents are told from other containers.
    pub agent: Agent,
    /// Most tasks of one shard.
    pub shard_tasks: usize,
    /// What is logged.
    pub log_level: LevelFilter,
}

impl Config {
    /// Reads every setting from `look_up`.
    ///
    /// # Errors
    /// All settings that were refused, each with what is accepted.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, SettingErrors> {
        let mut settings = Settings::new(look_up);
        let config = Self {
            queue_url: settings.required("SIPHON_QUEUE_URL", url).unwrap_or_default(),
            clusters: settings.read("SIPHON_CLUSTERS", Vec::new(), list),
            agent: Agent::read(&mut settings),
            shard_tasks: settings.read("SIPHON_SHARD_TASKS", 25, whole(1..=1000)),
            log_level: settings.read(
                "SIPHON_LOG_LEVEL",
                LevelFilter::INFO,
                parsed("off, error, warn, info, debug or trace"),
            ),
        };
        settings.finish(config)
    }
}

fn url(text: &str) -> Result<String, Accepted> {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    is_url.then(|| text.to_owned()).ok_or_else(|| Accepted("the queue's URL".to_owned()))
}

fn list(text: &str) -> Result<Vec<String>, Accepted> {
    Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn only_the_queue_is_required() {
        let queue = ("SIPHON_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/shards");
        let config = read(&[queue]).unwrap();
        assert_eq!(config.agent, Agent { container: "siphon-agent".into(), port: 4319 });
        assert_eq!((config.clusters.len(), config.shard_tasks), (0, 25));
        let config = read(&[queue, ("SIPHON_CLUSTERS", " shop, ,jobs ,")]).unwrap();
        assert_eq!(config.clusters, ["shop", "jobs"]);
    }

    #[test]
    fn every_bad_setting_is_named() {
        let bad = [
            ("SIPHON_QUEUE_URL", "shards"),
            ("SIPHON_AGENT_PORT", "0"),
            ("SIPHON_SHARD_TASKS", "0"),
            ("SIPHON_LOG_LEVEL", "loud"),
        ];
        let errors = read(&bad).unwrap_err();
        for (name, _) in bad {
            assert!(errors.contains(name), "{name} in {errors}");
        }
    }
}
