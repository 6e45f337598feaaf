//! The answer of `/task/stats`: by container id what Docker measures
//! (<https://docs.docker.com/reference/api/engine/version/v1.44/#tag/Container/operation/ContainerStats>), and the
//! ECS agent's network rates. Every field is optional.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Document, ReadingError,
    field::{Amount, Object},
    read_object,
    task::Text,
};

/// The entries of `/task/stats`.
#[derive(Debug)]
pub(super) struct StatsByContainer {
    /// Those that say something, by container id.
    readable: BTreeMap<String, Stats>,
    /// How many can't be read.
    pub(super) unreadable: u64,
}

impl StatsByContainer {
    /// Reads all entries at once; one by one only where one is bad, so that it costs no other.
    pub(super) fn parse(json: &[u8]) -> Result<Self, ReadingError> {
        let mut unreadable = 0;
        let entries = match serde_json::from_slice::<BTreeMap<String, Entry>>(json) {
            Ok(entries) => entries,
            Err(_) => read_object::<BTreeMap<String, &RawValue>>(json, Document::Stats)?
                .into_iter()
                .filter_map(|(id, entry)| {
                    let entry = serde_json::from_str(entry.get());
                    unreadable += u64::from(entry.is_err());
                    Some((id, entry.ok()?))
                })
                .collect(),
        };
        let read = entries.into_iter().filter_map(|(id, entry)| Some((id, entry?.0)));
        Ok(Self { readable: read.filter(|(_, stats)| !stats.id.is_empty()).collect(), unreadable })
    }

    /// What was measured of a container: `None` where nothing was, or where it can't be read.
    pub(super) fn of(&self, docker_id: &str) -> Option<&Stats> {
        self.readable.get(docker_id)
    }
}

/// `null` until the container has run for about a second, and when it has stopped.
type Entry = Option<Object<Stats>>;

/// One container's measurements.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    id: Text,
    read: Time,
    preread: Time,
    pub(super) memory_stats: Option<Memory>,
    pub(super) cpu_stats: Option<Cpu>,
    pub(super) precpu_stats: Option<Cpu>,
    pub(super) networks: Option<BTreeMap<String, Option<Counters>>>,
    pub(super) network_rate_stats: Option<Rates>,
    blkio_stats: Option<BlockIo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pub(super) usage: Option<u64>,
    pub(super) max_usage: Option<u64>,
    pub(super) limit: Option<u64>,
    pub(super) stats: Option<MemoryDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MemoryDetail {
    /// cgroup v1 only.
    cache: Option<u64>,
    inactive_file: Option<u64>,
}

impl MemoryDetail {
    /// Bytes that the kernel gives back on demand: `cache` of cgroup v1, else `inactive_file`, as `docker stats` does.
    pub(super) fn page_cache(&self) -> u64 {
        self.cache.or(self.inactive_file).unwrap_or(0)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cpu {
    pub(super) cpu_usage: Option<CpuUsage>,
    pub(super) online_cpus: Option<u64>,
    pub(super) system_cpu_usage: Option<u64>,
}

/// Nanoseconds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CpuUsage {
    pub(super) total_usage: Option<u64>,
    pub(super) usage_in_kernelmode: Option<u64>,
    pub(super) usage_in_usermode: Option<u64>,
    /// cgroup v1 only.
    pub(super) percpu_usage: Option<Vec<Option<u64>>>,
}

/// Counters of one network interface.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counters {
    pub(super) rx_bytes: Option<u64>,
    pub(super) rx_packets: Option<u64>,
    pub(super) rx_errors: Option<u64>,
    pub(super) rx_dropped: Option<u64>,
    pub(super) tx_bytes: Option<u64>,
    pub(super) tx_packets: Option<u64>,
    pub(super) tx_errors: Option<u64>,
    pub(super) tx_dropped: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rates {
    pub(super) rx_bytes_per_sec: Option<Amount>,
    pub(super) tx_bytes_per_sec: Option<Amount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BlockIo {
    io_service_bytes_recursive: Option<Vec<BlockIoEntry>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BlockIoEntry {
    op: Text,
    value: Option<u64>,
}

impl Stats {
    /// Nanoseconds between this measurement and the one before; negative where the clock was odd. A first measurement
    /// has year 1 before it, and the difference ends at 292 years.
    pub(super) fn interval_ns(&self) -> f64 {
        let nanos = self.read.0.as_nanosecond() - self.preread.0.as_nanosecond();
        nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as f64
    }

    /// Bytes moved by operations of this name, in any case: cgroup v2 spells them in lower case.
    pub(super) fn storage_bytes(&self, op: &str) -> u64 {
        let entries = self.blkio_stats.iter().flat_map(|b| &b.io_service_bytes_recursive).flatten();
        let matching = entries.filter(|entry| entry.op.as_str().eq_ignore_ascii_case(op));
        matching.fold(0, |sum: u64, entry| sum.saturating_add(entry.value.unwrap_or(0)))
    }
}

/// A time as RFC 3339 has it; year 1 where absent, as Docker writes "never".
#[derive(Clone, Copy, Debug)]
struct Time(Timestamp);

impl Default for Time {
    fn default() -> Self {
        Self(Timestamp::from_second(-62_135_596_800).unwrap_or(Timestamp::MIN))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(json)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.as_str().parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(json: &str) -> Option<Stats> {
        let json = format!(r#"{{"bad":{{"id":7}},"c":{json}}}"#);
        StatsByContainer::parse(json.as_bytes()).unwrap().readable.remove("c")
    }

    #[test]
    fn an_entry_that_says_nothing_is_absent_and_one_that_says_nonsense_is_counted() {
        for (json, unreadable) in [
            ("null", 0),
            ("{}", 0),
            (r#"{"id":""}"#, 0),
            ("7", 1),
            (r#"["c"]"#, 1),
            (r#"{"id":"c","read":"today"}"#, 1),
            (r#"{"id":"c","memory_stats":{"usage":-1}}"#, 1),
            (r#"{"id":"c","memory_stats":{"usage":1.5}}"#, 1),
            (r#"{"id":"c","memory_stats":{"usage":1e99}}"#, 1),
            (r#"{"id":"c","network_rate_stats":{"rx_bytes_per_sec":-1}}"#, 1),
        ] {
            let read = StatsByContainer::parse(format!(r#"{{"c":{json}}}"#).as_bytes()).unwrap();
            assert!(read.of("c").is_none() && read.unreadable == unreadable, "{json}: {read:?}");
            assert!(stats(json).is_none(), "{json}");
        }
        assert!(stats(r#"{"id":"c","read":null,"networks":{"eth0":null}}"#).is_some());
    }

    #[test]
    fn an_answer_that_is_no_object_names_itself_and_the_place() {
        for json in ["null", "[]", "\"x\"", "{\"c\":", ""] {
            let error = StatsByContainer::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("/task/stats ") && error.contains("line 1 column"), "{error}");
        }
    }

    #[test]
    fn the_interval_saturates_and_may_be_negative() {
        for (read, preread, want) in [
            ("2026-01-01T00:00:01.5Z", "2026-01-01T00:00:00Z", 1.5e9),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01+00:00", -1e9),
            ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", i64::MAX as f64),
        ] {
            let read = stats(&format!(r#"{{"id":"c","read":"{read}","preread":"{preread}"}}"#)).unwrap();
            assert_eq!(read.interval_ns(), want);
        }
        assert_eq!(stats(r#"{"id":"c"}"#).unwrap().interval_ns(), 0.0);
    }

    #[test]
    fn storage_operations_match_in_any_case_and_sums_saturate() {
        let json = r#"{"id":"c","blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":1},
            {"op":"read","value":2},{"op":"Total","value":99},{"value":5},{"op":"write","value":18446744073709551615},
            {"op":"write","value":1}]}}"#;
        let read = stats(json).unwrap();
        assert_eq!((read.storage_bytes("read"), read.storage_bytes("write")), (3, u64::MAX));
    }
}
