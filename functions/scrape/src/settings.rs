//! What the function is told by its environment.

use std::{collections::BTreeSet, ops::RangeInclusive};

use http::Uri;
use siphon_core::{
    amp, ecs,
    prometheus::{self, ResourceFilter},
    remote_write::Version,
    settings::{Accepted, SettingErrors, Settings, flag, parsed, whole},
    shard::Agent,
    wire::{Keys, PAGE_BYTES, Pin, PinError},
    xray,
};
use tracing_subscriber::filter::LevelFilter;

/// The setting that gives the keys.
const KEY: &str = "SIPHON_KEY";

/// The setting that names a secret that has them.
const KEY_SECRET_ARN: &str = "SIPHON_KEY_SECRET_ARN";

/// Bytes that one pull may ask for.
const ASKED_BYTES: RangeInclusive<u64> = 65_536..=PAGE_BYTES as u64;

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shared with the agents.
    pub keys: KeySource,
    /// Which certificates agents may show. Where there are any, pulls go over TLS.
    pub agent_certificates: Vec<Pin>,
    /// AWS Secrets Manager's address, if it is not where `AWS_ENDPOINT_URL` or the region says.
    pub secrets_address: Option<String>,
    /// The workspace's whole remote-write URL.
    pub prometheus_endpoint: Uri,
    /// The best version of remote write that may be spoken there.
    pub remote_write_version: Version,
    /// Whether what goes there keeps AMP's limits.
    pub amp_limits: bool,
    /// How records become series and documents.
    pub translation: Translation,
    /// As what traces are sent.
    pub traces_exporter: TracesExporter,
    /// X-Ray's address, if it is not where `AWS_ENDPOINT_URL` or the region says.
    pub xray_address: Option<String>,
    /// X-Ray's OTLP endpoint, if it is not on that address.
    pub xray_otlp_endpoint: Option<Uri>,
    /// Agents drained at once.
    pub concurrent_agents: usize,
    /// Most bytes that one pull asks for.
    pub page_max_bytes: u64,
    /// Which container of a stopping task is its agent. Shards say it themselves.
    pub agent: Agent,
    /// What is logged.
    pub log_level: LevelFilter,
}

/// Where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// They are given.
    Given(Keys),
    /// From the secret with this ARN.
    Secret(String),
}

/// As what traces are sent to X-Ray.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TracesExporter {
    /// Segment documents, as ADOT sends them.
    #[default]
    XRay,
    /// Spans as they are, to the OTLP endpoint.
    Otlp,
}

/// How records become series and documents.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// ECS metadata.
    pub ecs: ecs::Options,
    /// OTLP metrics.
    pub prometheus: prometheus::Options,
    /// OTLP spans.
    pub xray: xray::Options,
}

impl Config {
    /// Reads every setting from `look_up`.
    ///
    /// # Errors
    /// All settings that were refused, each with what is accepted.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, SettingErrors> {
        let mut settings = Settings::new(look_up);
        let keys = read_keys(&mut settings);
        let agent_certificates = settings.read("SIPHON_AGENT_CERTIFICATES", Vec::new(), pins);
        let secrets_address = settings.optional("AWS_ENDPOINT_URL_SECRETS_MANAGER", address);
        let endpoint = settings.required("AWS_PROMETHEUS_ENDPOINT", remote_write_url);
        let remote_write_version =
            settings.read("SIPHON_REMOTE_WRITE_VERSION", Version::default(), remote_write_version);
        let amp_limits = settings.read("SIPHON_AMP_LIMITS", None, amp_limits);
        let translation = Translation::read(&mut settings);
        let traces_exporter =
            settings.read("SIPHON_TRACES_EXPORTER", TracesExporter::default(), traces_exporter);
        let xray_otlp_endpoint = settings.optional("SIPHON_XRAY_OTLP_ENDPOINT", otlp_url);
        let xray_address = settings.optional("AWS_ENDPOINT_URL_XRAY", address);
        let concurrent_agents = settings.read("SIPHON_CONCURRENT_AGENTS", 16, whole(1..=256));
        let page_max_bytes = settings.read("SIPHON_PAGE_MAX_BYTES", 1 << 20, whole(ASKED_BYTES));
        let agent = Agent::read(&mut settings);
        let level = parsed("off, error, warn, info, debug or trace");
        let log_level = settings.read("SIPHON_LOG_LEVEL", LevelFilter::INFO, level);
        let config = keys.zip(endpoint).map(|(keys, prometheus_endpoint)| Self {
            keys,
            agent_certificates,
            secrets_address,
            amp_limits: amp_limits.unwrap_or_else(|| prometheus_endpoint.host().is_some_and(amp::is_amp)),
            prometheus_endpoint,
            remote_write_version,
            translation,
            traces_exporter,
            xray_address,
            xray_otlp_endpoint,
            concurrent_agents,
            page_max_bytes,
            agent,
            log_level,
        });
        settings.finish_required(config)
    }
}

impl Translation {
    fn read(settings: &mut Settings<impl Fn(&str) -> Option<String>>) -> Self {
        let filter =
            |text: &str| text.parse().map_err(|error: ecs::UnknownMetric| Accepted(error.to_string()));
        let suffixes = settings.read("SIPHON_METRIC_SUFFIXES", true, flag);
        Self {
            ecs: ecs::Options {
                filter: settings.read("SIPHON_ECS_METRICS", ecs::MetricFilter::default(), filter),
                suffixes,
            },
            prometheus: prometheus::Options {
                suffixes,
                resource_labels: settings.read(
                    "SIPHON_RESOURCE_LABELS",
                    ResourceFilter::default(),
                    parsed("all, curated, or attribute keys with commas between"),
                ),
            },
            xray: xray::Options {
                indexed_attributes: settings.read("SIPHON_INDEXED_ATTRIBUTES", BTreeSet::new(), list),
                index_all: settings.read("SIPHON_INDEX_ALL_ATTRIBUTES", false, flag),
                log_groups: settings.read("SIPHON_LOG_GROUPS", Vec::new(), list),
            },
        }
    }
}

/// `None` where the endpoint's host decides.
fn amp_limits(text: &str) -> Result<Option<bool>, Accepted> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    flag(text).map(Some).map_err(|_| Accepted("auto, true or false".to_owned()))
}

/// `None` if it was refused: one of two settings says it.
fn read_keys(settings: &mut Settings<impl Fn(&str) -> Option<String>>) -> Option<KeySource> {
    let arn = settings.optional(KEY_SECRET_ARN, secret_arn);
    if let Some(arn) = arn {
        if settings.optional(KEY, parsed::<Keys>(Keys::ACCEPTED)).is_some() {
            settings.refuse(KEY, format!("is set beside {KEY_SECRET_ARN}: leave one out"));
        }
        return Some(KeySource::Secret(arn));
    }
    settings.required(KEY, parsed(Keys::ACCEPTED)).map(KeySource::Given)
}

fn secret_arn(text: &str) -> Result<String, Accepted> {
    let is_arn = text.starts_with("arn:") && text.contains(":secretsmanager:") && text.contains(":secret:");
    let arn = is_arn.then(|| text.to_owned());
    arn.ok_or_else(|| Accepted("a secret's ARN, arn:aws:secretsmanager:…:secret:…".to_owned()))
}

fn pins(text: &str) -> Result<Vec<Pin>, Accepted> {
    let pins = list::<Vec<_>>(text)?.iter().map(|pin| pin.parse()).collect::<Result<Vec<_>, PinError>>();
    let accepted =
        "SHA-256 fingerprints with commas between, as `openssl x509 -noout -fingerprint -sha256` prints them";
    // No list is empty: it would switch TLS off without a word.
    pins.ok().filter(|pins| !pins.is_empty()).ok_or_else(|| Accepted(accepted.to_owned()))
}

fn remote_write_url(text: &str) -> Result<Uri, Accepted> {
    url(text)
        .ok_or_else(|| Accepted("the workspace's remote-write URL, https://…/api/v1/remote_write".to_owned()))
}

fn remote_write_version(text: &str) -> Result<Version, Accepted> {
    match text {
        "1.0" => Ok(Version::V1),
        "2.0" => Ok(Version::V2),
        _ => Err(Accepted("1.0 or 2.0".to_owned())),
    }
}

fn otlp_url(text: &str) -> Result<Uri, Accepted> {
    url(text).ok_or_else(|| Accepted("a URL, https://…/v1/traces".to_owned()))
}

fn address(text: &str) -> Result<String, Accepted> {
    let address = url(text).map(|_| text.to_owned());
    address.ok_or_else(|| Accepted("an address, https://…".to_owned()))
}

fn url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("https" | "http")) && url.authority().is_some();
    is_http.then_some(url)
}

fn traces_exporter(text: &str) -> Result<TracesExporter, Accepted> {
    match text {
        "xray" => Ok(TracesExporter::XRay),
        "otlp" => Ok(TracesExporter::Otlp),
        _ => Err(Accepted("xray or otlp".to_owned())),
    }
}

fn list<T: FromIterator<String>>(text: &str) -> Result<T, Accepted> {
    Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write";

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn key_and_endpoint_are_required_and_the_rest_has_adots_defaults() {
        let key = "0b".repeat(32);
        let required = [("SIPHON_KEY", key.as_str()), ("AWS_PROMETHEUS_ENDPOINT", URL)];
        let config = read(&required).unwrap();
        assert_eq!(config.prometheus_endpoint, URL);
        assert_eq!(config.remote_write_version, Version::V1);
        assert_eq!((config.concurrent_agents, config.page_max_bytes), (16, 1_048_576));
        assert!(config.translation.ecs.suffixes && config.translation.prometheus.suffixes);
        assert!(!config.translation.xray.index_all);
        assert_eq!((config.traces_exporter, config.xray_address), (TracesExporter::XRay, None));

        assert_eq!(config.translation.prometheus.resource_labels, ResourceFilter::All);
        assert_eq!(config.agent, Agent { container: "siphon-agent".into(), port: 4319 });
        assert_eq!(config.agent_certificates, []);

        let more = [
            ("SIPHON_METRIC_SUFFIXES", "false"),
            ("SIPHON_INDEXED_ATTRIBUTES", "a, b,"),
            ("SIPHON_RESOURCE_LABELS", "curated"),
        ];
        let config = read(&[&required[..], &more].concat()).unwrap();
        assert!(!config.translation.ecs.suffixes && !config.translation.prometheus.suffixes);
        assert_eq!(config.translation.prometheus.resource_labels, ResourceFilter::Curated);
        assert_eq!(config.translation.xray.indexed_attributes, ["a", "b"].map(String::from).into());
    }

    #[test]
    fn keys_are_given_or_in_a_secret_but_not_both() {
        let [key, other] = ["0b", "0c"].map(|byte| byte.repeat(32));
        let two = format!("{key},{other}");
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:siphon-AbCdEf";
        let keys = |settings: &[(&str, &str)]| {
            read(&[&[("AWS_PROMETHEUS_ENDPOINT", URL)], settings].concat()).map(|config| config.keys)
        };
        assert_eq!(keys(&[("SIPHON_KEY", &two)]), Ok(KeySource::Given(two.parse().unwrap())));
        assert_eq!(keys(&[("SIPHON_KEY_SECRET_ARN", arn)]), Ok(KeySource::Secret(arn.to_owned())));
        let both = keys(&[("SIPHON_KEY_SECRET_ARN", arn), ("SIPHON_KEY", &key)]).unwrap_err();
        assert!(
            both.contains("SIPHON_KEY: is set beside SIPHON_KEY_SECRET_ARN") && !both.contains(&key),
            "{both}"
        );
        let bad = keys(&[("SIPHON_KEY_SECRET_ARN", "siphon"), ("SIPHON_KEY", &key)]).unwrap_err();
        assert!(bad.contains("SIPHON_KEY_SECRET_ARN: accepted: a secret's ARN"), "{bad}");
        assert!(!format!("{:?}", keys(&[("SIPHON_KEY", &key)])).contains(&key));
    }

    #[test]
    fn amps_limits_are_kept_where_the_host_is_amps_or_the_setting_says_so() {
        let key = "0b".repeat(32);
        let prometheus = "http://prometheus.internal:9090/api/v1/write";
        for (endpoint, setting, want) in [
            (URL, "", true),
            (URL, "auto", true),
            (URL, "false", false),
            (prometheus, "Auto", false),
            (prometheus, "true", true),
        ] {
            let settings = [
                ("SIPHON_KEY", key.as_str()),
                ("AWS_PROMETHEUS_ENDPOINT", endpoint),
                ("SIPHON_AMP_LIMITS", setting),
            ];
            assert_eq!(read(&settings).unwrap().amp_limits, want, "{endpoint} {setting}");
        }
    }

    #[test]
    fn every_bad_setting_is_named_and_the_key_is_not_quoted() {
        let bad = [
            ("SIPHON_KEY", "secret"),
            ("AWS_PROMETHEUS_ENDPOINT", "ws-1"),
            ("SIPHON_REMOTE_WRITE_VERSION", "3"),
            ("SIPHON_ECS_METRICS", "ecs.task.luck"),
            ("SIPHON_AMP_LIMITS", "maybe"),
            ("SIPHON_CONCURRENT_AGENTS", "0"),
            ("SIPHON_PAGE_MAX_BYTES", "2097153"),
            ("SIPHON_AGENT_PORT", "0"),
            ("SIPHON_AGENT_CERTIFICATES", "ab:cd"),
            ("SIPHON_TRACES_EXPORTER", "zipkin"),
            ("SIPHON_XRAY_OTLP_ENDPOINT", "xray"),
            ("AWS_ENDPOINT_URL_XRAY", "xray"),
        ];
        let errors = read(&bad).unwrap_err();
        for (name, _) in bad {
            assert!(errors.contains(name), "{name} in {errors}");
        }
        assert!(!errors.contains("secret"));
        assert!(read(&[("SIPHON_PAGE_MAX_BYTES", "1")]).unwrap_err().contains("SIPHON_PAGE_MAX_BYTES"));
        assert!(read(&[]).unwrap_err().contains("is required"));
    }
}
