//! The demands of the Prometheus compliance suite on senders of remote write 2.0
//! (<https://github.com/prometheus/compliance/tree/main/remotewrite/sender>): a test for each case, under its name, in a
//! module for each of the suite's tables.
//!
//! The suite runs a sender that scrapes text pages. Siphon scrapes agents, so here an agent hands out OTLP metrics that mean
//! what the suite's page means; from there on it is the real way: page, translation, packing, HTTP, answer, acknowledgement.
//! What the suite only recommends, or allows, is held here too, where Siphon does it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml exempts only functions marked as tests"
)]

mod backoff;
mod batching;
mod combined;
mod edge_cases;
mod error_handling;
mod exemplars;
mod fallback;
mod histograms;
mod labels;
mod metadata;
mod protocol;
mod response;
mod retry;
mod rw1_compatibility;
mod samples;
mod support;
mod symbols;
mod timestamps;
#[path = "../scrape/world/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests in scrape/, which need more of it")]
mod world;
