//! EventBridge's rule for stopping tasks: each change of a task's state on its way to the end invokes the function that
//! drains it.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    ACCOUNT, REGION,
    ecs::{Known, describe},
    lambda::Function,
    queue::message_id,
};
use crate::{clock, lock, tasks::Task, terminal::Terminal};

/// Tells the function of stopping tasks, as the rule's target.
pub(crate) struct TaskEvents {
    function: Arc<Function>,
    /// Between a change and its event.
    delay: Duration,
    terminal: Arc<Terminal>,
    under_way: Mutex<JoinSet<()>>,
}

/// A state in which a task that is to be `STOPPED` can still be reached, and that the rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastStatus {
    Running,
    Deactivating,
    Stopping,
}

impl LastStatus {
    const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
        }
    }

    /// Of the task's description: it grows with each change.
    const fn version(self) -> u32 {
        match self {
            Self::Running => 4,
            Self::Deactivating => 5,
            Self::Stopping => 6,
        }
    }
}

impl TaskEvents {
    pub(crate) fn new(function: Arc<Function>, delay: Duration, terminal: Arc<Terminal>) -> Self {
        Self { function, delay, terminal, under_way: Mutex::default() }
    }

    /// `task`, which is to stop, has come to `status`. Nothing waits for the function.
    pub(crate) fn changed(&self, task: &Task, status: LastStatus) {
        let Some(event) = event(task, status) else { return }; // ECS doesn't know it
        let (function, terminal) = (Arc::clone(&self.function), Arc::clone(&self.terminal));
        let delay = self.delay;
        lock(&self.under_way).spawn(async move {
            tokio::time::sleep(delay).await;
            if let Err(error) = function.invoke(event.to_string().into(), None).await {
                terminal.warn(&format!("{}: {error}", function.name));
            }
        });
    }

    /// Forgets events that have not been dealt with: their tasks have ended.
    pub(crate) fn end(&self) {
        lock(&self.under_way).abort_all();
    }
}

fn event(task: &Task, status: LastStatus) -> Option<Value> {
    let identity = task.identity()?;
    let arn = identity.arn.clone();
    let mut detail = describe(&Known { task, identity });
    let now = clock::rfc3339(clock::now());
    let started = clock::rfc3339(task.started_at);
    // What events write otherwise than the API does, and what a stop adds.
    if let (Value::Object(detail), Value::Object(changes)) = (
        &mut detail,
        json!({
            "lastStatus": status.name(),
            "desiredStatus": "STOPPED",
            "version": status.version(),
            "createdAt": started,
            "startedAt": started,
            "updatedAt": now,
            "stoppingAt": now,
            "stopCode": "ServiceSchedulerInitiated",
            "stoppedReason": "Scaling activity initiated by deployment",
        }),
    ) {
        detail.extend(changes);
        detail.retain(|name, _| name != "tags" && name != "healthStatus");
    }
    if let Some(kind) = detail.pointer_mut("/attachments/0/type") {
        *kind = "eni".into();
    }
    Some(json!({
        "version": "0",
        "id": message_id(),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": now,
        "region": REGION,
        "resources": [arn],
        "detail": detail,
    }))
}

#[cfg(test)]
mod tests {
    use siphon_core::units::UnixMillis;

    use super::*;
    use crate::{
        aws::lambda::Environment,
        tasks::{AGENT_CONTAINER, lay_out},
    };

    #[tokio::test]
    async fn each_change_invokes_the_function_with_the_address_in_the_event() {
        let task = lay_out(1, false, None, UnixMillis(1_795_000_000_000)).unwrap().remove(0);
        let environment = Environment::new(Function::new("drain", 256, Duration::from_secs(300)));
        let function = Arc::clone(&environment.function);
        let events = TaskEvents::new(function, Duration::from_millis(50), Terminal::silent());
        let begun = std::time::Instant::now();
        for status in [LastStatus::Running, LastStatus::Deactivating, LastStatus::Stopping] {
            events.changed(&task, status);
            let (id, payload) = environment.next_for_test().await;
            let event: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(
                (&event["source"], &event["detail-type"]),
                (&"aws.ecs".into(), &"ECS Task State Change".into())
            );
            let detail = &event["detail"];
            assert_eq!(
                (&detail["lastStatus"], &detail["desiredStatus"]),
                (&status.name().into(), &"STOPPED".into())
            );
            assert_eq!(event["resources"][0], detail["taskArn"]);
            assert_eq!(detail["attachments"][0]["type"], "eni");
            let address = task.address.to_string();
            assert_eq!(detail["attachments"][0]["details"][4]["value"], address);
            assert_eq!(detail["containers"][1]["name"], AGENT_CONTAINER);
            assert_eq!(detail["containers"][1]["networkInterfaces"][0]["privateIpv4Address"], address);
            assert_eq!(detail["startedAt"], "2026-11-18T11:06:40.000Z", "a text, where the API has a number");
            environment.answer_for_test(&id, "null".into());
        }
        assert!(begun.elapsed() >= Duration::from_millis(150), "each event is late");
    }

    #[tokio::test]
    async fn a_task_that_ecs_does_not_know_has_no_events() {
        let task = lay_out(1, true, None, UnixMillis(0)).unwrap().remove(0);
        assert!(event(&task, LastStatus::Running).is_none());
    }
}
