//! The real binary, between a fake metadata endpoint and a puller that signs by hand.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod delta;
mod disk;
mod grpc;
mod http;
mod json;
mod metadata;
mod packed;
mod process;
mod puller;
mod pulling;
mod receiving;
mod receiving_grpc;
mod sampling;
mod scraping;
mod starting;
mod statsd;
mod stopping;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod xray;

use std::time::{Duration, Instant};

/// Waits until `condition` gives something, and fails with `what` if it never does.
fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(20));
    }
}
