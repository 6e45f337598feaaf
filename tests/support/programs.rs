//! Siphon's own programs. A test asks for one and gets it fresh: a test that ran against yesterday's build would prove
//! nothing. Where `scripts/test.sh` has built everything before, this costs a moment.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{repository, scratch::Scratch};

/// The agent, in the profile that it ships in: built alone, small, aborting on panic.
#[must_use]
pub fn agent() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| cargo_build(&["-p", "siphon-agent", "--profile", "agent"]));
    target().join("agent/siphon-agent")
}

/// The agent with the feature `tls`, in a folder of its own: it must not take the place of the usual one.
#[must_use]
pub fn agent_with_tls() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let folder = target().join("tls");
    BUILT.get_or_init(|| cargo_build_in(&folder, &["-p", "siphon-agent", "--features", "tls"]));
    folder.join("debug/siphon-agent")
}

/// The enumerating function.
#[must_use]
pub fn enumerate() -> PathBuf {
    development("siphon-enumerate")
}

/// The scraping function.
#[must_use]
pub fn scrape() -> PathBuf {
    development("siphon-scrape")
}

/// The local stand-in, and a folder in `scratch` with the three binaries that it runs, `agent` among them.
///
/// # Panics
/// If the folder can't be made.
#[must_use]
pub fn local(scratch: &Scratch, agent: PathBuf) -> (PathBuf, PathBuf) {
    let folder = scratch.path().join("bin");
    fs::create_dir(&folder).unwrap();
    for program in [agent, enumerate(), scrape()] {
        symlink(&program, folder.join(program.file_name().unwrap_or_default())).unwrap();
    }
    (development("siphon-local"), folder)
}

/// Of the development profile. All targets at once, because that is how `cargo test --workspace` builds: the same
/// features, so nothing is built twice.
fn development(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| cargo_build(&["--workspace", "--all-targets"]));
    target().join("debug").join(name)
}

fn cargo_build(what: &[&str]) {
    cargo_build_in(&target(), what);
}

fn cargo_build_in(folder: &Path, what: &[&str]) {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--target-dir"])
        .arg(folder)
        .args(what)
        .current_dir(repository())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cargo build {} failed; what it printed above says why", what.join(" "));
}

/// Cargo's target folder: this test runs as `TARGET/debug/deps/NAME`.
///
/// # Panics
/// If it runs elsewhere.
#[must_use]
pub fn target() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors().nth(3).map(Path::to_owned).expect("a test runs in target/debug/deps")
}
