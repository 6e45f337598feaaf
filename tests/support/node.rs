//! Programs of `tests/apps/node/`, with the packages that `scripts/test.sh` installs beside a copy of them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{process::command, programs, repository, skipped};

/// The interpreter, and its packages.
pub struct Node {
    program: PathBuf,
    packages: PathBuf,
}

impl Node {
    /// None, after saying that the test is skipped, if there is no Node.js or its packages are not there.
    #[must_use]
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let program = env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file());
        let packages = programs::target().join("node/node_modules");
        match program {
            Some(program) if packages.exists() => Some(Self { program, packages }),
            Some(_) => {
                skipped("the packages of tests/apps/node are not installed; scripts/test.sh does it");
                None
            }
            None => {
                skipped("there is no node on PATH");
                None
            }
        }
    }

    /// `node tests/apps/node/APP`, without arguments and without our environment.
    #[must_use]
    pub fn app(&self, app: impl AsRef<Path>) -> Command {
        let mut command = command(&self.program);
        command.arg(repository().join("tests/apps/node").join(app)).env("NODE_PATH", &self.packages);
        command
    }
}
