//! A standard SQS queue in memory: visibility timeout, receive count, retention, dead letters.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use md5::{Digest as _, Md5};
use siphon_core::units::UnixMillis;
use tokio::sync::Notify;

use crate::{clock, lock, tasks::random_hex};

/// How the queue treats messages: what the template sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) visibility: Duration,
    pub(crate) retention: Duration,
    /// A message received more often goes to the dead letters.
    pub(crate) max_receives: u32,
}

pub(crate) struct Queue {
    policy: Policy,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    dead: u64,
    expired: u64,
}

struct Message {
    id: String,
    body: String,
    trace: Option<String>,
    sent: UnixMillis,
    visible: UnixMillis,
    first_received: UnixMillis,
    receives: u32,
    /// Of the latest receive: an older one no longer deletes.
    receipt: Option<String>,
}

/// A message as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) receipt: String,
    pub(crate) body: String,
    /// The sender's `AWSTraceHeader`.
    pub(crate) trace: Option<String>,
    pub(crate) sent: UnixMillis,
    pub(crate) first_received: UnixMillis,
    pub(crate) receives: u32,
}

/// What lies in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    /// Received too often.
    pub(crate) dead: u64,
    /// Kept too long.
    pub(crate) expired: u64,
}

impl Queue {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, state: Mutex::default(), arrived: Notify::new() }
    }

    pub(crate) const fn policy(&self) -> Policy {
        self.policy
    }

    /// Takes a message and gives its id.
    pub(crate) fn send(
        &self,
        body: String,
        trace: Option<String>,
        delay: Duration,
        now: UnixMillis,
    ) -> String {
        let id = message_id();
        lock(&self.state).messages.push_back(Message {
            id: id.clone(),
            body,
            trace,
            sent: now,
            visible: now.plus(millis(delay)),
            first_received: now,
            receives: 0,
            receipt: None,
        });
        self.arrived.notify_waiters();
        id
    }

    /// At most `max` visible messages, oldest first, hidden from others for `visibility`.
    pub(crate) fn receive(&self, max: usize, visibility: Duration, now: UnixMillis) -> Vec<Received> {
        let mut state = lock(&self.state);
        self.sweep(&mut state, now);
        let visible = state.messages.iter_mut().filter(|message| message.visible <= now);
        visible.take(max).map(|message| message.hand_out(visibility, now)).collect()
    }

    /// As [`Self::receive`], waiting up to `wait` for the first message.
    pub(crate) async fn receive_wait(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Vec<Received> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let arrived = self.arrived.notified();
            let received = self.receive(max, visibility, clock::now());
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if !received.is_empty() || left.is_zero() {
                return received;
            }
            // Woken by a message; looked at again anyway, since a hidden or delayed one may have come to light.
            let _ = tokio::time::timeout(left.min(Duration::from_millis(100)), arrived).await;
        }
    }

    /// Whether the receipt was that of a message's latest receive.
    pub(crate) fn delete(&self, receipt: &str) -> bool {
        let mut state = lock(&self.state);
        let before = state.messages.len();
        state.messages.retain(|message| message.receipt.as_deref() != Some(receipt));
        state.messages.len() < before
    }

    pub(crate) fn depth(&self, now: UnixMillis) -> Depth {
        let state = lock(&self.state);
        let in_flight = state.messages.iter().filter(|m| m.visible > now && m.receipt.is_some()).count();
        let visible = state.messages.iter().filter(|m| m.visible <= now).count();
        Depth { visible, in_flight, dead: state.dead, expired: state.expired }
    }

    fn sweep(&self, state: &mut State, now: UnixMillis) {
        let State { messages, dead, expired } = state;
        messages.retain(|message| {
            let old = now.since(message.sent) > millis(self.policy.retention);
            let worn = message.visible <= now && message.receives >= self.policy.max_receives;
            *expired += u64::from(old);
            *dead += u64::from(worn && !old);
            !old && !worn
        });
    }
}

impl Message {
    fn hand_out(&mut self, visibility: Duration, now: UnixMillis) -> Received {
        let receipt = random_hex();
        if self.receives == 0 {
            self.first_received = now;
        }
        self.receives += 1;
        self.visible = now.plus(millis(visibility));
        self.receipt = Some(receipt.clone());
        Received {
            id: self.id.clone(),
            receipt,
            body: self.body.clone(),
            trace: self.trace.clone(),
            sent: self.sent,
            first_received: self.first_received,
            receives: self.receives,
        }
    }
}

/// The MD5 by which SQS clients check a body.
pub(crate) fn md5_hex(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A random UUID, version 4.
pub(crate) fn message_id() -> String {
    // Version 4 in the 13th digit, variant in the two upper bits of the 17th.
    let fixed = 0xf000 << 64 | 0xc000 << 48;
    let bits = (fastrand::u128(..) & !fixed) | 0x4000 << 64 | 0x8000 << 48;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn queue() -> Queue {
        Queue::new(Policy { visibility: SECOND, retention: SECOND * 60, max_receives: 2 })
    }

    fn send(queue: &Queue, body: &str) {
        queue.send(body.to_owned(), None, Duration::ZERO, NOW);
    }

    #[test]
    fn a_received_message_is_hidden_until_its_timeout_and_gone_when_deleted() {
        let queue = queue();
        send(&queue, "a");
        let first = queue.receive(10, SECOND, NOW).remove(0);
        assert_eq!((first.body.as_str(), first.receives), ("a", 1));
        assert!(queue.receive(10, SECOND, NOW.plus(999)).is_empty());
        assert_eq!(queue.depth(NOW).in_flight, 1);
        let second = queue.receive(10, SECOND, NOW.plus(1000)).remove(0);
        assert_eq!((second.receives, second.first_received), (2, NOW));
        assert!(!queue.delete(&first.receipt), "the first receipt is void");
        assert!(queue.delete(&second.receipt));
        assert_eq!(queue.depth(NOW.plus(5000)), Depth::default());
    }

    #[test]
    fn a_message_received_too_often_goes_to_the_dead_letters() {
        let queue = queue();
        send(&queue, "a");
        let times = (0..5).filter(|n| !queue.receive(1, SECOND, NOW.plus(n * 2000)).is_empty()).count();
        assert_eq!((times, queue.depth(NOW).dead), (2, 1));
    }

    #[test]
    fn delay_order_batch_size_and_retention_hold() {
        let queue = queue();
        queue.send("late".into(), None, SECOND, NOW);
        for body in ["a", "b", "c"] {
            send(&queue, body);
        }
        let bodies: Vec<_> = queue.receive(2, SECOND, NOW).into_iter().map(|m| m.body).collect();
        assert_eq!(bodies, ["a", "b"]);
        assert_eq!(queue.depth(NOW).visible, 1);
        assert!(queue.receive(10, SECOND, NOW.plus(60_001)).is_empty());
        assert_eq!(queue.depth(NOW).expired, 4);
    }

    #[tokio::test]
    async fn a_waiting_consumer_is_woken() {
        let queue = std::sync::Arc::new(queue());
        let waiting = {
            let queue = std::sync::Arc::clone(&queue);
            tokio::spawn(async move { queue.receive_wait(1, SECOND, SECOND * 20).await })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        queue.send("a".into(), None, Duration::ZERO, clock::now());
        assert_eq!(waiting.await.unwrap().len(), 1);
        assert!(queue.receive_wait(1, SECOND, Duration::ZERO).await.is_empty());
    }

    #[test]
    fn ids_are_version_4_uuids() {
        let id = message_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert_ne!(id, message_id());
    }
}
