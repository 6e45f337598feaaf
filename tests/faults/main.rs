//! The fault suite: seeded schedules of everything that can go wrong between an application and the receivers, against
//! real agents and the function's own code. After each: all that agents have taken is stored once, bit by bit and in
//! order, but for what is counted as lost, or was killed with the spool that held it; ledgers balance; memory stays below
//! what the settings allow.
//!
//! A schedule that fails prints itself and its seed. `SIPHON_FAULT_SEED=N` runs that one alone,
//! with what the function logs; `SIPHON_SOAK_SECONDS=N` runs new ones for so long.
//!
//! ```text
//!   sender ─────────► siphon-agent ◄──► proxy ◄──► lambda: scrape ──► backend ──► strict receivers, or Prometheus
//!                         │              │  breaks   killed           │  429, 500, resets, stalls
//!                         ▼              ▼                            ▼
//!                       ledger          view ───────► checks ◄──── stored
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml exempts only functions marked as tests"
)]

mod accounts;
mod agent;
mod backend;
mod checks;
mod datagrams;
mod dice;
mod ecs;
mod enumeration;
mod exposed;
mod function;
mod http;
mod lambda;
mod ledger;
mod metadata;
mod process;
mod proxy;
mod run;
mod schedule;
mod schedules;
mod seeds;
mod sender;
mod stops;
mod stored;
mod trap;
mod view;
mod world;
