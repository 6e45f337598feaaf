//! What the environment says of StatsD.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use siphon_core::{
    settings::{Accepted, Settings as Reader, duration, whole},
    statsd::{Bounds, Options, Timers},
};

use crate::settings::read_receiver;

/// The setting that says where StatsD is received.
pub const ADDRESS: &str = "SIPHON_STATSD_ADDRESS";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of StatsD.
#[derive(Clone, Debug)]
pub struct StatsdSettings {
    /// Where it is received, if anywhere. `SIPHON_STATSD_ADDRESS`.
    pub address: Option<SocketAddr>,
    /// Time between two samples of a series. `SIPHON_STATSD_INTERVAL`.
    pub interval: Duration,
    /// What timers, histograms and distributions become. `SIPHON_STATSD_TIMERS`.
    pub timers: Timers,
    /// The bounds of their histograms. `SIPHON_STATSD_BUCKETS`.
    pub bounds: Bounds,
    /// How many series there may be. `SIPHON_STATSD_MAX_SERIES`.
    pub max_series: usize,
    /// After how long without lines a series ends. `SIPHON_STATSD_EXPIRY`.
    pub expiry: Option<Duration>,
}

impl StatsdSettings {
    /// Reads them. Receivers listen on `host`.
    pub(crate) fn read(read: &mut Reader<impl Fn(&str) -> Option<String>>, host: IpAddr) -> Self {
        Self {
            address: read_receiver(read, ADDRESS, host, 8125),
            interval: read.read(
                "SIPHON_STATSD_INTERVAL",
                Duration::from_secs(60),
                duration(Duration::from_millis(200)..=Duration::from_secs(3600)),
            ),
            timers: read.read("SIPHON_STATSD_TIMERS", Timers::Histogram, timers),
            bounds: read.read("SIPHON_STATSD_BUCKETS", Bounds::default(), bounds),
            max_series: read.read("SIPHON_STATSD_MAX_SERIES", 2000, whole(1..=100_000)),
            expiry: read.read("SIPHON_STATSD_EXPIRY", Some(Duration::from_secs(3600)), expiry),
        }
    }

    pub(super) fn options(&self) -> Options {
        let expiry_ms = self.expiry.map(|expiry| i64::try_from(expiry.as_millis()).unwrap_or(i64::MAX));
        let (timers, bounds) = (self.timers, self.bounds.clone());
        Options { timers, bounds, max_series: self.max_series, expiry_ms }
    }
}

fn timers(text: &str) -> Result<Timers, Accepted> {
    match text {
        "histogram" => Ok(Timers::Histogram),
        "native" => Ok(Timers::Native),
        "summary" => Ok(Timers::Summary),
        _ => Err(Accepted("histogram, native or summary".to_owned())),
    }
}

fn bounds(text: &str) -> Result<Bounds, Accepted> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    let bounds = numbers.ok().and_then(|numbers| Bounds::new(&numbers));
    let what = || format!("1 to {} ascending numbers, separated by commas, such as 0.1,1,10", Bounds::MAX);
    bounds.ok_or_else(|| Accepted(what()))
}

fn expiry(text: &str) -> Result<Option<Duration>, Accepted> {
    if text == "off" {
        return Ok(None);
    }
    let read = duration(Duration::from_secs(1)..=7 * DAY)(text);
    read.map(Some).map_err(|Accepted(what)| Accepted(format!("{what}, or off")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, text: &'static str) -> Option<StatsdSettings> {
        let mut reader = Reader::new(|asked| (asked == name).then(|| text.to_owned()));
        let settings = StatsdSettings::read(&mut reader, [127, 0, 0, 1].into());
        reader.finish(settings).ok()
    }

    #[test]
    fn everything_has_a_default() {
        let settings = read("", "").unwrap();
        assert_eq!(settings.address, Some(([127, 0, 0, 1], 8125).into()));
        assert_eq!((settings.interval, settings.timers), (Duration::from_secs(60), Timers::Histogram));
        let options = settings.options();
        assert_eq!((options.max_series, options.expiry_ms), (2000, Some(3_600_000)));
    }

    #[test]
    fn each_takes_what_it_says() {
        assert_eq!(read(ADDRESS, "off").unwrap().address, None);
        for (text, want) in [("native", Timers::Native), ("summary", Timers::Summary)] {
            assert_eq!(read("SIPHON_STATSD_TIMERS", text).unwrap().timers, want);
        }
        assert_eq!(
            Some(read("SIPHON_STATSD_BUCKETS", "0.1, 1,10").unwrap().bounds),
            Bounds::new(&[0.1, 1.0, 10.0])
        );
        for bad in ["1,1", "2,1", "1,x", "inf", ",", "1,"] {
            assert!(read("SIPHON_STATSD_BUCKETS", bad).is_none(), "{bad}");
        }
        assert_eq!(read("SIPHON_STATSD_EXPIRY", "off").unwrap().expiry, None);
        assert_eq!(read("SIPHON_STATSD_EXPIRY", "5m").unwrap().expiry, Some(Duration::from_secs(300)));
        for (name, bad) in [
            ("SIPHON_STATSD_EXPIRY", "0s"),
            ("SIPHON_STATSD_INTERVAL", "1ms"),
            ("SIPHON_STATSD_MAX_SERIES", "0"),
            ("SIPHON_STATSD_TIMERS", "Summary"),
        ] {
            assert!(read(name, bad).is_none(), "{name}={bad}");
        }
    }
}
