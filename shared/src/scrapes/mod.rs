//! Scrapes of Prometheus targets as the agent keeps them: blocks of consecutive scrapes of one target.
//!
//! Consecutive scrapes are nearly equal, so that a block holds the first text as a difference to the one before the block,
//! and each other as a difference to the one before it. The text before the block comes along: only with it one can tell
//! which series have come and gone. So a block needs no other, and who reads it no memory.
//!
//! ```text
//!   payload   := version (1 byte, 1) | length | deflated head | deflated scrapes
//!   head      := ended (1 byte) | length | target (JSON) | text before the block
//!   scrapes   := (time, zigzag, to the one before | duration | outcome [| length | steps])*
//! ```
//!
//! Lengths, times (milliseconds) and durations (microseconds) are varints. An outcome is one of [`Outcome`]'s; only texts
//! have steps. `ended` says that the scrape before the block had no text, so that no series is left to end. What is
//! deflated is so without a header, in one stream each; the first is when the block begins, so that an open block holds no
//! second text.

mod difference;
mod read;
mod varint;
mod write;

pub use read::{Block, BlockError, Scrapes};
use serde::{Deserialize, Serialize};
pub use write::{Recorder, Sealed};

use crate::units::UnixMillis;

/// No text in a block is longer.
pub const MAX_TEXT_BYTES: usize = 4 << 20;

/// No block has more scrapes.
pub const MAX_SCRAPES: usize = 32;

/// The texts of one block are not longer together, but for the last.
const MAX_TEXTS_BYTES: usize = 20 << 20;

/// When the differences of a block are this long it is full.
const FULL_BYTES: usize = 64 << 10;

/// When its scrapes span so many milliseconds a block is full.
const FULL_MS: i64 = 600_000;

const VERSION: u8 = 1;

/// What is scraped, as far as its series tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The label `job`.
    pub job: String,
    /// Host and port: the label `instance`.
    pub instance: String,
    /// Further resource attributes, such as `container.name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, String)>,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain; version=0.0.4`, and what says nothing else.
    Text,
    /// `application/openmetrics-text`, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that a `Content-Type` names.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Self {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// What a scrape gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// A text, whatever it is.
    Text(Format, T),
    /// Nothing: the target is down.
    Failed,
    /// It was the last: the target is scraped no more.
    Gone,
}

/// One scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape<T> {
    /// When it began: the time of its samples.
    pub at: UnixMillis,
    /// How long it took.
    pub duration_us: u64,
    /// What it gave.
    pub outcome: Outcome<T>,
}

const TEXT: u8 = 0;
const OPEN_METRICS: u8 = 1;
const FAILED: u8 = 2;
const GONE: u8 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Given = (i64, u64, Option<String>);

    fn target() -> Target {
        Target {
            job: "app".to_owned(),
            instance: "127.0.0.1:9090".to_owned(),
            attributes: vec![("container.name".to_owned(), "web".to_owned())],
        }
    }

    fn scrape((at, duration_us, text): &Given) -> Scrape<Vec<u8>> {
        let outcome =
            text.as_ref().map_or(Outcome::Failed, |text| Outcome::Text(Format::Text, text.clone().into()));
        Scrape { at: UnixMillis(*at), duration_us: *duration_us, outcome }
    }

    /// What is read of a block.
    fn read(payload: &[u8]) -> (Block, Vec<Scrape<Vec<u8>>>) {
        let block = Block::decode(payload).unwrap();
        let (mut scrapes, mut read) = (block.scrapes(), Vec::new());
        while let Some(Scrape { at, duration_us, outcome }) = scrapes.next().unwrap() {
            let outcome = match outcome {
                Outcome::Text(format, text) => Outcome::Text(format, text.to_vec()),
                Outcome::Failed => Outcome::Failed,
                Outcome::Gone => Outcome::Gone,
            };
            read.push(Scrape { at, duration_us, outcome });
        }
        (block, read)
    }

    #[test]
    fn each_block_begins_with_the_text_before_it() {
        let mut recorder = Recorder::new(target());
        assert_eq!(recorder.seal(), None);
        let first = (10, 5, Some("a 1\nb 2\n".to_owned()));
        let second = (20, 6, Some("a 1\nb 3\nc 4\n".to_owned()));
        recorder.add(scrape(&first));
        let Sealed { payload, scrapes } = recorder.seal().unwrap();
        let (block, texts) = read(&payload);
        assert_eq!((scrapes, texts), (1, vec![scrape(&first)]));
        assert_eq!((block.target(), block.before()), (&target(), None));

        recorder.add(scrape(&second));
        recorder.add(scrape(&(30, 1, None)));
        let (block, texts) = read(&recorder.seal().unwrap().payload);
        assert_eq!(texts, [scrape(&second), scrape(&(30, 1, None))]);
        assert_eq!(block.before(), Some((&b"a 1\nb 2\n"[..], Format::Text, true)));

        recorder.add(Scrape { at: UnixMillis(40), duration_us: 0, outcome: Outcome::Gone });
        let (block, texts) = read(&recorder.seal().unwrap().payload);
        assert_eq!((texts.len(), texts[0].outcome.clone()), (1, Outcome::Gone));
        assert_eq!(
            block.before(),
            Some((&b"a 1\nb 3\nc 4\n"[..], Format::Text, false)),
            "it had failed since"
        );
    }

    #[test]
    fn a_block_is_full_by_its_scrapes_its_differences_its_texts_or_its_time() {
        let full_after = |text: &dyn Fn(usize) -> String| {
            let mut recorder = Recorder::new(target());
            (1..100).find(|n| {
                recorder.add(scrape(&(*n as i64, 0, Some(text(*n)))));
                recorder.is_full()
            })
        };
        assert_eq!(full_after(&|_| "a 1\n".to_owned()), Some(MAX_SCRAPES));
        assert_eq!(full_after(&|n| format!("{n} {}", "x".repeat(FULL_BYTES / 3))), Some(3));
        let long = "x".repeat(MAX_TEXT_BYTES);
        let mut recorder = Recorder::new(target());
        recorder.add(scrape(&(0, 0, Some(long.clone()))));
        recorder.seal();
        let texts = (1..100).find(|n| {
            recorder.add(scrape(&(*n, 0, Some(long.clone()))));
            recorder.is_full()
        });
        assert_eq!(texts, Some(5), "its texts");
        recorder.seal();
        let times = [0, FULL_MS - 1, FULL_MS].map(|at| {
            recorder.add(scrape(&(1_000_000 + at, 0, None)));
            recorder.is_full()
        });
        assert_eq!(times, [false, false, true]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_recorded_is_read(
            given in prop::collection::vec(
                (any::<i64>(), any::<u64>(), prop::option::of("([ab]{1,2} [0-9]{1,2}\n){0,6}")), 1..20),
            seals in prop::collection::vec(any::<bool>(), 20),
        ) {
            let mut recorder = Recorder::new(target());
            let mut got = Vec::new();
            for (given, seal) in given.iter().zip(seals.into_iter().chain([true])) {
                recorder.add(scrape(given));
                if seal {
                    got.extend(read(&recorder.seal().unwrap().payload).1);
                }
            }
            got.extend(recorder.seal().map(|sealed| read(&sealed.payload).1).unwrap_or_default());
            prop_assert_eq!(got, given.iter().map(scrape).collect::<Vec<_>>());
        }

        #[test]
        fn a_block_that_is_damaged_is_an_error_or_another_block(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>(),
        ) {
            let mut recorder = Recorder::new(target());
            for n in 0..3 {
                recorder.add(scrape(&(n, 1, Some(format!("a {n}\n")))));
            }
            let mut payload = recorder.seal().unwrap().payload;
            let at = at.index(payload.len());
            payload[at] = byte;
            payload.truncate(1 + end.index(payload.len()));
            if let Ok(block) = Block::decode(&payload) {
                let mut scrapes = block.scrapes();
                while let Ok(Some(_)) = scrapes.next() {}
            }
        }
    }
}
