//! The function against agents and receivers on loopback: over the real wire, plain HTTP and the real SDK.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml exempts only functions marked as tests"
)]

mod draining;
mod ending;
mod isolation;
mod keys;
mod last_drain;
mod limits;
mod sampling;
mod scraping;
mod tls;
mod traces;
mod world;
