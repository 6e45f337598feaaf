//! EventBridge's clock: a scheduled event to `enumerate`, one at a time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use siphon_core::units::UnixMillis;
use tokio::{sync::watch, time::MissedTickBehavior};

use super::{ACCOUNT, REGION, lambda::Function, queue::message_id};
use crate::{clock, terminal::Terminal};

/// Invokes `function` at every tick of `every`, which may change; `None` ends it. A tick that finds the one before still
/// running is left out.
pub(crate) async fn tick(
    function: Arc<Function>,
    terminal: Arc<Terminal>,
    mut every: watch::Receiver<Option<Duration>>,
) {
    loop {
        let Some(period) = *every.borrow_and_update() else { return };
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                changed = every.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                }
            }
            if let Err(error) = function.invoke(event(clock::now()), None).await {
                terminal.warn(&format!("{}: {error}", function.name));
            }
        }
    }
}

fn event(now: UnixMillis) -> Bytes {
    let time = jiff::Timestamp::from_millisecond(now.0).map(|t| format!("{t:.0}")).unwrap_or_default();
    json!({
        "version": "0",
        "id": message_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time,
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/siphon-schedule")],
        "detail": {},
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::lambda::Environment;

    #[test]
    fn the_event_is_that_of_a_schedule() {
        let event: serde_json::Value = serde_json::from_slice(&event(UnixMillis(1_795_000_000_123))).unwrap();
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["time"], "2026-11-18T11:06:40Z");
    }

    #[tokio::test]
    async fn invocations_never_overlap_and_the_period_can_change() {
        let function = Function::new("enumerate", 128, Duration::from_secs(5));
        let (every, period) = watch::channel(Some(Duration::from_secs(3600)));
        let clock = tokio::spawn(tick(Arc::clone(&function), Terminal::silent(), period));
        let environment = Environment::new(function);
        let (first, _) = environment.next_for_test().await; // at once
        every.send(Some(Duration::from_millis(10))).unwrap();
        let next = tokio::time::timeout(Duration::from_millis(100), environment.next_for_test());
        // Asking for more abandons the first, which is what lets the second come.
        let (second, _) = next.await.unwrap();
        assert_ne!(first, second);
        environment.answer_for_test(&second, Bytes::new());
        every.send(None).unwrap();
        clock.await.unwrap();
    }
}
