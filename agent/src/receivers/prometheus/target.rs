//! What is scraped: as settings say it, or labels of containers.

use std::time::Duration;

use http::{Uri, uri::PathAndQuery};
use siphon_core::{
    scrapes,
    settings::{Accepted, duration},
};

/// The job of targets that are given none, as in ADOT's configuration.
const JOB: &str = "otel-collector";

/// Where metrics are unless a target says otherwise.
const PATH: &str = "/metrics";

/// How often targets are scraped, and for how long they may answer, as in ADOT's configuration.
const INTERVAL: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(10);

const MIN_INTERVAL: Duration = Duration::from_millis(200);
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What its series tell of it. The `instance` is also the address to connect to.
    pub described: scrapes::Target,
    /// As the `Host` header has it.
    pub authority: String,
    /// With the query, if it has one.
    pub path: String,
    /// Time between two scrapes.
    pub interval: Duration,
    /// No scrape takes longer.
    pub timeout: Duration,
}

impl Target {
    /// A target at `authority`, a host and perhaps a port.
    fn at(authority: &str, path: String) -> Option<Self> {
        let authority: http::uri::Authority = authority.parse().ok()?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let port = authority.port_u16();
        if port.is_none() && authority.as_str() != authority.host() {
            return None;
        }
        let instance = format!("{}:{}", authority.host(), port.unwrap_or(80));
        let described = scrapes::Target { job: JOB.to_owned(), instance, attributes: Vec::new() };
        let (interval, timeout) = (INTERVAL, TIMEOUT);
        Some(Self { described, authority: authority.to_string(), path, interval, timeout })
    }

    /// A target that a container's labels name.
    pub(super) fn labelled(host: &str, port: &str, path: Option<&str>, job: Option<&str>) -> Option<Self> {
        let port: u16 = port.trim().parse().ok().filter(|port| *port > 0)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let path = path.filter(|path| !path.is_empty()).unwrap_or(PATH);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path: PathAndQuery = path.parse().ok()?;
        let mut target = Self::at(&format!("{host}:{port}"), path.to_string())?;
        if let Some(job) = job.filter(|job| !job.is_empty()) {
            job.clone_into(&mut target.described.job);
        }
        Some(target)
    }

    /// The path alone, for the log: a query may hold a token.
    pub(super) fn path_without_query(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// What tells it from others: two that agree in it would have the same series.
    pub(crate) fn key(&self) -> (String, String) {
        (self.described.job.clone(), self.described.instance.clone())
    }
}

/// Parses the target of ADOT's configuration, `host:port`.
///
/// # Errors
/// Any other text.
pub fn endpoint(text: &str) -> Result<Target, Accepted> {
    let target = Target::at(text, PATH.to_owned());
    target.ok_or_else(|| Accepted("a host and a port, such as 127.0.0.1:9090".to_owned()))
}

/// Parses targets with commas between: each a URL and options after semicolons.
///
/// # Errors
/// Names each target that is none, by its place, and what is wrong with it.
pub fn list(text: &str) -> Result<Vec<Target>, Accepted> {
    let mut targets: Vec<Target> = Vec::new();
    let mut faults = Vec::new();
    for (index, piece) in text.split(',').enumerate() {
        let read = target(piece.trim()).and_then(|target| {
            let is_known = targets.iter().any(|known| known.key() == target.key());
            if is_known { Err("has job, host and port of an earlier one".to_owned()) } else { Ok(target) }
        });
        match read {
            Ok(target) => targets.push(target),
            Err(fault) => faults.push(format!("target {} {fault}", index + 1)),
        }
    }
    if faults.is_empty() {
        return Ok(targets);
    }
    let example = "http://127.0.0.1:9090/metrics;job=app;interval=15s;timeout=5s";
    Err(Accepted(format!("URLs with options, such as {example}, with commas between; {}", faults.join("; "))))
}

fn target(piece: &str) -> Result<Target, String> {
    let mut parts = piece.split(';').map(str::trim);
    let mut target = url(parts.next().unwrap_or_default())?;
    let mut timeout = None;
    for option in parts {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let time = |limits| {
            duration(limits)(value).map_err(|Accepted(what)| format!("has a bad {name}: accepted is {what}"))
        };
        match name {
            "job" if !value.is_empty() => value.clone_into(&mut target.described.job),
            "interval" => target.interval = time(MIN_INTERVAL..=MAX_INTERVAL)?,
            "timeout" => timeout = Some(time(Duration::from_millis(1)..=MAX_INTERVAL)?),
            _ => return Err("has an option that is none of job=…, interval=… and timeout=…".to_owned()),
        }
    }
    target.timeout = timeout.unwrap_or(TIMEOUT.min(target.interval));
    if target.timeout > target.interval {
        return Err("has a timeout over its interval".to_owned());
    }
    Ok(target)
}

fn url(text: &str) -> Result<Target, String> {
    let uri: Uri = text.parse().map_err(|_| "is no URL".to_owned())?;
    if uri.scheme_str() != Some("http") {
        return Err("does not begin with http:// (the agent has no TLS)".to_owned());
    }
    let path = match uri.path_and_query().map(PathAndQuery::as_str) {
        Some(path) if path != "/" || text.ends_with('/') => path,
        _ => PATH,
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    Target::at(authority, path.to_owned()).ok_or_else(|| "has no host, or a bad port, or a user".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(target: &Target) -> String {
        let Target { described, authority, path, interval, timeout } = target;
        format!("{} {} {authority} {path} {interval:?} {timeout:?}", described.job, described.instance)
    }

    #[test]
    fn targets_are_urls_with_options() {
        let text = "http://127.0.0.1:9090, http://app/;job=a ;interval=5s,http://[::1]:9/m?x=y;timeout=2s; interval=1m";
        let targets = list(text).ok().unwrap();
        assert_eq!(
            targets.iter().map(shown).collect::<Vec<_>>(),
            [
                "otel-collector 127.0.0.1:9090 127.0.0.1:9090 /metrics 20s 10s",
                "a app:80 app / 5s 5s",
                "otel-collector [::1]:9 [::1]:9 /m?x=y 60s 2s",
            ]
        );
        let endpoint = |text| endpoint(text).ok().map(|target| shown(&target));
        assert_eq!(
            endpoint("localhost:8080").unwrap(),
            "otel-collector localhost:8080 localhost:8080 /metrics 20s 10s"
        );
        for text in ["http://127.0.0.1:1", "127.0.0.1:1/metrics", "a b", "x:99999", "user@x:1", ":80"] {
            assert_eq!(endpoint(text), None, "{text}");
        }
    }

    #[test]
    fn every_bad_target_is_named_by_its_place_and_not_quoted() {
        let text = "https://a:1,http://b:1;job=,http://b:1,http://b:1/x,http://c:1;interval=1ms,http://d:1;timeout=30s,,\
            http://secret@e:1,http://f:1;color=red";
        let Err(Accepted(text)) = list(text) else { panic!("taken") };
        for want in [
            "target 1 does not begin with http://",
            "target 2 has an option that is none of",
            "target 4 has job, host and port of an earlier one",
            "target 5 has a bad interval: accepted is a duration from 200ms to 3600s",
            "target 6 has a timeout over its interval",
            "target 7 is no URL",
            "target 8 has no host, or a bad port, or a user",
            "target 9 has an option that is none of",
        ] {
            assert!(text.contains(want), "{want}: {text}");
        }
        assert!(!text.contains("target 3") && !text.contains("secret") && !text.contains("red"), "{text}");
    }

    #[test]
    fn labels_name_a_port_and_perhaps_a_path_and_a_job() {
        let labelled = |host, port, path, job| Target::labelled(host, port, path, job).map(|t| shown(&t));
        assert_eq!(
            labelled("127.0.0.1", "9404", None, Some("")).unwrap(),
            "otel-collector 127.0.0.1:9404 127.0.0.1:9404 /metrics 20s 10s"
        );
        assert_eq!(
            labelled("fd00::1", "80", Some("stats?a=b"), Some("jmx")).unwrap(),
            "jmx [fd00::1]:80 [fd00::1]:80 /stats?a=b 20s 10s"
        );
        for (port, path) in [("", None), ("0", None), ("x", None), ("99999", None), ("1", Some("a b"))] {
            assert_eq!(labelled("127.0.0.1", port, path, None), None, "{port} {path:?}");
        }
    }
}
