//! What the tests share: Siphon's programs and the real parts around them as processes, the stand-ins that no real part
//! exists for, and waiting with a deadline.
//!
//! | module | |
//! |---|---|
//! | [`programs`] | Siphon's own binaries, built when a test wants them |
//! | [`local`] | all of them at once: the local stand-in for AWS |
//! | [`process`] | a running program, ended with its test |
//! | [`prometheus`], [`moto`], [`python`], [`node`] | parts that nobody here wrote; where one is missing its tests are skipped, loudly |
//! | [`lambda`], [`metadata`] | what only AWS has: Lambda's Runtime API, a task's metadata endpoint |
//! | [`http`], [`wait`], [`scratch`] | small tools |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that can't do its work fails the test"
)]

pub mod http;
pub mod lambda;
pub mod local;
pub mod metadata;
pub mod moto;
pub mod node;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod python;
pub mod scratch;
pub mod wait;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// The key that a test's agents and functions share.
pub const KEY: &str = "5349504801020304050607085349504801020304050607085349504801020304";

/// The top of the source tree.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// Says, past the test harness, that the running test checks nothing and why. `scripts/test.sh` collects these lines.
pub fn skipped(why: &str) {
    let test = std::thread::current();
    let line = format!("SKIPPED: {}: {why}\n", test.name().unwrap_or("a test"));
    let _ = std::io::stderr().write_all(line.as_bytes()); // nobody to tell
}
