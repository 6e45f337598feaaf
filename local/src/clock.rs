//! The wall clock, in the units that the wires use.

use std::time::{SystemTime, UNIX_EPOCH};

use siphon_core::units::UnixMillis;

pub(crate) fn now() -> UnixMillis {
    UnixMillis(i64::try_from(nanos() / 1_000_000).unwrap_or(i64::MAX))
}

/// Nanoseconds since the epoch, as OTLP counts them.
pub(crate) fn nanos() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// RFC 3339 with milliseconds, as AWS writes times in JSON.
pub(crate) fn rfc3339(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map(|t| format!("{t:.3}")).unwrap_or_default()
}

/// Float seconds since the epoch, as AWS JSON writes times.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit into 53 bits")]
pub(crate) fn seconds(at: UnixMillis) -> f64 {
    at.0 as f64 / 1000.0
}
