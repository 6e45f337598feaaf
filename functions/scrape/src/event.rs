//! What an invocation is about: shards to scrape, or a task that is told to stop.

use aws_lambda_events::sqs::SqsEvent;
use serde_json::Value;

use crate::task_event::{DETAIL_TYPE, TaskStateChange};

/// What the function is invoked with.
#[derive(Debug)]
pub enum Event {
    /// Messages of the queue, each a shard.
    Shards(SqsEvent),
    /// A change of a task's state.
    Task(TaskStateChange),
}

/// The function is invoked with something else.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Its shape is unknown.
    #[error(
        "event has neither Records, as messages of the shard queue come, nor the detail-type {DETAIL_TYPE:?}; \
         only the queue and the rule for stopping tasks may invoke this function"
    )]
    Unknown,
    /// Its shape is known, but not kept to.
    #[error("event can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl Event {
    /// Reads a payload of Lambda.
    ///
    /// # Errors
    /// [`EventError`]
    pub fn read(event: Value) -> Result<Self, EventError> {
        if event.get("Records").is_some() {
            Ok(Self::Shards(serde_json::from_value(event)?))
        } else if event.get("detail-type").and_then(Value::as_str) == Some(DETAIL_TYPE) {
            Ok(Self::Task(serde_json::from_value(event)?))
        } else {
            Err(EventError::Unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_trigger_is_known_by_its_shape_and_others_are_refused() {
        let shards = json!({ "Records": [{ "messageId": "m", "body": "{}", "eventSource": "aws:sqs" }] });
        let read = Event::read(shards).unwrap();
        assert!(matches!(read, Event::Shards(event) if event.records[0].message_id.as_deref() == Some("m")));
        let task = serde_json::from_str(include_str!("testdata/task-state-change.json")).unwrap();
        assert!(matches!(Event::read(task), Ok(Event::Task(_))));

        for other in
            [json!({ "detail-type": "Scheduled Event", "detail": {} }), json!({}), json!([1]), json!(null)]
        {
            let error = Event::read(other).unwrap_err().to_string();
            assert!(error.contains("ECS Task State Change"), "{error}");
        }
        let error = Event::read(json!({ "detail-type": DETAIL_TYPE, "detail": 7 })).unwrap_err();
        assert!(matches!(error, EventError::Unreadable(_)), "{error}");
    }
}
