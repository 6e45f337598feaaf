//! StatsD: lines to series that are counted up, and these to OTLP metrics, cumulative.
//!
//! ```text
//! datagram ─► lines ─► Line ─► Aggregator (one entry a series) ─► at each flush: records
//! ```
//!
//! The format is that of StatsD (<https://github.com/statsd/statsd/blob/master/docs/metric_types.md>) with `DogStatsD`'s
//! tags and packed values (<https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>).

mod aggregator;
mod distribution;
mod key;
mod line;
mod members;
mod point;
mod records;
mod refusal;
mod tags;

pub use aggregator::{Aggregator, Flush, Options};
pub use distribution::{Bounds, Timers};
pub use line::{Line, Type, Value, lines};
pub use records::Record;
pub use refusal::Refusal;
pub use tags::MAX_TAGS;

/// The scope of all these metrics.
pub const SCOPE: &str = "siphon/statsd";

/// Bytes that name and tags of one series may take.
pub const MAX_KEY_BYTES: usize = 2048;

/// Bytes that name and tags of all series may take, for each series that there may be.
pub const KEY_BYTES_PER_SERIES: usize = 256;
