//! A task's life, once it runs, and its end in ECS's order.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{
    aws::task_events::{LastStatus, TaskEvents},
    tasks::{Status, Task},
    terminal::Terminal,
};

/// For an application's last exports.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// Behind a load balancer it is the deregistration delay, minutes as a rule.
const DEACTIVATION: Duration = Duration::from_millis(200);

/// What runs in a task, and how each is told to stop.
pub(super) struct Containers {
    pub(super) application: Option<Container>,
    pub(super) agent: Container,
}

/// One of them.
pub(super) struct Container {
    pub(super) stop: watch::Sender<bool>,
    pub(super) ended: JoinHandle<()>,
}

/// A running task.
pub(super) struct Life {
    pub(super) tasks: Arc<Vec<Task>>,
    pub(super) index: usize,
    pub(super) containers: Containers,
    /// For how long it runs; without it, as long as the others.
    pub(super) lasts: Option<Duration>,
    pub(super) events: Arc<TaskEvents>,
    pub(super) terminal: Arc<Terminal>,
}

impl Life {
    /// Lasts until the task's time is over or `stop` says so, and then until its containers have ended.
    pub(super) async fn live(self, mut stop: watch::Receiver<bool>) {
        let over = async {
            match self.lasts {
                Some(lasts) => tokio::time::sleep(lasts).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.end().await;
    }

    /// As with `dependsOn`: the application first, and the agent only when that has ended.
    async fn end(self) {
        let Self { tasks, index, containers, events, terminal, .. } = self;
        let Some(task) = tasks.get(index) else { return };
        task.set_status(Status::Deactivating);
        events.changed(task, LastStatus::Running);
        events.changed(task, LastStatus::Deactivating);
        tokio::time::sleep(DEACTIVATION).await;
        events.changed(task, LastStatus::Stopping);
        if let Some(application) = containers.application
            && timeout(STOP_TIMEOUT, application.end()).await.is_err()
        {
            terminal.warn(&format!("the application of {} did not end within {STOP_TIMEOUT:?}", task.name()));
        }
        task.set_status(Status::Stopping);
        containers.agent.end().await; // it is killed where it does not end
        task.set_status(Status::Stopped);
    }
}

impl Container {
    async fn end(self) {
        let _ = self.stop.send(true); // whoever does not listen has ended
        let _ = self.ended.await;
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::units::UnixMillis;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{aws::lambda::Function, tasks::lay_out};

    /// A container that tells when it has ended, some time after it was told to.
    fn container(name: &'static str, ended: &mpsc::UnboundedSender<&'static str>) -> Container {
        let (stop, mut stopped) = watch::channel(false);
        let report = ended.clone();
        let ended = tokio::spawn(async move {
            let _ = stopped.changed().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = report.send(name);
        });
        Container { stop, ended }
    }

    async fn order(lasts: Option<Duration>, told: bool) -> (Vec<&'static str>, Status) {
        let tasks = Arc::new(lay_out(1, false, None, UnixMillis(0)).unwrap());
        let (report, mut reports) = mpsc::unbounded_channel();
        let containers =
            Containers { application: Some(container("app", &report)), agent: container("agent", &report) };
        drop(report);
        let function = Function::new("drain", 256, Duration::from_secs(300));
        let events = Arc::new(TaskEvents::new(function, Duration::ZERO, Terminal::silent()));
        let terminal = Terminal::silent();
        let (_stop, stopped) = watch::channel(told);
        let life = Life { tasks: Arc::clone(&tasks), index: 0, containers, lasts, events, terminal };
        life.live(stopped).await;
        let mut order = Vec::new();
        reports.recv_many(&mut order, 9).await;
        (order, tasks[0].status())
    }

    #[tokio::test]
    async fn the_agent_outlives_the_application_whether_time_is_over_or_it_is_told() {
        assert_eq!(order(None, true).await, (vec!["app", "agent"], Status::Stopped));
        let short = Some(Duration::from_millis(10));
        assert_eq!(order(short, false).await, (vec!["app", "agent"], Status::Stopped));
    }
}
