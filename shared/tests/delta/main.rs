//! Delta metrics become cumulative ones: each rule alone, and random streams against a simple model.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod build;
mod golden;
mod model;
mod rules;
mod streams;
