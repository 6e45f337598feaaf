//! Remote write: series to requests, and what an answer means
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/>).
//!
//! ```text
//!   Batch ──by series──► Packer ──► snappy blocks ──(POST)──► status ──verdict──► what to do
//! ```
//!
//! A caller never has two requests under way that may hold the same series: send those of one call in order.

mod answer;
mod encode;
mod pack;
mod snappy;
pub mod v1;
mod weight;

pub use answer::{Verdict, verdict};
pub use pack::{Drop, Limits, MAX_BODY_BYTES, Packer, Request};
pub use weight::Weight;

/// The headers of every request but `User-Agent`, which the sender fills in. `0.1.0` is the historic name of 1.0.
pub const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];
