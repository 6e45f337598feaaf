//! Trace and segment ids: as text, and derived where X-Ray needs more ids than the span has.

use std::fmt;

use sha2::{Digest, Sha256};

use super::json::Json;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The ids of a span, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanIds {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    /// None for a root.
    pub(super) parent: Option<[u8; 8]>,
}

impl SpanIds {
    /// None if a length is wrong or the span has no id: such a span can't be told from others.
    ///
    /// An empty id counts as all zero (<https://opentelemetry.io/docs/specs/otlp/>). An all-zero trace id passes:
    /// the text form is valid for X-Ray.
    pub(super) fn check(trace: &[u8], span: &[u8], parent: &[u8]) -> Option<Self> {
        let parent = fixed::<8>(parent)?;
        let span = fixed::<8>(span)?;
        (span != [0; 8]).then_some(Self {
            trace: fixed(trace)?,
            span,
            parent: (parent != [0; 8]).then_some(parent),
        })
    }
}

/// The bytes of an id; an absent id is all zero, one of another length is none.
fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    if bytes.is_empty() { Some([0; N]) } else { bytes.try_into().ok() }
}

/// A trace id as X-Ray writes it: `1-`, 8 hex digits, `-`, 24 hex digits
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceId([u8; 35]);

impl TraceId {
    /// The text of an id.
    #[must_use]
    pub fn new(id: [u8; 16]) -> Self {
        let mut text = *b"1-00000000-000000000000000000000000";
        let (time, unique) = id.split_at(4);
        if let Some(([_, _, time_digits @ .., _], unique_digits)) = text.split_first_chunk_mut::<11>() {
            put_hex(time, time_digits);
            put_hex(unique, unique_digits);
        }
        Self(text)
    }

    /// An id that is in this form already.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (time, unique) = text.strip_prefix("1-")?.split_once('-')?;
        let is_right = time.len() == 8 && unique.len() == 24 && is_hex(time) && is_hex(unique);
        text.as_bytes().try_into().ok().filter(|_| is_right).map(Self)
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A segment id as X-Ray writes it: 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SegmentId([u8; 16]);

impl SegmentId {
    /// The text of an id.
    #[must_use]
    pub fn new(id: [u8; 8]) -> Self {
        let mut digits = [0; 16];
        put_hex(&id, &mut digits);
        Self(digits)
    }

    /// An id that is in this form already.
    pub(super) fn read(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().filter(|_| is_hex(text)).map(Self)
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Json for TraceId {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Json for SegmentId {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Writes two digits for each byte.
fn put_hex(bytes: &[u8], digits: &mut [u8]) {
    let (pairs, _) = digits.as_chunks_mut::<2>();
    pairs.iter_mut().zip(bytes).for_each(|(pair, byte)| *pair = hex_digits(*byte));
}

fn hex_digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|digit| HEX.get(usize::from(digit)).copied().unwrap_or(b'0'))
}

/// Ids for what has none of its own: exceptions, and the service segment of a split span.
///
/// Derived from trace and span, never random: whoever translates the same span again gets the same ids, so that
/// a document sent twice replaces itself.
#[derive(Debug)]
pub(super) struct Derived {
    trace: [u8; 16],
    span: [u8; 8],
    drawn: u64,
}

impl Derived {
    /// The ids derived from one document's span.
    pub(super) fn new(trace: [u8; 16], span: [u8; 8]) -> Self {
        Self { trace, span, drawn: 0 }
    }

    /// The next id. Never all zero, which OTLP reads as none.
    pub(super) fn next(&mut self) -> [u8; 8] {
        self.drawn += 1;
        let hash = Sha256::new()
            .chain_update(self.trace)
            .chain_update(self.span)
            .chain_update(self.drawn.to_be_bytes())
            .finalize();
        let mut id = [0; 8];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        if id == [0; 8] { 1_u64.to_be_bytes() } else { id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_hex_text() {
        let trace = [0x6b, 0x03, 0xa1, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd];
        assert_eq!(TraceId::new(trace).as_str(), "1-6b03a140-00000000000000000000abcd");
        assert_eq!(SegmentId::new([0xa1, 0, 0, 0, 0, 0, 0x0b, 0x54]).as_str(), "a100000000000b54");
    }

    #[test]
    fn absent_parents_and_wrong_lengths_are_told_apart() {
        let (trace, span) = ([1; 16], [2; 8]);
        let parent = |parent: &[u8]| SpanIds::check(&trace, &span, parent).map(|ids| ids.parent);
        assert_eq!(parent(&[]), Some(None));
        assert_eq!(parent(&[0; 8]), Some(None));
        assert_eq!(parent(&[3; 8]), Some(Some([3; 8])));
        assert_eq!(parent(&[3; 7]), None);
        for (trace, span) in [(&[1; 15][..], &span[..]), (&trace, &[2; 9]), (&trace, &[0; 8]), (&trace, &[])]
        {
            assert_eq!(SpanIds::check(trace, span, &[]), None, "{trace:?} {span:?}");
        }
        assert!(SpanIds::check(&[0; 16], &span, &[]).is_some());
    }

    #[test]
    fn derived_ids_repeat_for_the_same_span_and_differ_otherwise() {
        let draw = |trace, span| {
            let mut ids = Derived::new([trace; 16], [span; 8]);
            [ids.next(), ids.next()]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        let all = [draw(1, 2), draw(1, 3), draw(2, 2)].concat();
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
    }
}
