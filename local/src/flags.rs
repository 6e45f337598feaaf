//! The command line.

use std::{
    ffi::OsString,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use lexopt::{Arg, Parser};
use siphon_core::settings::{Accepted, duration, parsed, whole};

const HELP: &str = "\
Siphon on one machine: the real agent and functions, against a stand-in for AWS.

Usage: cargo run --release -- [FLAGS]

  --seconds N             stop by itself after N seconds (default: run until Ctrl-C)
  --json                  print the summary as one JSON object on the last line of stdout; all else goes to stderr
  --tasks N               number of ECS tasks, 1 to 400 (default 6)
  --short-tasks N         as many of them are stopped after five seconds (default 0)
  --task-event-delay DURATION  how late the events come by which stopping tasks are drained, up to 60s (default 0ms)
  --every DURATION        schedule of `enumerate`, from 200ms to 1h (default 2s)
  --no-workload           no shop: the tasks have ECS metrics only, unless you send them OTLP
  --all-ecs-metrics       every ECS metric in place of ADOT's nine
  --no-metric-suffixes    names without units, such as ecs_task_cpu_utilized, as the public ECS dashboard asks for
  --remote-write-url URL  write samples to this Prometheus in place of the built-in receiver
  --xray-endpoint URL     send segments to this X-Ray endpoint in place of the built-in one
  --metadata-url URL      task 1 uses this metadata endpoint (version 4) and has the identity that it tells
  --otlp-http ADDR        where task 1's agent takes OTLP/HTTP, such as 127.0.0.1:4318
  --page ADDR             address of the web page (default 127.0.0.1:8080)
  --bin-dir DIR           run the binaries in DIR in place of building them
  --tls                   pulls go over TLS; with --bin-dir, its agent needs the feature `tls`
  --verbose               show the logs of agents and functions
  --help, --version

While it runs: logs are files, errors are shown. Ctrl-C drains the agents and prints the summary; a second one kills.";

/// What to run.
#[derive(Debug, PartialEq)]
pub(crate) struct Flags {
    pub(crate) seconds: Option<Duration>,
    pub(crate) json: bool,
    pub(crate) tasks: usize,
    /// The last so many of them live for seconds only.
    pub(crate) short_tasks: usize,
    pub(crate) task_event_delay: Duration,
    pub(crate) every: Duration,
    pub(crate) workload: bool,
    pub(crate) all_ecs_metrics: bool,
    pub(crate) metric_suffixes: bool,
    pub(crate) remote_write_url: Option<String>,
    pub(crate) xray_endpoint: Option<String>,
    /// Without a slash at its end.
    pub(crate) metadata_url: Option<String>,
    pub(crate) otlp_http: Option<SocketAddr>,
    pub(crate) page: SocketAddr,
    pub(crate) bin_dir: Option<PathBuf>,
    pub(crate) tls: bool,
    pub(crate) verbose: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            seconds: None,
            json: false,
            tasks: 6,
            short_tasks: 0,
            task_event_delay: Duration::ZERO,
            every: Duration::from_secs(2),
            workload: true,
            all_ecs_metrics: false,
            metric_suffixes: true,
            remote_write_url: None,
            xray_endpoint: None,
            metadata_url: None,
            otlp_http: None,
            page: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            bin_dir: None,
            tls: false,
            verbose: false,
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed {
    /// To run.
    Run(Box<Flags>),
    /// To print this.
    Say(String),
}

/// Every flag that was refused, each with what is accepted.
#[derive(Debug)]
pub(crate) struct FlagErrors(Vec<String>);

impl fmt::Display for FlagErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flag(s) refused:", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// Reads the arguments (without the program's name).
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, FlagErrors> {
    let mut reader = Reader { args: Parser::from_args(args), errors: Vec::new() };
    let mut flags = Flags::default();
    loop {
        let name = match reader.args.next() {
            Ok(None) => break,
            Ok(Some(Arg::Long(name))) => name.to_owned(),
            Ok(Some(other)) => {
                let text = other.unexpected().to_string();
                reader.errors.push(text);
                continue;
            }
            // `--json=yes`: the value is dropped and reading goes on.
            Err(error) => {
                reader.errors.push(error.to_string());
                continue;
            }
        };
        match name.as_str() {
            "help" => return Ok(Parsed::Say(HELP.to_owned())),
            "version" => return Ok(Parsed::Say(format!("siphon-local {}", env!("CARGO_PKG_VERSION")))),
            _ => reader.flag(&name, &mut flags),
        }
    }
    if reader.errors.is_empty() { Ok(Parsed::Run(flags.into())) } else { Err(FlagErrors(reader.errors)) }
}

struct Reader {
    args: Parser,
    errors: Vec<String>,
}

impl Reader {
    fn flag(&mut self, name: &str, flags: &mut Flags) {
        match name {
            "json" => flags.json = true,
            "no-workload" => flags.workload = false,
            "all-ecs-metrics" => flags.all_ecs_metrics = true,
            "no-metric-suffixes" => flags.metric_suffixes = false,
            "tls" => flags.tls = true,
            "verbose" => flags.verbose = true,
            "seconds" => {
                flags.seconds = self.value(name, whole(1..=86_400)).map(Duration::from_secs);
            }
            "tasks" => self.set(name, whole(1..=400), &mut flags.tasks),
            "short-tasks" => self.set(name, whole(0..=400), &mut flags.short_tasks),
            "task-event-delay" => {
                self.set(
                    name,
                    duration(Duration::ZERO..=Duration::from_secs(60)),
                    &mut flags.task_event_delay,
                );
            }
            "every" => {
                let range = Duration::from_millis(200)..=Duration::from_secs(3600);
                self.set(name, duration(range), &mut flags.every);
            }
            "remote-write-url" => flags.remote_write_url = self.value(name, url),
            "xray-endpoint" => flags.xray_endpoint = self.value(name, url),
            "metadata-url" => flags.metadata_url = self.value(name, metadata_url),
            "otlp-http" => flags.otlp_http = self.value(name, parsed(ADDRESS)),
            "page" => self.set(name, parsed(ADDRESS), &mut flags.page),
            "bin-dir" => flags.bin_dir = self.value(name, parsed("a folder")),
            _ => self.errors.push(format!("--{name}: no such flag")),
        }
    }

    fn set<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Accepted>, into: &mut T) {
        if let Some(value) = self.value(name, parse) {
            *into = value;
        }
    }

    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Accepted>) -> Option<T> {
        let given = self.args.value().ok();
        let text = given.as_ref().and_then(|text| text.to_str()).unwrap_or_default();
        parse(text)
            .map_err(|Accepted(what)| {
                self.errors.push(match &given {
                    Some(given) => format!("--{name} {}: accepted: {what}", given.display()),
                    None => format!("--{name} needs a value: {what}"),
                });
            })
            .ok()
    }
}

const ADDRESS: &str = "an address and port, such as 127.0.0.1:4318";

fn url(text: &str) -> Result<String, Accepted> {
    let uri = text.parse::<http::Uri>().ok();
    let fits = uri.is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some());
    fits.then(|| text.to_owned()).ok_or_else(|| Accepted("a URL that begins with http:// or https://".into()))
}

fn metadata_url(text: &str) -> Result<String, Accepted> {
    let fits = url(text).is_ok() && text.starts_with("http://");
    fits.then(|| text.trim_end_matches('/').to_owned()).ok_or_else(|| {
        Accepted("a URL that begins with http://, as ECS_CONTAINER_METADATA_URI_V4 has it".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Parsed, FlagErrors> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_flag_is_read() {
        let Ok(Parsed::Run(flags)) = parse_words(
            "--seconds 60 --json --tasks 9 --short-tasks 2 --task-event-delay 3s --every 200ms --no-workload --all-ecs-metrics --tls --verbose --no-metric-suffixes \
             --remote-write-url http://127.0.0.1:9090/api/v1/write --xray-endpoint=http://127.0.0.1:2000 \
             --metadata-url http://127.0.0.1:9/v4/x/ --otlp-http 127.0.0.1:4318 --page 127.0.0.1:0 --bin-dir out",
        ) else {
            panic!("refused");
        };
        let expected = Flags {
            seconds: Some(Duration::from_secs(60)),
            json: true,
            tasks: 9,
            short_tasks: 2,
            task_event_delay: Duration::from_secs(3),
            every: Duration::from_millis(200),
            workload: false,
            all_ecs_metrics: true,
            metric_suffixes: false,
            remote_write_url: Some("http://127.0.0.1:9090/api/v1/write".into()),
            xray_endpoint: Some("http://127.0.0.1:2000".into()),
            metadata_url: Some("http://127.0.0.1:9/v4/x".into()),
            otlp_http: "127.0.0.1:4318".parse().ok(),
            page: "127.0.0.1:0".parse().unwrap(),
            bin_dir: Some("out".into()),
            tls: true,
            verbose: true,
        };
        assert_eq!(*flags, expected);
        assert_eq!(parse_words("").ok(), Some(Parsed::Run(Box::default())));
    }

    #[test]
    fn every_bad_flag_is_named_at_once() {
        let text = parse_words(
            "--tasks 0 --every 100ms --colour --otlp-http here --metadata-url https://x stray --json=yes --seconds",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "8 flag(s) refused",
            "--tasks 0: accepted: a whole number from 1 to 400",
            "--every 100ms: accepted: a duration from 200ms to 3600s",
            "--colour: no such flag",
            "--otlp-http here: accepted: an address and port",
            "--metadata-url https://x: accepted: a URL that begins with http://,",
            "stray",
            "--json",
            "--seconds needs a value",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    #[test]
    fn help_names_every_flag() {
        let Ok(Parsed::Say(help)) = parse_words("--help") else { panic!("no help") };
        for flag in ["seconds", "json", "tasks", "every", "no-workload", "remote-write-url", "xray-endpoint"]
        {
            assert!(help.contains(&format!("--{flag}")), "{flag}");
        }
    }
}
