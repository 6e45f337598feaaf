//! A page: what one pull hands out.

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};

use super::{BootId, Count, Cursor, FRAME_HEADER_BYTES, FrameHeader, Record, SamplingHead, Share};
use crate::units::UnixMillis;

/// First bytes of a page: format 1.
const MAGIC: [u8; 4] = *b"SPH1";

/// No agent puts more bytes of records into a page, whatever is asked for, unless one record alone has more.
pub const PAGE_BYTES: usize = 2 << 20;

/// No puller reads a larger page: room for the largest record that there may be, with a head.
pub const MAX_PAGE_BYTES: usize = 32 << 20;

/// The most records of a page.
const MAX_RECORDS: usize = PAGE_BYTES / FRAME_HEADER_BYTES;

/// The most bytes of a page's head, and of its task answer, of which agents read as much.
const MAX_PART_BYTES: usize = 1 << 20;

/// The most counters of a head. Agents have some hundreds.
const MAX_COUNTS: usize = 1_024;

/// What the agent says of itself in each page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageHead {
    /// The agent's version.
    pub version: String,
    /// The agent's boot: name it in the ack.
    pub boot: BootId,
    /// The agent's clock.
    pub now: UnixMillis,
    /// The id of the agent's own container. Until it is known, the last path segment of the agent's metadata URI, which
    /// is that id on Fargate; or empty.
    #[serde(default)]
    pub container: String,
    /// True once the agent was told to stop and has taken a reading since: nothing will be added but what applications
    /// still send, and a reading each time that a container ends.
    #[serde(default)]
    pub stopping: bool,
    /// The metrics share after this page.
    pub metrics: ShareHead,
    /// The traces share after this page.
    pub traces: ShareHead,
    /// Every counter that is not zero.
    #[serde(default)]
    pub counts: Vec<Count>,
    /// There if applications have asked the agent lately what to sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingHead>,
}

impl PageHead {
    /// What the head says of `share`.
    #[must_use]
    pub const fn share(&self, share: Share) -> &ShareHead {
        match share {
            Share::Metrics => &self.metrics,
            Share::Traces => &self.traces,
        }
    }
}

/// One share after a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareHead {
    /// Acknowledge this when all of the page's records in this share are delivered.
    pub cursor: Cursor,
    /// Records that did not fit into this page.
    pub remaining_records: u64,
    /// What comes before this was handed out before, by an earlier page: it may be delivered already.
    #[serde(default)]
    pub handed_out_before: Cursor,
}

/// What one pull hands out: the agent's head, the latest answer of `/task`, and records, each share in its order.
#[derive(Clone, Debug)]
pub struct Page {
    /// What the agent says of itself.
    pub head: PageHead,
    /// The latest good answer of the metadata endpoint's `/task`, as received: the identity that OTLP data gets.
    pub task: Bytes,
    /// The records.
    pub records: Vec<Record>,
}

/// Bytes are not a page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The first bytes are not a page's.
    #[error(
        "not a page: expected it to begin with \"SPH1\"; is another service listening on the agent's port?"
    )]
    Magic,
    /// Cut off.
    #[error("page ends at byte {at} within {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Offset from the page's start.
        at: usize,
    },
    /// The head is not what this version reads.
    #[error("page head: {0}")]
    Head(#[source] serde_json::Error),
    /// More than an agent sends: whoever answers is none, or means harm.
    #[error("{what}: {given} where no agent sends more than {most}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much.
        given: usize,
        /// How much there may be.
        most: usize,
    },
    /// A record of a kind that this version doesn't know: the agent is newer than the function.
    #[error("record {index} at byte {at} has unknown kind {kind}; update the functions before the agents")]
    UnknownKind {
        /// The kind's byte.
        kind: u8,
        /// Which record of the page, from 0.
        index: usize,
        /// Offset from the page's start.
        at: usize,
    },
}

/// The bytes of a page up to its first record. Append frames: a [`FrameHeader`] and its payload each.
///
/// Layout, little endian: magic (4), head length (4), head (JSON), task length (4), task (JSON), frames.
///
/// # Errors
/// Only if the head can't be written as JSON, which its types rule out.
pub fn start_page(head: &PageHead, task: &[u8], frames_bytes: usize) -> Result<Vec<u8>, serde_json::Error> {
    let head = serde_json::to_vec(head)?;
    let mut page = Vec::with_capacity(MAGIC.len() + 8 + head.len() + task.len() + frames_bytes);
    page.extend_from_slice(&MAGIC);
    for part in [&head[..], task] {
        page.put_u32_le(u32::try_from(part.len()).unwrap_or(u32::MAX));
        page.extend_from_slice(part);
    }
    Ok(page)
}

impl Page {
    /// Reads a page without copying its payloads.
    ///
    /// # Errors
    /// [`PageError`] says what is wrong and where. A page is taken whole or not at all: an agent that sends half of one
    /// keeps everything, because nothing of it gets acknowledged.
    pub fn decode(bytes: Bytes) -> Result<Self, PageError> {
        let mut reader = Reader { total: bytes.len(), rest: bytes };
        if reader.take(MAGIC.len(), "its magic")?[..] != MAGIC {
            return Err(PageError::Magic);
        }
        let head = reader.sized("its head")?;
        let head: PageHead = serde_json::from_slice(&head).map_err(PageError::Head)?;
        at_most(MAX_COUNTS, head.counts.len(), "counters in its head")?;
        let task = reader.sized("the task answer")?;
        let mut records = Vec::new();
        while !reader.rest.is_empty() {
            at_most(MAX_RECORDS, records.len() + 1, "records")?;
            records.push(reader.record(records.len())?);
        }
        Ok(Self { head, task, records })
    }

    /// The records of one share, in order.
    pub fn share(&self, share: Share) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.kind.share() == share)
    }

    /// The page's bytes, as an agent sends them.
    ///
    /// # Errors
    /// As [`start_page`].
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let frames = self.records.iter().map(|r| FRAME_HEADER_BYTES + r.payload.len()).sum();
        let mut page = start_page(&self.head, &self.task, frames)?;
        for record in &self.records {
            let Record { kind, sequence, arrived, ref payload } = *record;
            let payload_bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            page.extend_from_slice(&FrameHeader { kind, sequence, arrived, payload_bytes }.encode());
            page.extend_from_slice(payload);
        }
        Ok(page)
    }
}

fn at_most(most: usize, given: usize, what: &'static str) -> Result<(), PageError> {
    if given > most { Err(PageError::TooMuch { what, given, most }) } else { Ok(()) }
}

struct Reader {
    rest: Bytes,
    total: usize,
}

impl Reader {
    fn at(&self) -> usize {
        self.total - self.rest.len()
    }

    fn take(&mut self, bytes: usize, what: &'static str) -> Result<Bytes, PageError> {
        if self.rest.len() < bytes {
            return Err(PageError::Truncated { what, at: self.total });
        }
        Ok(self.rest.split_to(bytes))
    }

    fn sized(&mut self, what: &'static str) -> Result<Bytes, PageError> {
        let length = self.take(4, what)?.get_u32_le() as usize;
        at_most(MAX_PART_BYTES, length, what)?;
        self.take(length, what)
    }

    fn record(&mut self, index: usize) -> Result<Record, PageError> {
        let at = self.at();
        let mut bytes = [0; FRAME_HEADER_BYTES];
        self.take(FRAME_HEADER_BYTES, "a record's header")?.copy_to_slice(&mut bytes);
        let header =
            FrameHeader::decode(&bytes).ok_or(PageError::UnknownKind { kind: bytes[0], index, at })?;
        let FrameHeader { kind, sequence, arrived, payload_bytes } = header;
        let payload = self.take(payload_bytes as usize, "a record's payload")?;
        Ok(Record { kind, sequence, arrived, payload })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Kind;

    fn head() -> PageHead {
        PageHead {
            version: "0.1.0".into(),
            boot: BootId([7; 16]),
            now: UnixMillis(1_700_000_000_000),
            container: "c-1".into(),
            stopping: false,
            metrics: ShareHead { cursor: Cursor(2), ..ShareHead::default() },
            traces: ShareHead { cursor: Cursor(1), remaining_records: 9, handed_out_before: Cursor(1) },
            counts: vec![Count::new("dropped_records", "otlp_traces", "spool_full", 3)],
            sampling: None,
        }
    }

    fn page() -> Page {
        let record = |kind, sequence, payload: &'static [u8]| Record {
            kind,
            sequence,
            arrived: UnixMillis(5),
            payload: Bytes::from_static(payload),
        };
        let records = vec![
            record(Kind::Ecs, 0, b"ecs"),
            record(Kind::OtlpTraces, 0, b""),
            record(Kind::OtlpMetrics, 1, b"metrics"),
        ];
        Page { head: head(), task: Bytes::from_static(b"{}"), records }
    }

    #[test]
    fn a_page_survives_the_wire() {
        let page = page();
        let read = Page::decode(page.encode().unwrap().into()).unwrap();
        assert_eq!((read.head, read.task, read.records), (page.head, page.task, page.records));
    }

    #[test]
    fn a_page_cut_anywhere_within_a_part_is_refused_and_says_where() {
        let bytes = Bytes::from(page().encode().unwrap());
        let whole: Vec<_> =
            (0..bytes.len()).filter(|end| Page::decode(bytes.slice(..*end)).is_ok()).collect();
        // Between two records a page may end: only the signature tells that it was longer.
        assert_eq!(whole.len(), 3, "{whole:?}");
        let error = Page::decode(bytes.slice(..bytes.len() - 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("page ends at byte {} within a record's payload", bytes.len() - 1)
        );
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let mut bytes = page().encode().unwrap();
        let at = bytes.windows(3).position(|w| w == b"ecs").unwrap() - FRAME_HEADER_BYTES;
        bytes[at] = 99;
        let error = Page::decode(bytes.into()).unwrap_err().to_string();
        assert!(error.contains(&format!("record 0 at byte {at} has unknown kind 99")), "{error}");
    }

    #[test]
    fn a_page_has_no_more_parts_than_an_agent_sends() {
        let read = |page: &Page| Page::decode(page.encode().unwrap().into());
        let mut page = page();
        page.records = vec![Record { payload: Bytes::new(), ..page.records[0].clone() }; MAX_RECORDS];
        page.head.counts = vec![page.head.counts[0].clone(); MAX_COUNTS];
        page.task = vec![b' '; MAX_PART_BYTES].into();
        read(&page).unwrap();

        let refused = |page: Page, what: &str| {
            let error = read(&page).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(what) && error.contains("no agent sends more than"), "{what}: {error}");
        };
        let (mut records, mut counts, mut head, mut task) = (page.clone(), page.clone(), page.clone(), page);
        records.records.push(records.records[0].clone());
        refused(records, "records: 99865");
        counts.head.counts.push(counts.head.counts[0].clone());
        refused(counts, "counters in its head: 1025");
        head.head.version = " ".repeat(MAX_PART_BYTES);
        refused(head, "its head: ");
        task.task = vec![b' '; MAX_PART_BYTES + 1].into();
        refused(task, "the task answer: 1048577");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_is_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = start_page(&head(), b"{}", 0).unwrap();
            framed.extend_from_slice(&bytes);
            let _ = Page::decode(bytes.into());
            if let Ok(page) = Page::decode(framed.clone().into()) {
                prop_assert_eq!(page.encode().unwrap(), framed);
            }
        }
    }
}
