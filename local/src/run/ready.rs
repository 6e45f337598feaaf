//! Waiting until what was started works.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::bail;
use tokio::net::TcpStream;

use crate::{aws::lambda::Environment, tasks::Task};

/// Both take milliseconds, on a machine that has them.
const READY_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Until every agent takes connections, so that the shop's first exports are not refused.
pub(super) async fn agents_listen(tasks: &[Task], logs: &Path) -> anyhow::Result<()> {
    for task in tasks {
        let listens = async {
            while TcpStream::connect(task.otlp).await.is_err() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(READY_WITHIN, listens).await.is_err() {
            let (name, otlp) = (task.name(), task.otlp);
            bail!("the agent of {name} does not listen on {otlp}; {} says why", logs.display());
        }
    }
    Ok(())
}

/// Until every environment has asked for its first invocation.
pub(super) async fn functions_poll(environments: &[Arc<Environment>], logs: &Path) -> anyhow::Result<()> {
    for environment in environments {
        let polls = async {
            while !environment.has_polled() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(READY_WITHIN, polls).await.is_err() {
            let name = environment.function.name;
            bail!("{name} does not ask the Runtime API for work; {} says why", logs.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::lambda::Function;

    #[tokio::test]
    async fn a_function_is_ready_when_it_has_asked_for_work() {
        let environment = Environment::new(Function::new("f", 128, Duration::from_secs(1)));
        assert!(!environment.has_polled());
        let asking = tokio::spawn({
            let environment = Arc::clone(&environment);
            async move { environment.next_for_test().await }
        });
        functions_poll(&[environment], Path::new("")).await.unwrap();
        asking.abort();
    }
}
