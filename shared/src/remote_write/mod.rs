//! Remote write: series to requests, and what an answer means
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/>,
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>).
//!
//! ```text
//!   Batch ──by series──► Packer, 1.0 or 2.0 ──► snappy blocks ──(POST)──► status ──verdict──► what to do
//!     ▲                                               │
//!     └── unpack: too large, or the other version ────┘
//! ```
//!
//! A caller never has two requests under way that may hold the same series: send those of one call in order.

mod answer;
mod decode;
mod histogram;
mod pack;
mod snappy;
mod symbols;
mod told;
mod unpack;
pub mod v1;
pub mod v2;
mod version;
mod weight;
mod written;

pub use answer::{RetryAfter, Verdict, verdict};
pub use pack::{Drop, Limits, MAX_BODY_BYTES, Packer, Request};
pub use told::Told;
pub use version::{HEADERS, Version};
pub use weight::Weight;
pub use written::Written;
