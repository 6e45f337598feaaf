//! Recording scrapes: the agent's side.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};

use super::{
    FAILED, FULL_BYTES, FULL_MS, Format, GONE, MAX_SCRAPES, MAX_TEXT_BYTES, MAX_TEXTS_BYTES, OPEN_METRICS,
    Outcome, Scrape, TEXT, Target, VERSION, difference, varint,
};

/// The scrapes of one target since the last block, and what is needed to go on: the last text.
#[derive(Debug)]
pub struct Recorder {
    target: Target,
    last: Option<(Format, Vec<u8>)>,
    /// The last scrape had no text.
    ended: bool,
    open: Option<Open>,
}

/// A block in the making.
#[derive(Debug)]
struct Open {
    /// Deflated.
    head: Vec<u8>,
    scrapes: Vec<u8>,
    count: usize,
    texts_bytes: usize,
    first_at: i64,
    last_at: i64,
}

/// A block that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// As [`super::Block`] reads it.
    pub payload: Vec<u8>,
    /// How many scrapes are in it.
    pub scrapes: u64,
}

impl Recorder {
    /// Of a target that was not scraped before.
    #[must_use]
    pub const fn new(target: Target) -> Self {
        Self { target, last: None, ended: false, open: None }
    }

    /// What is scraped.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Adds a scrape. Its text may have [`MAX_TEXT_BYTES`] at most.
    ///
    /// A block that [`Self::is_full`] is to be sealed before the next is added.
    pub fn add(&mut self, scrape: Scrape<Vec<u8>>) {
        let Self { target, last, ended, open } = self;
        let open = open.get_or_insert_with(|| Open::after(target, last.as_ref(), *ended));
        open.begin_scrape(scrape.at.0, scrape.duration_us);
        *ended = true;
        match scrape.outcome {
            Outcome::Failed => open.scrapes.push(FAILED),
            Outcome::Gone => open.scrapes.push(GONE),
            Outcome::Text(format, text) => {
                open.put_text(format, last.as_ref().map(|(_, text)| &text[..]).unwrap_or_default(), &text);
                *ended = false;
                *last = Some((format, text));
            }
        }
    }

    /// Whether no scrape should be added to the open block any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.count >= MAX_SCRAPES
                || open.scrapes.len() >= FULL_BYTES
                || open.texts_bytes > MAX_TEXTS_BYTES - MAX_TEXT_BYTES
                || open.last_at.saturating_sub(open.first_at) >= FULL_MS
        })
    }

    /// Bytes that are held: the last text and the open block.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let last = self.last.as_ref().map_or(0, |(_, text)| text.capacity());
        last + self.open.as_ref().map_or(0, |open| open.head.capacity() + open.scrapes.capacity())
    }

    /// Closes the open block; `None` if nothing was added since the last. The work is bounded by what makes it full.
    pub fn seal(&mut self) -> Option<Sealed> {
        let open = self.open.take()?;
        let scrapes = deflated(&[&open.scrapes]);
        let mut payload = Vec::with_capacity(open.head.len() + scrapes.len() + 6);
        payload.push(VERSION);
        varint::put_bytes(&open.head, &mut payload);
        payload.extend_from_slice(&scrapes);
        Some(Sealed { payload, scrapes: open.count as u64 })
    }
}

impl Open {
    fn after(target: &Target, last: Option<&(Format, Vec<u8>)>, ended: bool) -> Self {
        let target = serde_json::to_vec(target).unwrap_or_default(); // strings: can't fail
        let mut head = vec![u8::from(ended)];
        varint::put_bytes(&target, &mut head);
        let head = match last {
            None => deflated(&[&head]),
            Some((format, text)) => deflated(&[&head, &[byte(*format)], text]),
        };
        Self { head, scrapes: Vec::new(), count: 0, texts_bytes: 0, first_at: 0, last_at: 0 }
    }

    fn begin_scrape(&mut self, at: i64, duration_us: u64) {
        varint::put(varint::zigzag(at.wrapping_sub(self.last_at)), &mut self.scrapes);
        varint::put(duration_us, &mut self.scrapes);
        self.last_at = at;
        self.first_at = if self.count == 0 { at } else { self.first_at };
        self.count += 1;
    }

    fn put_text(&mut self, format: Format, last: &[u8], text: &[u8]) {
        let mut steps = Vec::new();
        difference::put(last, text, &mut steps);
        self.scrapes.push(byte(format));
        varint::put_bytes(&steps, &mut self.scrapes);
        self.texts_bytes += text.len();
    }
}

const fn byte(format: Format) -> u8 {
    match format {
        Format::Text => TEXT,
        Format::OpenMetrics => OPEN_METRICS,
    }
}

fn deflated(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let written = parts.iter().try_for_each(|part| encoder.write_all(part));
    // A Vec takes everything.
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}
