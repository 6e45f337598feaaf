//! The event source mapping: messages of the queue to invocations of `scrape`, one message each.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::{
    ACCOUNT, REGION,
    lambda::{Answer, Function},
    queue::{Queue, Received, md5_hex},
    sqs::QUEUE,
};
use crate::terminal::Terminal;

/// Polls the queue and invokes the function, with as many at once as there are pollers.
pub(crate) struct EventSource {
    pub(crate) queue: Arc<Queue>,
    pub(crate) function: Arc<Function>,
    pub(crate) terminal: Arc<Terminal>,
    pub(crate) in_flight: AtomicUsize,
}

impl EventSource {
    /// One poller, until `stop` says so. A message whose invocation fails stays in the queue until its visibility
    /// timeout brings it back.
    pub(crate) async fn poll(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let visibility = self.queue.policy().visibility;
        while !*stop.borrow() {
            let received = tokio::select! {
                received = self.queue.receive_wait(1, visibility, Duration::from_secs(20)) => received,
                _ = stop.changed() => break,
            };
            for message in received {
                self.in_flight.fetch_add(1, Ordering::Relaxed);
                self.handle(message).await;
                self.in_flight.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    async fn handle(&self, message: Received) {
        let answer = self.function.invoke(event(&message), message.trace.clone()).await;
        match verdict(&answer, &message.id) {
            Ok(()) => drop(self.queue.delete(&message.receipt)),
            Err(why) => self.terminal.warn(&format!(
                "{}: message {} failed (receive {}): {why}",
                self.function.name, message.id, message.receives
            )),
        }
    }
}

/// The event of one message.
fn event(message: &Received) -> Bytes {
    let mut attributes = json!({
        "ApproximateReceiveCount": message.receives.to_string(),
        "SentTimestamp": message.sent.to_string(),
        "SenderId": "AROALOCALSTANDIN0000:enumerate",
        "ApproximateFirstReceiveTimestamp": message.first_received.to_string(),
    });
    if let (Some(trace), Some(fields)) = (&message.trace, attributes.as_object_mut()) {
        fields.insert("AWSTraceHeader".to_owned(), json!(trace));
    }
    let event = json!({ "Records": [{
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": md5_hex(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"),
        "awsRegion": REGION,
    }] });
    event.to_string().into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    #[serde(default)]
    batch_item_failures: Option<Vec<ItemFailure>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    #[serde(default)]
    item_identifier: Option<String>,
}

/// Whether the answer lets the message go. An error, an answer that is no JSON object, and an identifier that is empty
/// or unknown all bring back the whole batch.
fn verdict(answer: &Answer, id: &str) -> Result<(), String> {
    let body = answer.as_ref().map_err(ToString::to_string)?;
    if body.is_empty() || &body[..] == b"null" {
        return Ok(()); // documented as success
    }
    let response: BatchResponse =
        serde_json::from_slice(body).map_err(|error| format!("its answer is no batch response: {error}"))?;
    match response.batch_item_failures.unwrap_or_default().first() {
        None => Ok(()),
        Some(ItemFailure { item_identifier: Some(item) }) if item == id => {
            Err("the function reports it as failed".to_owned())
        }
        Some(_) => Err("the function reports an unknown message as failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{
        lambda::{Environment, FunctionError},
        queue::Policy,
    };

    #[test]
    fn only_a_clean_answer_lets_a_message_go() {
        let body = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
        for good in [r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, "{}", "null", ""] {
            assert_eq!(verdict(&body(good), "m"), Ok(()), "{good}");
        }
        for bad in [
            r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{}]}"#,
            "[1",
        ] {
            assert!(verdict(&body(bad), "m").is_err(), "{bad}");
        }
        assert!(verdict(&Err(FunctionError { kind: "E".into(), message: String::new() }), "m").is_err());
    }

    #[tokio::test]
    async fn a_failed_message_comes_back_and_a_good_one_is_deleted() {
        let policy = Policy {
            visibility: Duration::from_millis(50),
            retention: Duration::from_secs(60),
            max_receives: 5,
        };
        let queue = Arc::new(Queue::new(policy));
        let function = Function::new("scrape", 128, Duration::from_secs(5));
        let source = Arc::new(EventSource {
            queue: Arc::clone(&queue),
            function: Arc::clone(&function),
            terminal: Terminal::silent(),
            in_flight: AtomicUsize::new(0),
        });
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(source.poll(stopped));
        queue.send("shard".into(), Some("Root=1-a".into()), Duration::ZERO, crate::clock::now());

        let environment = Environment::new(function);
        let mut answers = vec![Bytes::from_static(b"{}"), Bytes::from_static(b"bad")];
        let mut counts = Vec::new();
        while let Some(answer) = answers.pop() {
            let (id, payload) = environment.next_for_test().await;
            let event: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(event["Records"][0]["body"], "shard");
            assert_eq!(event["Records"][0]["attributes"]["AWSTraceHeader"], "Root=1-a");
            counts.push(event["Records"][0]["attributes"]["ApproximateReceiveCount"].clone());
            environment.answer_for_test(&id, answer);
        }
        assert_eq!(counts, ["1", "2"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(queue.depth(crate::clock::now()), crate::aws::queue::Depth::default());
    }
}
