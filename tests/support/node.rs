//! JavaScript programs of `tests/apps/`, with the packages that `scripts/test.sh` fetches for them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{process::command, repository, skipped};

/// Node.js.
pub struct Node(PathBuf);

impl Node {
    /// None, after saying that the test is skipped, if there is no Node.js or the packages have not been fetched.
    #[must_use]
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let node = env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.exists());
        let Some(node) = node else {
            skipped("there is no node on PATH");
            return None;
        };
        if !apps().join("sampler/node_modules").exists() {
            skipped("the packages of tests/apps/sampler are missing; scripts/test.sh fetches them");
            return None;
        }
        Some(Self(node))
    }

    /// `node tests/apps/APP`, without arguments and without our environment.
    #[must_use]
    pub fn app(&self, app: impl AsRef<Path>) -> Command {
        let mut command = command(&self.0);
        command.arg(apps().join(app));
        command
    }
}

fn apps() -> PathBuf {
    repository().join("tests/apps")
}
