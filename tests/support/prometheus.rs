//! A real Prometheus server that takes remote write.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use serde_json::Value;

use crate::{
    http::{free_port, get},
    process::Process,
    scratch::Scratch,
    skipped, wait,
};

/// Runs until dropped.
pub struct Prometheus {
    url: String,
    address: SocketAddr,
    _process: Process,
    _data: Scratch,
}

impl Prometheus {
    /// Out-of-order samples are taken, as Amazon Managed Prometheus does; exemplars and native histograms are stored.
    /// None, after saying that the test is skipped, if there is no `prometheus` on PATH.
    ///
    /// # Panics
    /// If it does not become ready.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::scraping("")
    }

    /// As [`Self::start`], but no sample is taken out of order, as is Prometheus' default.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn in_order() -> Option<Self> {
        Self::configured("exemplars: {max_exemplars: 1000}", "")
    }

    /// As [`Self::start`], and it scrapes by itself what `scrape_configs`, a list in YAML, says.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn scraping(scrape_configs: &str) -> Option<Self> {
        let storage = "tsdb: {out_of_order_time_window: 30m}, exemplars: {max_exemplars: 1000}";
        Self::configured(storage, scrape_configs)
    }

    fn configured(storage: &str, scrape_configs: &str) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let Some(program) = env::split_paths(&path).map(|dir| dir.join("prometheus")).find(|p| p.is_file())
        else {
            skipped("there is no prometheus on PATH; Debian's package has it");
            return None;
        };
        let data = Scratch::new();
        let config = data.path().join("prometheus.yml");
        fs::write(&config, format!("storage: {{{storage}}}\nscrape_configs: [{scrape_configs}]\n")).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--enable-feature=exemplar-storage,native-histograms");
        let process = Process::start("prometheus", &mut command, data.path());
        let url = format!("http://{address}");
        wait::until("Prometheus is ready", || get(&format!("{url}/-/ready"), &[]));
        Some(Self { url, address, _process: process, _data: data })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes remote write.
    #[must_use]
    pub fn write_url(&self) -> String {
        format!("{}/api/v1/write", self.url)
    }

    /// The series that `query` gives now, each with `metric` (its labels) and `value` (time and text).
    ///
    /// # Panics
    /// If Prometheus does not take the query.
    #[must_use]
    pub fn query(&self, query: &str) -> Vec<Value> {
        self.ask(query, &[("query", query)])
    }

    /// As [`Self::query`], at the time `at` in seconds since the epoch. A range of time gives `values` of each series.
    ///
    /// # Panics
    /// As [`Self::query`].
    #[must_use]
    pub fn query_at(&self, query: &str, at: i64) -> Vec<Value> {
        self.ask(query, &[("query", query), ("time", &at.to_string())])
    }

    fn ask(&self, query: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        let body = get(&format!("{}/api/v1/query", self.url), parameters)
            .unwrap_or_else(|| panic!("Prometheus refuses {query}"));
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        match answer["data"]["result"].take() {
            Value::Array(series) => series,
            other => panic!("{query} gives no series but {other}"),
        }
    }

    /// The values of [`Self::query`].
    ///
    /// # Panics
    /// As [`Self::query`].
    #[must_use]
    pub fn values(&self, query: &str) -> Vec<f64> {
        let value = |series: &Value| series["value"][1].as_str().and_then(|text| text.parse().ok());
        self.query(query).iter().map(|series| value(series).expect("a value is a number")).collect()
    }
}
