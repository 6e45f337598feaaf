//! The real binaries: given, built, or found beside this program.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

const AGENT: &str = "siphon-agent";
const ENUMERATE: &str = "siphon-enumerate";
const SCRAPE: &str = "siphon-scrape";

/// Where the binaries are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) agent: PathBuf,
    pub(crate) enumerate: PathBuf,
    pub(crate) scrape: PathBuf,
}

/// The binaries in `given`; or, when cargo runs us, built by it, the agent `with_tls` or without; or those beside us.
///
/// # Errors
/// Says which binary is missing and what to do.
pub(crate) fn find(given: Option<&Path>, with_tls: bool) -> anyhow::Result<Binaries> {
    if let Some(folder) = given {
        return in_folder(folder).with_context(|| format!("--bin-dir {}", folder.display()));
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        return build(&cargo, with_tls);
    }
    let program = std::env::current_exe().context("can't tell where this program is")?;
    let folder = program.parent().unwrap_or(Path::new("."));
    in_folder(folder).context("start with `cargo run --release`, which builds them, or give --bin-dir DIR")
}

fn in_folder(folder: &Path) -> anyhow::Result<Binaries> {
    let find = |name: &str| {
        let path = folder.join(name);
        if !path.is_file() {
            bail!("{} is not there", path.display());
        }
        // The working folder of a child is ours, but a bare name would be looked for in PATH.
        std::path::absolute(path).map_err(Into::into)
    };
    Ok(Binaries { agent: find(AGENT)?, enumerate: find(ENUMERATE)?, scrape: find(SCRAPE)? })
}

/// Builds what users deploy: the agent alone under its own profile, so that no other crate's features come along.
fn build(cargo: &OsString, with_tls: bool) -> anyhow::Result<Binaries> {
    let features = if with_tls { "tls" } else { "" };
    let agent = cargo_build(cargo, &["--profile", "agent", "-p", AGENT, "--features", features])?;
    let functions = cargo_build(cargo, &["--release", "-p", ENUMERATE, "-p", SCRAPE])?;
    let pick = |built: &[(String, PathBuf)], name: &str| {
        built
            .iter()
            .find_map(|(target, path)| (target == name).then(|| path.clone()))
            .with_context(|| format!("cargo built no {name}"))
    };
    Ok(Binaries {
        agent: pick(&agent, AGENT)?,
        enumerate: pick(&functions, ENUMERATE)?,
        scrape: pick(&functions, SCRAPE)?,
    })
}

/// Runs `cargo build` in this workspace, its progress on stderr: names and paths of the binaries.
fn cargo_build(cargo: &OsString, arguments: &[&str]) -> anyhow::Result<Vec<(String, PathBuf)>> {
    eprintln!("building: cargo build {}", arguments.join(" "));
    let mut command = Command::new(cargo);
    command
        .args(["build", "--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .args(arguments);
    if let Some(folder) = target_folder() {
        command.arg("--target-dir").arg(folder);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("can't run {}", cargo.display()))?;
    if !output.status.success() {
        bail!("cargo build {} failed; its errors are above", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect())
}

/// The folder of build results that this program lies in, if it does: cargo marks it.
pub(crate) fn target_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
}

#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The name and path of a binary, if the message is of one.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let artifact: Artifact = serde_json::from_str(message).ok()?;
    Some((artifact.target.name, artifact.executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_messages_tell_the_binaries() {
        let binary = r#"{"reason":"compiler-artifact","target":{"name":"siphon-agent","kind":["bin"]},"executable":"/t/a"}"#;
        assert_eq!(executable(binary), Some((AGENT.into(), "/t/a".into())));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"siphon-core"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn a_missing_binary_is_named() {
        let folder = std::env::temp_dir().join("siphon-local-no-binaries");
        let error = format!("{:#}", find(Some(&folder), false).unwrap_err());
        assert!(error.contains("--bin-dir") && error.contains("siphon-agent is not there"), "{error}");
    }
}
