//! SQS: the calls that a producer and a test need, over one queue.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/>

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ACCOUNT,
    json::{Refusal, read},
    queue::{Queue, Received, md5_hex},
};
use crate::clock;

/// The service's part of `X-Amz-Target`.
pub(crate) const TARGET: &str = "AmazonSQS";

/// The one queue.
pub(crate) const QUEUE: &str = "siphon-shards";

/// A message, and all messages of a batch together, attributes left aside.
const MAX_BYTES: usize = 1 << 20;
const MAX_BATCH: usize = 10;

pub(crate) struct Sqs {
    queue: Arc<Queue>,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_system_attributes: HashMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    string_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Single {
    queue_url: String,
    #[serde(flatten)]
    message: SingleMessage,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SingleMessage {
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_system_attributes: HashMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    queue_url: String,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u64>,
    wait_time_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteBatch {
    queue_url: String,
    entries: Vec<DeleteEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    queue_name: Option<String>,
    queue_url: Option<String>,
}

impl Sqs {
    /// `endpoint`: where this stand-in listens, such as `http://127.0.0.1:9000`.
    pub(crate) fn new(queue: Arc<Queue>, endpoint: &str) -> Self {
        Self { queue, url: format!("{endpoint}/{ACCOUNT}/{QUEUE}") }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn answer(&self, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
        match operation {
            "SendMessageBatch" => self.send_batch(read(body)?),
            "SendMessage" => self.send(read(body)?),
            "ReceiveMessage" => self.receive(read(body)?).await,
            "DeleteMessage" => self.delete(&read(body)?),
            "DeleteMessageBatch" => self.delete_batch(&read(body)?),
            "GetQueueUrl" => self.queue_url(&read(body)?),
            "GetQueueAttributes" => self.attributes(&read(body)?),
            other => Err(Refusal::new("UnknownOperationException", format!("{other} is not stood in for"))),
        }
    }

    fn send_batch(&self, request: Batch) -> Result<Value, Refusal> {
        self.check(&request.queue_url)?;
        let ids: Vec<_> = request.entries.iter().map(|entry| entry.id.as_str()).collect();
        check_batch(&ids)?;
        if request.entries.iter().map(|entry| entry.message_body.len()).sum::<usize>() > MAX_BYTES {
            return Err(Refusal::new(
                "AWS.SimpleQueueService.BatchRequestTooLong",
                format!("Batch requests cannot be longer than {MAX_BYTES} bytes."),
            ));
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in request.entries {
            let Entry { id, message_body, delay_seconds, message_system_attributes } = entry;
            match self.take(SingleMessage { message_body, delay_seconds, message_system_attributes }) {
                Ok((message_id, md5)) => {
                    successful.push(json!({ "Id": id, "MessageId": message_id, "MD5OfMessageBody": md5 }));
                }
                Err(Refusal { code, message }) => {
                    failed.push(json!({ "Id": id, "Code": code, "Message": message, "SenderFault": true }));
                }
            }
        }
        Ok(json!({ "Successful": successful, "Failed": failed }))
    }

    fn send(&self, request: Single) -> Result<Value, Refusal> {
        self.check(&request.queue_url)?;
        let (id, md5) = self.take(request.message)?;
        Ok(json!({ "MessageId": id, "MD5OfMessageBody": md5 }))
    }

    /// Puts a message into the queue: its id and its body's MD5.
    fn take(&self, message: SingleMessage) -> Result<(String, String), Refusal> {
        let invalid = |text: String| Refusal::new("InvalidParameterValue", text);
        if message.message_body.is_empty() || message.message_body.len() > MAX_BYTES {
            return Err(invalid(format!("The message body must have 1 to {MAX_BYTES} bytes.")));
        }
        let delay = u64::try_from(message.delay_seconds.unwrap_or(0)).ok().filter(|seconds| *seconds <= 900);
        let delay = delay.ok_or_else(|| invalid("DelaySeconds must be from 0 to 900.".to_owned()))?;
        let md5 = md5_hex(&message.message_body);
        let mut attributes = message.message_system_attributes;
        let trace = attributes.remove("AWSTraceHeader").and_then(|attribute| attribute.string_value);
        let id = self.queue.send(message.message_body, trace, Duration::from_secs(delay), clock::now());
        Ok((id, md5))
    }

    async fn receive(&self, request: Receive) -> Result<Value, Refusal> {
        self.check(&request.queue_url)?;
        let max = request.max_number_of_messages.unwrap_or(1);
        if !(1..=MAX_BATCH).contains(&max) {
            return Err(Refusal::new("InvalidParameterValue", "MaxNumberOfMessages must be from 1 to 10."));
        }
        let visibility =
            request.visibility_timeout.map_or(self.queue.policy().visibility, Duration::from_secs);
        let wait = Duration::from_secs(request.wait_time_seconds.unwrap_or(0).min(20));
        let received = self.queue.receive_wait(max, visibility, wait).await;
        let messages: Vec<_> = received.iter().map(message).collect();
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    fn delete(&self, request: &Delete) -> Result<Value, Refusal> {
        self.check(&request.queue_url)?;
        self.queue.delete(&request.receipt_handle); // an old receipt is no error, as on AWS
        Ok(json!({}))
    }

    fn delete_batch(&self, request: &DeleteBatch) -> Result<Value, Refusal> {
        self.check(&request.queue_url)?;
        let ids: Vec<_> = request.entries.iter().map(|entry| entry.id.as_str()).collect();
        check_batch(&ids)?;
        for entry in &request.entries {
            self.queue.delete(&entry.receipt_handle);
        }
        let successful: Vec<_> = ids.iter().map(|id| json!({ "Id": id })).collect();
        Ok(json!({ "Successful": successful, "Failed": [] }))
    }

    fn queue_url(&self, request: &Named) -> Result<Value, Refusal> {
        match request.queue_name.as_deref() {
            Some(QUEUE) => Ok(json!({ "QueueUrl": self.url })),
            _ => Err(no_such_queue()),
        }
    }

    fn attributes(&self, request: &Named) -> Result<Value, Refusal> {
        self.check(request.queue_url.as_deref().unwrap_or_default())?;
        let depth = self.queue.depth(clock::now());
        let policy = self.queue.policy();
        Ok(json!({ "Attributes": {
            "ApproximateNumberOfMessages": depth.visible.to_string(),
            "ApproximateNumberOfMessagesNotVisible": depth.in_flight.to_string(),
            "VisibilityTimeout": policy.visibility.as_secs().to_string(),
            "MessageRetentionPeriod": policy.retention.as_secs().to_string(),
        } }))
    }

    fn check(&self, url: &str) -> Result<(), Refusal> {
        if url == self.url { Ok(()) } else { Err(no_such_queue()) }
    }
}

fn no_such_queue() -> Refusal {
    Refusal::new("QueueDoesNotExist", "The specified queue does not exist.")
}

fn check_batch(ids: &[&str]) -> Result<(), Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, message));
    if ids.is_empty() {
        return refuse("AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry.");
    }
    if ids.len() > MAX_BATCH {
        return refuse(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries is 10.",
        );
    }
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    if unique.len() < ids.len() {
        return refuse("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Two entries have one Id.");
    }
    let fits = |id: &str| {
        (1..=80).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if !ids.iter().all(|id| fits(id)) {
        return refuse(
            "AWS.SimpleQueueService.InvalidBatchEntryId",
            "An Id has characters other than A-Za-z0-9-_.",
        );
    }
    Ok(())
}

/// A message as ReceiveMessage gives it.
fn message(received: &Received) -> Value {
    json!({
        "MessageId": received.id,
        "ReceiptHandle": received.receipt,
        "MD5OfBody": md5_hex(&received.body),
        "Body": received.body,
        "Attributes": {
            "ApproximateReceiveCount": received.receives.to_string(),
            "SentTimestamp": received.sent.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::queue::Policy;

    fn sqs() -> Sqs {
        let policy = Policy {
            visibility: Duration::from_secs(300),
            retention: Duration::from_secs(300),
            max_receives: 3,
        };
        Sqs::new(Arc::new(Queue::new(policy)), "http://127.0.0.1:1")
    }

    async fn ask(sqs: &Sqs, operation: &str, mut body: Value) -> Result<Value, Refusal> {
        body["QueueUrl"] = json!(sqs.url());
        sqs.answer(operation, body.to_string().as_bytes()).await
    }

    #[tokio::test]
    async fn a_batch_is_sent_received_and_deleted() {
        let sqs = sqs();
        let entries = json!([
            { "Id": "0", "MessageBody": "hello" },
            { "Id": "1", "MessageBody": "", },
            { "Id": "2", "MessageBody": "x", "DelaySeconds": 901 },
        ]);
        let sent = ask(&sqs, "SendMessageBatch", json!({ "Entries": entries })).await.unwrap();
        assert_eq!(sent["Successful"][0]["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
        let failed: Vec<_> = sent["Failed"].as_array().unwrap().iter().map(|f| f["Id"].clone()).collect();
        assert_eq!(failed, ["1", "2"]);

        let got = ask(&sqs, "ReceiveMessage", json!({ "MaxNumberOfMessages": 10 })).await.unwrap();
        assert_eq!(got["Messages"][0]["Body"], "hello");
        let receipt = got["Messages"][0]["ReceiptHandle"].clone();
        ask(&sqs, "DeleteMessage", json!({ "ReceiptHandle": receipt })).await.unwrap();
        let attributes = ask(&sqs, "GetQueueAttributes", json!({})).await.unwrap();
        assert_eq!(attributes["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0");
    }

    #[tokio::test]
    async fn bad_batches_get_the_errors_of_sqs() {
        let sqs = sqs();
        let entry = |id: &str| json!({ "Id": id, "MessageBody": "x" });
        let eleven: Vec<_> = (0..11).map(|n| entry(&n.to_string())).collect();
        let large = json!({ "Id": "a", "MessageBody": "x".repeat(MAX_BYTES) });
        for (entries, code) in [
            (json!([]), "EmptyBatchRequest"),
            (json!(eleven), "TooManyEntriesInBatchRequest"),
            (json!([entry("a"), entry("a")]), "BatchEntryIdsNotDistinct"),
            (json!([entry("a b")]), "InvalidBatchEntryId"),
            (json!([large, entry("b")]), "BatchRequestTooLong"),
        ] {
            let refusal = ask(&sqs, "SendMessageBatch", json!({ "Entries": entries })).await.unwrap_err();
            assert!(refusal.code.ends_with(code), "{refusal:?}");
        }
        let other = sqs.answer("ReceiveMessage", br#"{"QueueUrl":"http://127.0.0.1:1/1/other"}"#).await;
        assert_eq!(other.unwrap_err().code, "QueueDoesNotExist");
    }
}
