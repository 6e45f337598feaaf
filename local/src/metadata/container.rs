//! A container's counters. The agent's are those of its real process; the application's follow the shop's traffic.

use siphon_core::units::UnixMillis;

use crate::{
    clock,
    tasks::{Task, random_hex},
};

const MIB: u64 = 1 << 20;
/// Running for so long before the stand-in starts: the application was there first.
const HEAD_START_MS: i64 = 42_000;
/// Linux counts a process' CPU in hundredths of a second.
const NANOS_PER_TICK: u64 = 10_000_000;

pub(crate) struct Container {
    pub(crate) docker_id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) image_id: String,
    pub(crate) cpu_units: u32,
    pub(crate) memory_mib: u64,
    pub(crate) created_at: UnixMillis,
    before: Counters,
    now: Counters,
}

/// A container's counters at one time, all since its start but memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    pub(crate) at: UnixMillis,
    pub(crate) cpu_nanos: u64,
    pub(crate) memory: u64,
    pub(crate) memory_max: u64,
    pub(crate) cache: u64,
    pub(crate) rx_bytes: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
}

/// What a container used, memory and cache now, all else since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    cpu_nanos: u64,
    memory: u64,
    cache: u64,
    rx_bytes: u64,
    tx_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
}

impl Usage {
    /// Of a service that has served `requests` more since `last`: a base load that breathes, and a share for each.
    pub(crate) fn of_application(index: usize, requests: u64, last: &Counters, now: UnixMillis) -> Self {
        let breath = breath(index, now);
        let elapsed_ms = now.since(last.at).clamp(0, 60_000).unsigned_abs();
        Self {
            cpu_nanos: last.cpu_nanos + elapsed_ms * (6_000 + breath * 14) + requests * 12_000_000,
            memory: (84 + (index as u64 % 5) * 9) * MIB + breath * 24_000,
            cache: 12 * MIB,
            rx_bytes: last.rx_bytes + elapsed_ms * (210 + breath / 4) / 1000 + requests * 1_830,
            tx_bytes: last.tx_bytes + elapsed_ms * (150 + breath / 4) / 1000 + requests * 3_410,
            read_bytes: 6 * MIB,
            written_bytes: last.written_bytes + requests * 512,
        }
    }

    /// Of a process, by `/proc`; what can't be read stays as it was.
    pub(crate) fn of_process(pid: u32, last: &Counters) -> Self {
        let cpu_nanos = process_cpu_nanos(pid).unwrap_or(last.cpu_nanos);
        let memory = crate::agents::resident(pid).map_or(last.memory, |resident| resident.now);
        // One interface a task: its counters are those of the application.
        Self { cpu_nanos, memory, ..Self::default() }
    }
}

/// Requests as a service's counters see them: their work is spread over the seconds that follow.
#[derive(Default)]
pub(crate) struct Spread {
    /// Sixteenths of a request that are still to be worked off.
    open: u64,
    served: u64,
}

impl Spread {
    /// `served`: requests since the start. Gives how many were worked off since the last call.
    pub(crate) fn next(&mut self, served: u64) -> u64 {
        self.open += served.saturating_sub(self.served) * 16;
        self.served = served;
        let now = (self.open / 4 / 16).max(u64::from(self.open >= 16));
        self.open -= now * 16;
        now
    }
}

/// 0 to 1000 and back in a minute or so, out of step from task to task.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a plausible curve, within 0 to 1000"
)]
fn breath(index: usize, now: UnixMillis) -> u64 {
    let phase = (now.0 % 3_600_000) as f64 / (9_000.0 + 1_700.0 * (index % 7) as f64) + index as f64;
    (500.0 + 500.0 * phase.sin()) as u64
}

impl Container {
    pub(crate) fn application(task: &Task) -> Self {
        let image = format!(
            "{}.dkr.ecr.{}.amazonaws.com/shop/{}:1.9",
            crate::aws::ACCOUNT,
            crate::aws::REGION,
            task.service
        );
        let mut container = Self::new(task, task.service, image, 192, 448);
        // Two readings, so that the first answer has rates.
        for at in [task.started_at.plus(-1000), task.started_at] {
            let usage = Usage::of_application(task.index, 0, container.latest(), at);
            container.read(at, &usage);
        }
        container
    }

    pub(crate) fn agent(task: &Task, name: &str) -> Self {
        let mut container = Self::new(task, name, "siphon/agent:0.1.0".to_owned(), 64, 64);
        for at in [task.started_at.plus(-1000), task.started_at] {
            container.read(at, &Usage { cpu_nanos: 1, memory: 2 * MIB, ..Usage::default() });
        }
        container
    }

    fn new(task: &Task, name: &str, image: String, cpu_units: u32, memory_mib: u64) -> Self {
        let task_id = task.identity().map_or_else(random_hex, |identity| identity.id().to_owned());
        Self {
            docker_id: format!("{task_id}-{:010}", fastrand::u32(1_000_000_000..)),
            name: name.to_owned(),
            image,
            image_id: format!("sha256:{}{}", random_hex(), random_hex()),
            cpu_units,
            memory_mib,
            created_at: task.started_at.plus(-HEAD_START_MS),
            before: Counters::default(),
            now: Counters::default(),
        }
    }

    pub(crate) fn read(&mut self, at: UnixMillis, usage: &Usage) {
        self.before = self.now;
        // A counter never goes back, whatever it was derived from.
        self.now = Counters {
            at,
            cpu_nanos: usage.cpu_nanos.max(self.before.cpu_nanos),
            memory: usage.memory,
            memory_max: usage.memory.max(self.before.memory_max),
            cache: usage.cache,
            rx_bytes: usage.rx_bytes.max(self.before.rx_bytes),
            tx_bytes: usage.tx_bytes.max(self.before.tx_bytes),
            read_bytes: usage.read_bytes.max(self.before.read_bytes),
            written_bytes: usage.written_bytes.max(self.before.written_bytes),
        };
    }

    pub(crate) const fn latest(&self) -> &Counters {
        &self.now
    }

    pub(crate) const fn previous(&self) -> &Counters {
        &self.before
    }

    /// Per second between the two latest readings.
    #[expect(clippy::cast_precision_loss, reason = "counters of this run fit into 53 bits")]
    pub(crate) fn rate(&self, counter: impl Fn(&Counters) -> u64) -> f64 {
        let millis = self.now.at.since(self.before.at).max(1);
        (counter(&self.now) - counter(&self.before)) as f64 * 1000.0 / millis as f64
    }

    pub(crate) fn started_at(&self) -> String {
        clock::rfc3339(self.created_at.plus(1100))
    }
}

/// User and system time: the 14th and 15th field of `/proc/PID/stat`, counted after the name in parentheses.
fn process_cpu_nanos(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) * NANOS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_usage_is_the_real_one() {
        let usage = Usage::of_process(std::process::id(), &Counters::default());
        assert!(usage.memory > MIB, "{usage:?}");
        let gone = Counters { cpu_nanos: 7, memory: 9, ..Counters::default() };
        let usage = Usage::of_process(0, &gone);
        assert_eq!((usage.cpu_nanos, usage.memory), (7, 9));
    }

    #[test]
    fn requests_are_spread_and_none_is_forgotten() {
        let mut spread = Spread::default();
        let worked: Vec<_> = (0..40).map(|_| spread.next(20)).collect();
        assert_eq!((worked[0], worked.iter().sum::<u64>()), (5, 20), "{worked:?}");
    }

    #[test]
    fn counters_never_go_back_and_rates_are_per_second() {
        let task = crate::tasks::lay_out(1, false, None, UnixMillis(1_795_000_000_000)).unwrap().remove(0);
        let mut container = Container::application(&task);
        let mut last = *container.latest();
        for (second, requests) in [(1, 0), (2, 40), (3, 0), (4, 90)] {
            let at = task.started_at.plus(second * 1000);
            let usage = Usage::of_application(0, requests, container.latest(), at);
            container.read(at, &usage);
            let now = *container.latest();
            assert!(now.cpu_nanos >= last.cpu_nanos && now.rx_bytes >= last.rx_bytes, "{now:?}");
            last = now;
        }
        container.read(last.at.plus(2000), &Usage { rx_bytes: last.rx_bytes + 500, ..Usage::default() });
        assert!((container.rate(|c| c.rx_bytes) - 250.0).abs() < 1e-9);
    }
}
