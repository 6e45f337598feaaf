//! What an answer means. By status alone: the specification forbids deciding by the text
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/#retries--backoff>).

use std::time::Duration;

use jiff::{fmt::strtime, tz::TimeZone};

use crate::units::UnixMillis;

/// What to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored: ack.
    Stored,
    /// The receiver can't take it now: send the same bytes again, no sooner than `after`.
    Retry {
        /// What the receiver asked for.
        after: Option<RetryAfter>,
    },
    /// Too large: send it in parts.
    Split,
    /// A verdict on the data, which a retry can't cure: count, ack. Samples that were good may have been stored.
    Rejected,
    /// Address, credentials or protocol are wrong and the data is innocent: keep it, fail loudly.
    Misconfigured,
}

/// How long a receiver asks to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// For so long.
    In(Duration),
    /// Until then.
    At(UnixMillis),
}

impl RetryAfter {
    /// How long that is from `now`.
    #[must_use]
    pub fn wait(self, now: UnixMillis) -> Duration {
        match self {
            Self::In(wait) => wait,
            Self::At(time) => Duration::from_millis(u64::try_from(time.since(now)).unwrap_or(0)),
        }
    }
}

/// The verdict of `status`. `retry_after` is the header's text, a number of seconds or an HTTP date; nonsense is ignored.
///
/// A status that no receiver gives (1xx, 3xx, beyond 5xx) says that something else answered: misconfigured.
#[must_use]
pub fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
    match status {
        200..=299 => Verdict::Stored,
        429 | 500..=599 => Verdict::Retry { after: retry_after.and_then(parse) },
        413 => Verdict::Split,
        401 | 403 | 404 | 415 => Verdict::Misconfigured,
        400..=499 => Verdict::Rejected,
        _ => Verdict::Misconfigured,
    }
}

/// The three forms of an HTTP date (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>).
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

fn parse(text: &str) -> Option<RetryAfter> {
    let text = text.trim();
    match text.parse() {
        Ok(seconds) => Some(RetryAfter::In(Duration::from_secs(seconds))),
        Err(_) => DATES.iter().find_map(|form| date(form, text)).map(RetryAfter::At),
    }
}

fn date(form: &str, text: &str) -> Option<UnixMillis> {
    let civil = strtime::parse(form, text).ok()?.to_datetime().ok()?;
    let time = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(UnixMillis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    #[test]
    fn the_status_decides() {
        let seconds = |n| Retry { after: Some(RetryAfter::In(Duration::from_secs(n))) };
        for (status, retry_after, want) in [
            (200, None, Stored),
            (204, None, Stored),
            (202, Some("5"), Stored),
            (500, None, Retry { after: None }),
            (503, None, Retry { after: None }),
            (503, Some("7"), seconds(7)),
            (429, Some("0"), seconds(0)),
            (413, None, Split),
            (401, None, Misconfigured),
            (403, None, Misconfigured),
            (404, None, Misconfigured),
            (415, None, Misconfigured),
            (302, None, Misconfigured),
            (999, None, Misconfigured),
            (0, None, Misconfigured),
            (400, Some("7"), Rejected),
            (409, None, Rejected),
            (422, None, Rejected),
        ] {
            assert_eq!(verdict(status, retry_after), want, "{status} {retry_after:?}");
        }
    }

    #[test]
    fn a_receiver_asks_for_seconds_or_names_a_time() {
        let at = |seconds: i64| Some(RetryAfter::At(UnixMillis(seconds * 1000)));
        for (text, want) in [
            ("7", Some(RetryAfter::In(Duration::from_secs(7)))),
            (" 7 ", Some(RetryAfter::In(Duration::from_secs(7)))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", at(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", at(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", at(784_111_777)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", at(1_792_567_680)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
        let now = UnixMillis(10_000);
        for (asked, want) in [(11_500, 1_500), (10_000, 0), (9_000, 0), (i64::MIN, 0)] {
            assert_eq!(RetryAfter::At(UnixMillis(asked)).wait(now), Duration::from_millis(want));
        }
    }
}
