//! Reading blocks: the side of `scrape`. A block comes from outside: each length is checked, and nothing is inflated
//! beyond the limits.

use std::io::{self, Read};

use flate2::read::DeflateDecoder;

use super::{
    FAILED, Format, GONE, MAX_SCRAPES, MAX_TEXT_BYTES, MAX_TEXTS_BYTES, OPEN_METRICS, Outcome, Scrape, TEXT,
    Target, VERSION,
    difference::{self, Misfit},
    varint,
};
use crate::units::UnixMillis;

/// The head has a text, and a target beside.
const MAX_HEAD_BYTES: usize = MAX_TEXT_BYTES + (64 << 10);

/// The differences of a block that is not full, and those of one text more.
const MAX_SCRAPES_BYTES: usize = MAX_TEXT_BYTES + (1 << 20);

/// Consecutive scrapes of one target.
#[derive(Clone, Debug)]
pub struct Block {
    target: Target,
    /// Format and text before the block.
    before: Option<(Format, Vec<u8>)>,
    ended: bool,
    scrapes: Vec<u8>,
}

/// A payload is no block, or one scrape of it is none.
#[derive(Debug, thiserror::Error)]
#[error("block of scrapes: {part}: {fault}; the block is lost")]
pub struct BlockError {
    part: Part,
    fault: Fault,
}

/// Where.
#[derive(Clone, Copy, Debug)]
enum Part {
    Frame,
    Head,
    Scrapes,
    Scrape(usize),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame => f.write_str("frame"),
            Self::Head => f.write_str("head"),
            Self::Scrapes => f.write_str("scrapes"),
            Self::Scrape(index) => write!(f, "scrape {index}"),
        }
    }
}

/// What.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("version {0:?} is not known")]
    Version(Option<u8>),
    #[error("is cut off")]
    Cut,
    #[error("can't be inflated: {0}")]
    Inflate(#[from] io::Error),
    #[error("inflates to more than {0} bytes")]
    TooLarge(usize),
    #[error("target: {0}")]
    Target(#[from] serde_json::Error),
    #[error("format {0} is not known")]
    Format(u8),
    #[error("outcome {0} is not known")]
    Outcome(u8),
    #[error("more than {MAX_SCRAPES} scrapes, or {MAX_TEXTS_BYTES} bytes of texts")]
    TooMany,
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

impl Block {
    /// Reads a payload of kind `scrapes`.
    ///
    /// # Errors
    /// [`BlockError`] says what is wrong, and where.
    pub fn decode(payload: &[u8]) -> Result<Self, BlockError> {
        let part = |part| move |fault| BlockError { part, fault };
        let (head, scrapes) = frame(payload).map_err(part(Part::Frame))?;
        let scrapes = inflated(scrapes, MAX_SCRAPES_BYTES).map_err(part(Part::Scrapes))?;
        let head = inflated(head, MAX_HEAD_BYTES).map_err(part(Part::Head))?;
        let (ended, target, before) = read_head(&head).map_err(part(Part::Head))?;
        Ok(Self { target, before, ended, scrapes })
    }

    /// What was scraped.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The last text before the block, its format, and whether the scrape before the block had it: otherwise its series
    /// have ended. `None` where there was none.
    #[must_use]
    pub fn before(&self) -> Option<(&[u8], Format, bool)> {
        self.before.as_ref().map(|(format, text)| (&text[..], *format, !self.ended))
    }

    /// Whether the target was never scraped before the block.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.before.is_none() && !self.ended
    }

    /// The scrapes, in the order in which they were made.
    #[must_use]
    pub fn scrapes(&self) -> Scrapes<'_> {
        let text = self.before.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        Scrapes { rest: &self.scrapes, at: 0, count: 0, texts_bytes: 0, text }
    }
}

fn frame(payload: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let Some((&VERSION, mut rest)) = payload.split_first() else {
        return Err(Fault::Version(payload.first().copied()));
    };
    let head = varint::take_bytes(&mut rest).ok_or(Fault::Cut)?;
    Ok((head, rest))
}

type Head = (bool, Target, Option<(Format, Vec<u8>)>);

fn read_head(head: &[u8]) -> Result<Head, Fault> {
    let (ended, mut rest) = head.split_first().ok_or(Fault::Cut)?;
    let target = varint::take_bytes(&mut rest).ok_or(Fault::Cut)?;
    let target = serde_json::from_slice(target)?;
    let before = match rest.split_first() {
        None => None,
        Some((byte, text)) => Some((format(*byte).ok_or(Fault::Format(*byte))?, text.to_vec())),
    };
    Ok((*ended != 0, target, before))
}

const fn format(byte: u8) -> Option<Format> {
    match byte {
        TEXT => Some(Format::Text),
        OPEN_METRICS => Some(Format::OpenMetrics),
        _ => None,
    }
}

fn inflated(deflated: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(deflated).take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit { Err(Fault::TooLarge(limit)) } else { Ok(bytes) }
}

/// The scrapes of a block. Each text is there until the next is asked for.
#[derive(Debug)]
pub struct Scrapes<'a> {
    rest: &'a [u8],
    at: i64,
    count: usize,
    texts_bytes: usize,
    text: Vec<u8>,
}

impl Scrapes<'_> {
    /// The next scrape, if there is one more.
    ///
    /// # Errors
    /// [`BlockError`] if it is none. There is no sense in asking for more then.
    #[expect(clippy::should_implement_trait, reason = "an iterator can't lend")]
    pub fn next(&mut self) -> Result<Option<Scrape<&[u8]>>, BlockError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let part = Part::Scrape(self.count);
        self.read().map(Some).map_err(|fault| BlockError { part, fault })
    }

    fn read(&mut self) -> Result<Scrape<&[u8]>, Fault> {
        self.count += 1;
        if self.count > MAX_SCRAPES {
            return Err(Fault::TooMany);
        }
        let since = varint::take(&mut self.rest).ok_or(Fault::Cut)?;
        self.at = self.at.wrapping_add(varint::unzigzag(since));
        let duration_us = varint::take(&mut self.rest).ok_or(Fault::Cut)?;
        let (outcome, rest) = self.rest.split_first().ok_or(Fault::Cut)?;
        self.rest = rest;
        let outcome = match (format(*outcome), *outcome) {
            (Some(format), _) => {
                self.read_text()?;
                Outcome::Text(format, &self.text[..])
            }
            (None, FAILED) => Outcome::Failed,
            (None, GONE) => Outcome::Gone,
            (None, other) => return Err(Fault::Outcome(other)),
        };
        Ok(Scrape { at: UnixMillis(self.at), duration_us, outcome })
    }

    fn read_text(&mut self) -> Result<(), Fault> {
        let steps = varint::take_bytes(&mut self.rest).ok_or(Fault::Cut)?;
        self.text = difference::apply(&self.text, steps, MAX_TEXT_BYTES)?;
        self.texts_bytes += self.text.len();
        if self.texts_bytes > MAX_TEXTS_BYTES { Err(Fault::TooMany) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn payload(head: &[u8], scrapes: &[u8]) -> Vec<u8> {
        let mut payload = vec![VERSION];
        varint::put_bytes(&deflated(head), &mut payload);
        payload.extend(deflated(scrapes));
        payload
    }

    fn error(payload: &[u8]) -> String {
        let block = Block::decode(payload);
        let read = block.and_then(|block| {
            let mut scrapes = block.scrapes();
            while scrapes.next()?.is_some() {}
            Ok(())
        });
        read.unwrap_err().to_string()
    }

    const TARGET: &[u8] = br#"{"job":"j","instance":"i"}"#;

    fn head(text: &[u8]) -> Vec<u8> {
        let mut head = vec![0];
        varint::put_bytes(TARGET, &mut head);
        head.extend_from_slice(text);
        head
    }

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        let good = payload(&head(b""), b"\x02\x00\x02");
        assert_eq!(Block::decode(&good).unwrap().target().job, "j");
        let repeated = b"\x00\x00\x02".repeat(MAX_SCRAPES + 1);
        for (payload, want) in [
            (vec![], "frame: version None"),
            (vec![9], "frame: version Some(9)"),
            (vec![VERSION, 100, 1], "frame: is cut off"),
            (vec![VERSION, 1, 0xff], "can't be inflated"),
            (payload(b"", b""), "head: is cut off"),
            (payload(b"\x00\x02{}", b""), "head: target: missing field `job`"),
            (payload(&head(b"\x07"), b""), "head: format 7"),
            (payload(&head(b""), b"\x00\x00\x09"), "scrape 0: outcome 9"),
            (payload(&head(b""), b"\x00\x00\x02\x00"), "scrape 1: is cut off"),
            (payload(&head(b""), b"\x00\x00\x00\x05\x04"), "scrape 0: is cut off"),
            (payload(&head(b""), b"\x00\x00\x00\x01\x04"), "scrape 0: a step goes beyond"),
            (payload(&head(b""), &repeated), "scrape 32: more than 32 scrapes"),
        ] {
            let error = error(&payload);
            assert!(error.contains(want), "{want}: {error}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; MAX_SCRAPES_BYTES + 1];
        let bomb = payload(&head(b""), &zeros);
        assert!(bomb.len() < 100_000);
        assert!(error(&bomb).contains("scrapes: inflates to more than 5242880 bytes"), "{}", error(&bomb));
        let text = vec![b'x'; MAX_TEXT_BYTES];
        let again = [0, 0, TEXT, 1, 1 << 2];
        let head = head(&[&[TEXT][..], &text].concat());
        assert!(error(&payload(&head, &again.repeat(6))).contains("scrape 5: more than"));
        let longer = [0, 0, TEXT, 3, 1 << 2, 7, b'y'];
        assert!(error(&payload(&head, &longer)).contains("scrape 0: the text grows beyond"));
    }
}
