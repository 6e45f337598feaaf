//! What a container or a whole task uses: the numbers behind the metrics, and the formulas that give them.

use super::{
    field::{Amount, Field},
    stats::{Counters, Rates, Stats},
    task::{Limits, Task},
};

const BYTES_PER_MIB: u64 = 1 << 20;

/// ECS counts 1024 CPU units for one vCPU.
const CPU_UNITS_PER_VCPU: f64 = 1024.0;

/// Numbers of a container, or added up over a task's containers. Whole numbers stay whole until they become samples;
/// sums and differences of them saturate.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) memory: Memory,
    pub(super) cpu: Cpu,
    pub(super) network: Network,
    pub(super) storage_read_bytes: u64,
    pub(super) storage_write_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) usage_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) limit_bytes: u64,
    pub(super) utilized_mib: u64,
    pub(super) reserved_mib: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) total_ns: u64,
    pub(super) kernel_ns: u64,
    pub(super) user_ns: u64,
    pub(super) system_ns: u64,
    pub(super) cores: u64,
    pub(super) onlines: u64,
    pub(super) vcpu: f64,
    /// For a container per cent of a vCPU by reserved CPU unit; for a task CPU units.
    pub(super) utilized: f64,
    /// CPU units.
    pub(super) reserved: f64,
}

/// `None` where the container has no such stats.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Network {
    pub(super) io: Option<Io>,
    pub(super) rate: Option<Rate>,
}

/// Counters since the interface came up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Io {
    pub(super) rx: Direction,
    pub(super) tx: Direction,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Direction {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) errors: u64,
    pub(super) dropped: u64,
}

/// Bytes a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    pub(super) rx: f64,
    pub(super) tx: f64,
}

impl Usage {
    /// What one container uses, of what it may use.
    pub(super) fn of_container(limits: Option<Limits>, stats: &Stats) -> Self {
        let limits = limits.unwrap_or_default();
        Self {
            memory: Memory::of_container(limits, stats),
            cpu: Cpu::of_container(limits, stats),
            network: Network::of_container(stats),
            storage_read_bytes: stats.storage_bytes("read"),
            storage_write_bytes: stats.storage_bytes("write"),
        }
    }

    /// What a task uses: the sum over its containers, against the task's own limits where it has some. `None` where these
    /// can't be read: the containers' would be the wrong ones.
    pub(super) fn of_task(task: &Task, containers: &[Self]) -> Option<Self> {
        let limits = match task.limits {
            Field::Absent => Limits::default(),
            Field::Read(limits) => limits,
            Field::Malformed => return None,
        };
        let mut total = containers.iter().fold(Self::default(), |sum, one| sum.plus(one));
        total.network = Network::of_task(task.shares_interface(), containers);
        if let Some(memory) = limits.memory {
            total.memory.reserved_mib = memory;
        }
        if let Some(Amount(vcpus)) = limits.cpu {
            total.cpu.reserved = vcpus * CPU_UNITS_PER_VCPU;
        }
        let has_limit = total.cpu.reserved > 0.0;
        total.cpu.utilized = if has_limit { total.cpu.vcpu * CPU_UNITS_PER_VCPU } else { 0.0 };
        Some(total)
    }

    /// All but the network, which [`Network::of_task`] adds up.
    fn plus(self, other: &Self) -> Self {
        Self {
            memory: self.memory.plus(other.memory),
            cpu: self.cpu.plus(other.cpu),
            network: self.network,
            storage_read_bytes: self.storage_read_bytes.saturating_add(other.storage_read_bytes),
            storage_write_bytes: self.storage_write_bytes.saturating_add(other.storage_write_bytes),
        }
    }
}

impl Memory {
    fn of_container(limits: Limits, stats: &Stats) -> Self {
        let reserved_mib = limits.memory.unwrap_or(0);
        let Some(memory) = &stats.memory_stats else {
            return Self { reserved_mib, ..Self::default() };
        };
        let usage_bytes = memory.usage.unwrap_or(0);
        let page_cache = memory.stats.as_ref().map(|detail| detail.page_cache());
        Self {
            usage_bytes,
            max_bytes: memory.max_usage.unwrap_or(0),
            limit_bytes: memory.limit.unwrap_or(0),
            utilized_mib: page_cache.map_or(0, |cache| usage_bytes.saturating_sub(cache) / BYTES_PER_MIB),
            reserved_mib,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            usage_bytes: self.usage_bytes.saturating_add(other.usage_bytes),
            max_bytes: self.max_bytes.saturating_add(other.max_bytes),
            limit_bytes: self.limit_bytes.saturating_add(other.limit_bytes),
            utilized_mib: self.utilized_mib.saturating_add(other.utilized_mib),
            reserved_mib: self.reserved_mib.saturating_add(other.reserved_mib),
        }
    }
}

impl Cpu {
    /// All zero but `reserved` unless both this measurement and the one before it are there.
    fn of_container(limits: Limits, stats: &Stats) -> Self {
        let reserved = limits.cpu.unwrap_or_default().0;
        let now = stats.cpu_stats.as_ref().and_then(|cpu| Some((cpu, cpu.cpu_usage.as_ref()?)));
        let before = stats.precpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
        let (Some((cpu, usage)), Some(before)) = (now, before) else {
            return Self { reserved, ..Self::default() };
        };
        let total_ns = usage.total_usage.unwrap_or(0);
        let used_ns = total_ns.saturating_sub(before.total_usage.unwrap_or(0));
        let interval_ns = stats.interval_ns();
        let vcpu = if interval_ns > 0.0 { used_ns as f64 / interval_ns } else { 0.0 };
        let percent = vcpu * 100.0;
        Self {
            total_ns,
            kernel_ns: usage.usage_in_kernelmode.unwrap_or(0),
            user_ns: usage.usage_in_usermode.unwrap_or(0),
            system_ns: cpu.system_cpu_usage.unwrap_or(0),
            cores: usage.percpu_usage.as_ref().map_or(0, |cores| cores.len() as u64),
            onlines: cpu.online_cpus.unwrap_or(0),
            vcpu,
            utilized: if reserved > 0.0 { percent / reserved } else { percent },
            reserved,
        }
    }

    /// `utilized` can't be added up: a task's has another meaning.
    fn plus(self, other: Self) -> Self {
        Self {
            total_ns: self.total_ns.saturating_add(other.total_ns),
            kernel_ns: self.kernel_ns.saturating_add(other.kernel_ns),
            user_ns: self.user_ns.saturating_add(other.user_ns),
            system_ns: self.system_ns.saturating_add(other.system_ns),
            cores: self.cores.saturating_add(other.cores),
            onlines: self.onlines.saturating_add(other.onlines),
            vcpu: self.vcpu + other.vcpu,
            utilized: self.utilized,
            reserved: self.reserved + other.reserved,
        }
    }
}

impl Network {
    fn of_container(stats: &Stats) -> Self {
        let interfaces = stats.networks.as_ref().filter(|interfaces| !interfaces.is_empty());
        let io =
            interfaces.map(|i| i.values().flatten().copied().map(Io::from).fold(Io::default(), Io::plus));
        Self { io, rate: stats.network_rate_stats.map(Rate::from) }
    }

    /// A shared interface is counted once, as the first container that has stats of it sees it; else each container
    /// has its own.
    fn of_task(shared: bool, containers: &[Usage]) -> Self {
        let mut io = containers.iter().filter_map(|c| c.network.io);
        let mut rate = containers.iter().filter_map(|c| c.network.rate);
        if shared {
            Self { io: io.next(), rate: rate.next() }
        } else {
            Self { io: io.reduce(Io::plus), rate: rate.reduce(Rate::plus) }
        }
    }
}

impl Io {
    fn plus(self, other: Self) -> Self {
        Self { rx: self.rx.plus(other.rx), tx: self.tx.plus(other.tx) }
    }
}

impl From<Counters> for Io {
    fn from(c: Counters) -> Self {
        let or_zero = |counter: Option<u64>| counter.unwrap_or(0);
        Self {
            rx: Direction {
                bytes: or_zero(c.rx_bytes),
                packets: or_zero(c.rx_packets),
                errors: or_zero(c.rx_errors),
                dropped: or_zero(c.rx_dropped),
            },
            tx: Direction {
                bytes: or_zero(c.tx_bytes),
                packets: or_zero(c.tx_packets),
                errors: or_zero(c.tx_errors),
                dropped: or_zero(c.tx_dropped),
            },
        }
    }
}

impl Direction {
    fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            packets: self.packets.saturating_add(other.packets),
            errors: self.errors.saturating_add(other.errors),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }
}

impl Rate {
    fn plus(self, other: Self) -> Self {
        Self { rx: self.rx + other.rx, tx: self.tx + other.tx }
    }
}

impl From<Rates> for Rate {
    fn from(rates: Rates) -> Self {
        let or_zero = |rate: Option<Amount>| rate.unwrap_or_default().0;
        Self { rx: or_zero(rates.rx_bytes_per_sec), tx: or_zero(rates.tx_bytes_per_sec) }
    }
}
