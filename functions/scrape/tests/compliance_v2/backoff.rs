//! The suite's table `TestBackoffBehavior`.
//!
//! Waits are drawn at random below a bound that doubles, so that a later one may be shorter: what has to grow is the bound.
//! Waits, bound by bound, are held in `src/backoff.rs`; here is what the receiver sees of them.

use std::time::{Duration, Instant};

use siphon_scrape::time::now;

use crate::{
    support::{Reply, Sender},
    world::ENOUGH,
};

/// Times between the requests of one invocation to a receiver that never takes any.
async fn gaps(replies: &[Reply], left: Duration) -> Vec<Duration> {
    let (sender, _) = Sender::answered(replies, left).await;
    let times: Vec<_> = sender.receiver.requests().iter().map(|request| request.at).collect();
    times.windows(2).map(|two| two[1] - two[0]).collect()
}

/// Were the bound not to grow, three seconds would see some sixty requests.
#[tokio::test]
async fn exponential_backoff_on_retries() {
    let gaps = gaps(&[Reply::Status(503)], Duration::from_secs(4)).await;
    assert!((2..25).contains(&gaps.len()), "{gaps:?}");
}

#[tokio::test]
async fn backoff_required() {
    let replies = [Reply::Status(503), Reply::Status(503), Reply::Status(503), Reply::Written];
    let gaps = gaps(&replies, ENOUGH).await;
    assert_eq!(gaps.len(), 3);
    assert!(gaps.iter().sum::<Duration>() > Duration::from_millis(5), "{gaps:?}");
}

#[tokio::test]
async fn backoff_max_delay() {
    let gaps = gaps(&[Reply::Status(500)], Duration::from_secs(3)).await;
    assert!(gaps.iter().all(|gap| *gap < Duration::from_secs(60)), "{gaps:?}");
}

#[tokio::test]
async fn backoff_with_jitter() {
    let gaps = gaps(&[Reply::Status(500)], Duration::from_secs(3)).await;
    let millis: Vec<_> = gaps.iter().map(Duration::as_millis).collect();
    let bounds = [100, 200, 400, 800, 1600, 3200];
    assert!(millis.iter().zip(bounds).any(|(gap, bound)| gap.abs_diff(bound) > 2), "{millis:?}");
}

/// Beyond the suite: `Retry-After` as seconds.
#[tokio::test]
async fn retry_after_in_seconds_is_kept_to() {
    let gaps = gaps(&[Reply::With(503, &[("retry-after", "1")], Vec::new()), Reply::Written], ENOUGH).await;
    assert!(gaps.len() == 1 && gaps[0] >= Duration::from_millis(990), "{gaps:?}");
}

/// Beyond the suite: `Retry-After` as a date.
#[tokio::test]
async fn retry_after_a_date_is_kept_to() {
    let asked = now().0 / 1000 + 4; // far enough that no random wait reaches it
    let date = jiff::Timestamp::from_second(asked).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers: &'static [(&str, &str)] = vec![("retry-after", &*date.leak())].leak();
    let busy = Reply::With(503, headers, Vec::new());
    let (sender, _) = Sender::answered(&[busy, Reply::Written], ENOUGH).await;
    let (wall, clock) = (now().0, Instant::now());
    let since_asked = |at: Instant| wall - i64::try_from((clock - at).as_millis()).unwrap() - asked * 1000;
    let times: Vec<_> = sender.receiver.requests().iter().map(|request| since_asked(request.at)).collect();
    assert!(times.len() == 2 && times[0] < 0 && times[1] >= -10, "{times:?}");
}
