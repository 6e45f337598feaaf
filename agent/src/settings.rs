//! What the agent is told by its environment.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use log::LevelFilter;
use siphon_core::{
    otlp::delta,
    scrapes::MAX_TEXT_BYTES,
    settings::{Accepted, SettingErrors, Settings as Reader, duration, flag, parsed, whole},
    wire::{DEFAULT_PORT, Keys},
};

use crate::{
    logging::Format,
    net::tls::{self, Tls},
    receivers::{
        metadata::{Endpoint, EndpointError},
        prometheus,
        statsd::StatsdSettings,
    },
    spool::Spool,
};

/// The setting that says where receivers listen that have no address of their own.
pub const RECEIVER_HOST: &str = "SIPHON_RECEIVER_HOST";

/// The setting that says where pulls and health checks are answered.
pub const PULL_ADDRESS: &str = "SIPHON_PULL_ADDRESS";
/// The setting that says where OTLP over gRPC is received.
pub const OTLP_GRPC_ADDRESS: &str = "SIPHON_OTLP_GRPC_ADDRESS";
/// The setting that says where OTLP over HTTP is received.
pub const OTLP_HTTP_ADDRESS: &str = "SIPHON_OTLP_HTTP_ADDRESS";
/// The setting that says where the agent tells its own metrics.
pub const METRICS_ADDRESS: &str = "SIPHON_METRICS_ADDRESS";
/// The setting that says which Prometheus targets are scraped.
const SCRAPE_TARGETS: &str = "SIPHON_SCRAPE_TARGETS";
/// The setting that says how many targets there may be.
const SCRAPE_MAX_TARGETS: &str = "SIPHON_SCRAPE_MAX_TARGETS";
/// The setting that says where X-Ray SDKs send segments (UDP) and ask for sampling (TCP).
pub const XRAY_ADDRESS: &str = "SIPHON_XRAY_ADDRESS";
/// The setting, made by ECS, that says where the metadata endpoint is.
pub const METADATA_URI: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// All settings. Together they fix the memory ceiling: spool, one page, bodies in flight and connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Shared with the pullers. `SIPHON_KEY`, required.
    pub keys: Keys,
    /// Time between two readings. `SIPHON_SAMPLE_INTERVAL`.
    pub sample_interval: Duration,
    /// The directory that the spool lies in, if it is not in memory. `SIPHON_SPOOL_DIR`.
    pub spool_dir: Option<PathBuf>,
    /// Both shares of the spool. `SIPHON_SPOOL_MAX_BYTES`, or `SIPHON_SPOOL_DISK_MAX_BYTES` in a directory.
    pub spool_max_bytes: usize,
    /// Where OTLP over gRPC is received, if anywhere. `SIPHON_OTLP_GRPC_ADDRESS`.
    pub otlp_grpc_address: Option<SocketAddr>,
    /// Where OTLP over HTTP is received, if anywhere. `SIPHON_OTLP_HTTP_ADDRESS`.
    pub otlp_http_address: Option<SocketAddr>,
    /// The largest OTLP request without its compression, never more than fits into a share. `SIPHON_OTLP_MAX_BODY_BYTES`.
    pub otlp_max_body_bytes: usize,
    /// What is said of StatsD.
    pub statsd: StatsdSettings,
    /// Series of delta metrics that are accumulated, and for how long without a point; none: delta metrics are kept as
    /// they come. `SIPHON_DELTA_MAX_SERIES`, `SIPHON_DELTA_EXPIRY`.
    pub delta: Option<delta::Limits>,
    /// Which Prometheus targets are scraped. `SIPHON_SCRAPE_TARGETS`, and `AWS_PROMETHEUS_SCRAPING_ENDPOINT` as for ADOT.
    pub scrape_targets: Vec<prometheus::Target>,
    /// Whether containers' labels name more. `SIPHON_SCRAPE_DOCKER_LABELS`.
    pub scrape_docker_labels: bool,
    /// How many targets there may be. `SIPHON_SCRAPE_MAX_TARGETS`.
    pub scrape_max_targets: usize,
    /// The largest text of a target, decompressed. `SIPHON_SCRAPE_MAX_BODY_BYTES`.
    pub scrape_max_body_bytes: usize,
    /// The latest texts of all targets, texts on their way, and open blocks, together. `SIPHON_SCRAPE_MEMORY_BYTES`.
    pub scrape_memory_bytes: usize,
    /// Where X-Ray SDKs find their daemon, UDP and TCP, if anywhere. `SIPHON_XRAY_ADDRESS`.
    pub xray_address: Option<SocketAddr>,
    /// Where pulls and health checks are answered. `SIPHON_PULL_ADDRESS`.
    pub pull_address: SocketAddr,
    /// With which certificate, if pulls are answered over TLS. `SIPHON_TLS_CERTIFICATE`, `SIPHON_TLS_PRIVATE_KEY`.
    pub tls: Option<Tls>,
    /// How long to serve on after SIGTERM. `SIPHON_GRACE`.
    pub grace: Duration,
    /// What is logged. `SIPHON_LOG_LEVEL`.
    pub log_level: LevelFilter,
    /// How it is written. `SIPHON_LOG_FORMAT`.
    pub log_format: Format,
    /// Where the agent's own metrics are told, if anywhere. `SIPHON_METRICS_ADDRESS`.
    pub metrics_address: Option<SocketAddr>,
    /// The task metadata endpoint. `ECS_CONTAINER_METADATA_URI_V4`; without it nothing is sampled, and no pull is
    /// answered, because the agent can't know its task.
    pub metadata: Option<Endpoint>,
}

const HOUR: Duration = Duration::from_secs(3600);
const DEFAULT_PULL_ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::UNSPECIFIED, DEFAULT_PORT);

impl Settings {
    /// The longest payload of a record that the spool takes.
    #[must_use]
    pub const fn payload_limit(&self) -> usize {
        Spool::payload_limit(self.spool_max_bytes, self.spool_dir.is_some())
    }

    /// Reads all settings.
    ///
    /// # Errors
    /// All settings that were refused, each with what is accepted.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, SettingErrors> {
        let mut read = Reader::new(look_up);
        let keys = read.required("SIPHON_KEY", parsed(Keys::ACCEPTED));
        let (spool_dir, spool_max_bytes) = read_spool(&mut read);
        let payload_limit = Spool::payload_limit(spool_max_bytes, spool_dir.is_some());
        let otlp_max_body_bytes = read.read("SIPHON_OTLP_MAX_BODY_BYTES", 4 << 20, whole(1 << 10..=16 << 20));
        let sample_interval = read.read(
            "SIPHON_SAMPLE_INTERVAL",
            Duration::from_secs(20),
            duration(Duration::from_millis(200)..=HOUR),
        );
        let host = read.read(
            RECEIVER_HOST,
            Ipv4Addr::LOCALHOST.into(),
            parsed("an IP address, such as 127.0.0.1, or 0.0.0.0 for all of the task's"),
        );
        let otlp_grpc_address = read_receiver(&mut read, OTLP_GRPC_ADDRESS, host, 4317);
        let otlp_http_address = read_receiver(&mut read, OTLP_HTTP_ADDRESS, host, 4318);
        let statsd = StatsdSettings::read(&mut read, host);
        let delta = read_delta(&mut read);
        let scrape_max_targets = read.read(SCRAPE_MAX_TARGETS, 16, whole(1..=64));
        let scrape_targets = read_scrape_targets(&mut read, scrape_max_targets);
        let scrape_docker_labels = read.read("SIPHON_SCRAPE_DOCKER_LABELS", false, flag);
        let scrape_max_body_bytes =
            read.read("SIPHON_SCRAPE_MAX_BODY_BYTES", 1 << 20, whole(1 << 10..=MAX_TEXT_BYTES));
        let scrape_memory_bytes = read.read("SIPHON_SCRAPE_MEMORY_BYTES", 4 << 20, whole(64 << 10..=1 << 30));
        let xray_address = read_receiver(&mut read, XRAY_ADDRESS, host, 2000);
        let pull_address = read_address(&mut read, PULL_ADDRESS, DEFAULT_PULL_ADDRESS);
        let tls = read_tls(&mut read);
        let grace =
            read.read("SIPHON_GRACE", Duration::from_secs(25), duration(Duration::from_millis(1)..=HOUR));
        let log_level = read.read(
            "SIPHON_LOG_LEVEL",
            LevelFilter::Info,
            parsed("off, error, warn, info, debug or trace"),
        );
        let log_format = read.read("SIPHON_LOG_FORMAT", Format::default(), parsed("text or json"));
        // On loopback even if receivers are open: what it tells is the task's own business.
        let metrics_address = read_receiver(&mut read, METRICS_ADDRESS, Ipv4Addr::LOCALHOST.into(), 8888);
        let metadata = read.optional(METADATA_URI, |text| {
            text.parse().map_err(|error: EndpointError| Accepted(error.to_string()))
        });
        read.finish_required(keys.map(|keys| Self {
            keys,
            sample_interval,
            spool_dir,
            spool_max_bytes,
            otlp_grpc_address,
            otlp_http_address,
            otlp_max_body_bytes: otlp_max_body_bytes.min(payload_limit),
            statsd,
            delta,
            scrape_targets,
            scrape_docker_labels,
            scrape_max_targets,
            scrape_max_body_bytes,
            scrape_memory_bytes,
            xray_address,
            pull_address,
            tls,
            grace,
            log_level,
            log_format,
            metrics_address,
            metadata,
        }))
    }
}

/// Where the spool lies, if not in memory, and its size there. Both sizes are read, so that no mistake waits for the day on
/// which it matters.
fn read_spool(read: &mut Reader<impl Fn(&str) -> Option<String>>) -> (Option<PathBuf>, usize) {
    let in_memory = read.read("SIPHON_SPOOL_MAX_BYTES", 8 << 20, whole(64 << 10..=1 << 30));
    let on_disk = read.read("SIPHON_SPOOL_DISK_MAX_BYTES", 256 << 20, whole(64 << 10..=200 << 30));
    let dir = read.optional("SIPHON_SPOOL_DIR", |text| match Path::new(text) {
        path if path.is_absolute() => Ok(path.to_owned()),
        _ => Err(Accepted("an absolute path, such as /var/lib/siphon".to_owned())),
    });
    let max_bytes = if dir.is_some() { on_disk } else { in_memory };
    (dir, max_bytes)
}

/// Where pulls are answered, without a look at the other settings: a health check needs no more.
///
/// # Errors
/// The setting was refused.
pub fn read_pull_address(look_up: impl Fn(&str) -> Option<String>) -> Result<SocketAddr, SettingErrors> {
    let mut read = Reader::new(look_up);
    let address = read_address(&mut read, PULL_ADDRESS, DEFAULT_PULL_ADDRESS);
    read.finish(address)
}

/// Where a receiver listens: `off`, an address of its own, or its usual port on the receivers' host.
pub(crate) fn read_receiver(
    read: &mut Reader<impl Fn(&str) -> Option<String>>,
    name: &'static str,
    host: IpAddr,
    port: u16,
) -> Option<SocketAddr> {
    read.read(name, Some(SocketAddr::new(host, port)), |text| match text {
        "off" => Ok(None),
        address => parsed("an IP address and a port, such as 127.0.0.1:4318, or off")(address).map(Some),
    })
}

/// The certificate and its key, if both are given. One alone is refused.
fn read_tls(read: &mut Reader<impl Fn(&str) -> Option<String>>) -> Option<Tls> {
    let text = |accepted: &'static str| {
        move |text: &str| {
            let is_pem = text.trim_start().starts_with("-----BEGIN ");
            if is_pem { Ok(text.to_owned()) } else { Err(Accepted(accepted.to_owned())) }
        }
    };
    let certificate = read.optional(tls::CERTIFICATE, text(tls::CERTIFICATE_ACCEPTED));
    let key = read.optional(tls::PRIVATE_KEY, text(tls::PRIVATE_KEY_ACCEPTED));
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let tls = Tls::read(&certificate, &key);
            tls.inspect_err(|why| read.refuse(tls::CERTIFICATE, (*why).to_owned())).ok()
        }
        (Some(_), None) => {
            read.refuse(tls::PRIVATE_KEY, format!("is required with {}", tls::CERTIFICATE));
            None
        }
        (None, Some(_)) => {
            read.refuse(tls::CERTIFICATE, format!("is required with {}", tls::PRIVATE_KEY));
            None
        }
        (None, None) => None,
    }
}

fn read_delta(read: &mut Reader<impl Fn(&str) -> Option<String>>) -> Option<delta::Limits> {
    let series = read.read("SIPHON_DELTA_MAX_SERIES", 2_000, whole(0..=100_000));
    let expiry = read.read("SIPHON_DELTA_EXPIRY", HOUR, duration(Duration::from_secs(1)..=24 * 7 * HOUR));
    (series > 0).then_some(delta::Limits { series, expiry })
}

/// The targets of both settings, which may be as many as `max`.
fn read_scrape_targets(
    read: &mut Reader<impl Fn(&str) -> Option<String>>,
    max: usize,
) -> Vec<prometheus::Target> {
    let mut targets = read.read(SCRAPE_TARGETS, Vec::new(), prometheus::list);
    if let Some(target) = read.optional("AWS_PROMETHEUS_SCRAPING_ENDPOINT", prometheus::endpoint) {
        if targets.iter().any(|other| other.key() == target.key()) {
            let why =
                "names the target of AWS_PROMETHEUS_SCRAPING_ENDPOINT too: give it a job, or leave one out";
            read.refuse(SCRAPE_TARGETS, why.to_owned());
        }
        targets.push(target);
    }
    if targets.len() > max {
        let why = format!(
            "accepted: as many targets as {SCRAPE_MAX_TARGETS} says, {max}; there are {}",
            targets.len()
        );
        read.refuse(SCRAPE_TARGETS, why);
    }
    targets
}

fn read_address(
    read: &mut Reader<impl Fn(&str) -> Option<String>>,
    name: &'static str,
    default: (Ipv4Addr, u16),
) -> SocketAddr {
    read.read(name, default.into(), parsed("an IP address and a port, such as 127.0.0.1:4318 or [::]:4319"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) =
        ("SIPHON_KEY", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingErrors> {
        Settings::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn only_the_key_is_required() {
        let settings = read(&[KEY]).unwrap();
        assert_eq!(settings.sample_interval, Duration::from_secs(20));
        assert_eq!(settings.spool_max_bytes, 8_388_608);
        assert_eq!(settings.otlp_grpc_address, Some("127.0.0.1:4317".parse().unwrap()));
        assert_eq!(settings.otlp_http_address, Some("127.0.0.1:4318".parse().unwrap()));
        assert_eq!(settings.xray_address, Some("127.0.0.1:2000".parse().unwrap()));
        assert_eq!(settings.pull_address.to_string(), "0.0.0.0:4319");
        assert_eq!(settings.grace, Duration::from_secs(25));
        assert!(settings.metadata.is_none());
        assert!(read(&[]).unwrap_err().to_string().contains("SIPHON_KEY: is required"));
    }

    #[test]
    fn receivers_are_opened_together_moved_or_switched_off() {
        let otlp_http = |pairs: &[(&str, &str)]| read(&[&[KEY], pairs].concat()).unwrap().otlp_http_address;
        let open = (RECEIVER_HOST, "0.0.0.0");
        assert_eq!(otlp_http(&[open]), Some(([0; 4], 4318).into()));
        assert_eq!(otlp_http(&[open, (OTLP_HTTP_ADDRESS, "[::1]:9")]), Some("[::1]:9".parse().unwrap()));
        assert_eq!(otlp_http(&[open, (OTLP_HTTP_ADDRESS, "off")]), None);
        let metrics = read(&[KEY, open]).unwrap().metrics_address;
        assert_eq!(metrics, Some("127.0.0.1:8888".parse().unwrap()), "the task's own business");
    }

    #[test]
    fn targets_of_both_settings_are_scraped_as_many_as_there_may_be() {
        let list = (SCRAPE_TARGETS, "http://127.0.0.1:1,http://127.0.0.1:2");
        let adot = |endpoint| ("AWS_PROMETHEUS_SCRAPING_ENDPOINT", endpoint);
        assert_eq!(read(&[KEY, list, adot("127.0.0.1:3")]).unwrap().scrape_targets.len(), 3);
        let error = read(&[KEY, list, adot("127.0.0.1:2")]).unwrap_err().to_string();
        assert!(error.contains("SIPHON_SCRAPE_TARGETS: names the target of AWS_"), "{error}");
        let error =
            read(&[KEY, list, adot("127.0.0.1:3"), (SCRAPE_MAX_TARGETS, "2")]).unwrap_err().to_string();
        assert!(error.contains("SIPHON_SCRAPE_MAX_TARGETS says, 2; there are 3"), "{error}");
    }

    #[test]
    fn a_body_never_exceeds_what_a_share_holds() {
        assert_eq!(read(&[KEY]).unwrap().otlp_max_body_bytes, 4_194_304 - 21);
        let small = [KEY, ("SIPHON_SPOOL_MAX_BYTES", "65536")];
        assert_eq!(read(&small).unwrap().otlp_max_body_bytes, 32_768 - 21);
    }

    #[test]
    fn a_directory_has_a_size_of_its_own() {
        let spool = |pairs: &[(&str, &str)]| {
            let settings = read(&[&[KEY], pairs].concat()).unwrap();
            (settings.spool_dir.is_some(), settings.spool_max_bytes, settings.payload_limit())
        };
        let disk = ("SIPHON_SPOOL_DISK_MAX_BYTES", "1000000");
        assert_eq!(spool(&[disk]), (false, 8 << 20, (4 << 20) - 21));
        let dir = ("SIPHON_SPOOL_DIR", "/var/lib/siphon");
        assert_eq!(spool(&[dir]), (true, 256 << 20, (128 << 20) - 33));
        assert_eq!(spool(&[dir, disk]), (true, 1_000_000, 500_000 - 33));
    }

    #[test]
    fn delta_metrics_are_accumulated_unless_no_series_are_wanted() {
        let delta = |pairs: &[(&str, &str)]| read(&[&[KEY], pairs].concat()).unwrap().delta;
        assert_eq!(delta(&[]), Some(delta::Limits { series: 2_000, expiry: HOUR }));
        assert_eq!(delta(&[("SIPHON_DELTA_MAX_SERIES", "0")]), None);
    }

    #[test]
    fn every_bad_setting_is_named_and_none_quoted() {
        let names = [
            "SIPHON_KEY",
            "SIPHON_SAMPLE_INTERVAL",
            "SIPHON_SPOOL_MAX_BYTES",
            "SIPHON_SPOOL_DISK_MAX_BYTES",
            "SIPHON_SPOOL_DIR",
            "SIPHON_RECEIVER_HOST",
            "SIPHON_OTLP_GRPC_ADDRESS",
            "SIPHON_OTLP_HTTP_ADDRESS",
            "SIPHON_OTLP_MAX_BODY_BYTES",
            "SIPHON_STATSD_ADDRESS",
            "SIPHON_STATSD_INTERVAL",
            "SIPHON_STATSD_TIMERS",
            "SIPHON_STATSD_BUCKETS",
            "SIPHON_STATSD_MAX_SERIES",
            "SIPHON_STATSD_EXPIRY",
            "SIPHON_DELTA_MAX_SERIES",
            "SIPHON_DELTA_EXPIRY",
            "SIPHON_SCRAPE_TARGETS",
            "AWS_PROMETHEUS_SCRAPING_ENDPOINT",
            "SIPHON_SCRAPE_DOCKER_LABELS",
            "SIPHON_SCRAPE_MAX_TARGETS",
            "SIPHON_SCRAPE_MAX_BODY_BYTES",
            "SIPHON_SCRAPE_MEMORY_BYTES",
            "SIPHON_XRAY_ADDRESS",
            "SIPHON_PULL_ADDRESS",
            "SIPHON_GRACE",
            "SIPHON_LOG_LEVEL",
            "SIPHON_LOG_FORMAT",
            "SIPHON_METRICS_ADDRESS",
            "ECS_CONTAINER_METADATA_URI_V4",
        ];
        let error = read(&names.map(|name| (name, "no/sense"))).unwrap_err().to_string();
        for name in names {
            assert!(error.contains(&format!("\n  {name}: accepted: ")), "{name}: {error}");
        }
        let count = format!("{} setting(s) refused", names.len());
        assert!(error.starts_with(&count) && !error.contains("no/sense"), "{error}");
    }
}
