//! Waiting for a condition, with a deadline. The machine may be slow and busy: a deadline is generous, and only a broken
//! promise ever uses it up.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that needs one or two rounds of the path.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The first `Some` that `look` gives.
///
/// # Panics
/// With `what` if there is none within [`DEADLINE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
