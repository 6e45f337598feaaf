//! Python programs of `tests/apps/`, run in the environment that `scripts/test.sh` sets up.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use crate::{process::command, repository, skipped};

/// The interpreter of `.venv`.
#[derive(Clone)]
pub struct Python(PathBuf);

impl Python {
    /// None, after saying that the test is skipped, if the environment has not been set up.
    #[must_use]
    pub fn find() -> Option<Self> {
        let python = repository().join(".venv/bin/python");
        if python.exists() {
            return Some(Self(python));
        }
        skipped("there is no .venv; scripts/test.sh sets it up");
        None
    }

    /// `python tests/apps/APP`, without arguments and without our environment.
    #[must_use]
    pub fn app(&self, app: &str) -> Command {
        let mut command = command(&self.0);
        command.arg(repository().join("tests/apps").join(app)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Runs a program, be it of Python or not, to its end and reads the JSON that it prints.
///
/// # Panics
/// If it fails or prints anything else.
pub fn json(command: &mut Command) -> Value {
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command:?} prints no JSON: {error}\n{errors}"))
}
