//! What an answer means. By status alone: the specification forbids deciding by the text
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/#retries--backoff>).

use std::time::Duration;

/// What to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored: ack.
    Stored,
    /// The receiver can't take it now: send the same bytes again, no sooner than `after`.
    Retry {
        /// What the receiver asked for.
        after: Option<Duration>,
    },
    /// Too large: send it in parts.
    Split,
    /// A verdict on the data, which a retry can't cure: count, ack. Samples that were good may have been stored.
    Rejected,
    /// Address, credentials or protocol are wrong and the data is innocent: keep it, fail loudly.
    Misconfigured,
}

/// The verdict of `status`. `retry_after` is the header's text: a number of seconds is honoured, a date is not, as
/// the core has no clock; nonsense is ignored.
///
/// A status that no receiver gives (1xx, 3xx, beyond 5xx) says that something else answered: misconfigured.
#[must_use]
pub fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
    match status {
        200..=299 => Verdict::Stored,
        429 | 500..=599 => Verdict::Retry { after: retry_after.and_then(seconds) },
        413 => Verdict::Split,
        401 | 403 | 404 | 415 => Verdict::Misconfigured,
        400..=499 => Verdict::Rejected,
        _ => Verdict::Misconfigured,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    #[test]
    fn the_status_decides() {
        let seconds = |n| Retry { after: Some(Duration::from_secs(n)) };
        for (status, retry_after, want) in [
            (200, None, Stored),
            (204, None, Stored),
            (202, Some("5"), Stored),
            (500, None, Retry { after: None }),
            (503, Some("7"), seconds(7)),
            (503, Some(" 7 "), seconds(7)),
            (429, Some("0"), seconds(0)),
            (429, Some("Wed, 21 Oct 2026 07:28:00 GMT"), Retry { after: None }),
            (429, Some("-1"), Retry { after: None }),
            (413, None, Split),
            (401, None, Misconfigured),
            (403, None, Misconfigured),
            (404, None, Misconfigured),
            (415, None, Misconfigured),
            (302, None, Misconfigured),
            (0, None, Misconfigured),
            (400, Some("7"), Rejected),
            (409, None, Rejected),
            (422, None, Rejected),
        ] {
            assert_eq!(verdict(status, retry_after), want, "{status} {retry_after:?}");
        }
    }
}
