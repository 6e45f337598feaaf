//! Shards -> SQS messages.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::{BuildError, DisplayErrorContext},
    types::{BatchResultErrorEntry, SendMessageBatchRequestEntry},
};
use siphon_core::shard::Shard;
use tracing::warn;

/// Most messages that one call takes.
const BATCH_MESSAGES: usize = 10;

/// Most bytes that one call takes, 1 MiB, less room for what a message has beside its body.
const BATCH_BYTES: usize = 1_000_000;

/// How often a message is offered before it is given up.
const ATTEMPTS: u32 = 4;

/// Wait after the first attempt; doubles with each one.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Shards did not get into the queue. Their tasks wait for the next enumeration; the agents keep their data.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A shard can't be written as JSON, which its types rule out.
    #[error("shard can't be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// SQS did not take them.
    #[error("{unsent} of {shards} shards could not be sent to {queue_url}; the first: {first}")]
    Unsent {
        /// How many.
        unsent: usize,
        /// Out of how many.
        shards: usize,
        /// Where to.
        queue_url: String,
        /// Why the first one wasn't taken.
        first: String,
    },
}

/// Sends one message a shard.
///
/// # Errors
/// [`SendError`] if any shard could not be sent; all others are.
pub async fn send(sqs: &Client, queue_url: &str, shards: &[Shard]) -> Result<(), SendError> {
    let bodies = shards.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    let mut unsent = Vec::new();
    for batch in batches(bodies) {
        unsent.extend(send_batch(sqs, queue_url, batch).await);
    }
    let Some(first) = unsent.first().cloned() else { return Ok(()) };
    let (unsent, shards, queue_url) = (unsent.len(), shards.len(), queue_url.to_owned());
    Err(SendError::Unsent { unsent, shards, queue_url, first })
}

/// Groups messages so that each group fits one call.
fn batches(bodies: Vec<String>) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for body in bodies {
        bytes += body.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MESSAGES && bytes <= BATCH_BYTES => batch.push(body),
            _ => {
                bytes = body.len();
                batches.push(vec![body]);
            }
        }
    }
    batches
}

/// Sends one group, and gives a reason for each message that was not taken. A call that fails as a whole has been
/// retried by the SDK before.
async fn send_batch(sqs: &Client, queue_url: &str, batch: Vec<String>) -> Vec<String> {
    let mut left: Vec<_> = batch.into_iter().enumerate().map(|(n, body)| (n.to_string(), body)).collect();
    let mut unsent = Vec::new();
    for attempt in 0..ATTEMPTS {
        let answer = match entries(&left) {
            Ok(entries) => {
                sqs.send_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await
            }
            Err(error) => return refuse_all(unsent, &left, &error.to_string()),
        };
        let failed = match answer {
            Ok(answer) => answer.failed,
            Err(error) => return refuse_all(unsent, &left, &DisplayErrorContext(error).to_string()),
        };
        let (again, refused) = sort_out(left, &failed);
        unsent.extend(refused);
        if again.is_empty() {
            return unsent;
        }
        warn!(messages = again.len(), attempt, "SQS took only part of a batch");
        left = again;
        tokio::time::sleep(FIRST_WAIT * 2u32.pow(attempt)).await;
    }
    refuse_all(unsent, &left, &format!("not taken in {ATTEMPTS} attempts"))
}

fn entries(messages: &[(String, String)]) -> Result<Vec<SendMessageBatchRequestEntry>, BuildError> {
    let entry = |(id, body): &(String, String)| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).build()
    };
    messages.iter().map(entry).collect()
}

/// Parts the messages that SQS did not take into those to offer again and the reasons of those refused for good.
fn sort_out(
    mut messages: Vec<(String, String)>,
    failed: &[BatchResultErrorEntry],
) -> (Vec<(String, String)>, Vec<String>) {
    let (fatal, passing): (Vec<_>, Vec<_>) = failed.iter().partition(|entry| entry.sender_fault());
    messages.retain(|(id, _)| passing.iter().any(|entry| entry.id() == id));
    let reason = |entry: &&BatchResultErrorEntry| {
        format!("{}: {}", entry.code(), entry.message().unwrap_or("no message"))
    };
    (messages, fatal.iter().map(reason).collect())
}

fn refuse_all(mut unsent: Vec<String>, left: &[(String, String)], why: &str) -> Vec<String> {
    unsent.extend(left.iter().map(|_| why.to_owned()));
    unsent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_ten_messages_and_under_a_mebibyte() {
        let sizes = |bodies: Vec<String>| batches(bodies).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec!["x".into(); 23]), [10, 10, 3]);
        assert_eq!(sizes(vec!["x".repeat(400_000); 5]), [2, 2, 1]);
        assert_eq!(sizes(vec!["x".repeat(2_000_000); 2]), [1, 1], "SQS is asked, and says no");
        assert!(batches(Vec::new()).is_empty());
    }

    #[test]
    fn only_what_may_succeed_is_offered_again() {
        let failure = |id: &str, sender_fault| {
            BatchResultErrorEntry::builder().id(id).code("Code").sender_fault(sender_fault).build().unwrap()
        };
        let messages = ["0", "1", "2"].map(|id| (id.to_owned(), format!("body {id}"))).to_vec();
        let (again, refused) = sort_out(messages, &[failure("2", false), failure("0", true)]);
        assert_eq!(again, [("2".to_owned(), "body 2".to_owned())]);
        assert_eq!(refused, ["Code: no message"]);
    }
}
