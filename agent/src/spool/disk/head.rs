//! The head of a file: where its frames begin, whose they are, and what became of those before them.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::{Buf, BufMut};

use super::frame::checksum;
use crate::spool::{Tally, ring::Saved};

/// First bytes of a head: format 1.
const MAGIC: [u8; 4] = *b"SPD1";

/// A head has two slots and is written to them in turn: one that is cut off leaves the one before it.
const SLOTS: u64 = 2;

/// No ARN is so long that a head would not fit.
const SLOT_BYTES: usize = 4096;

/// No agent writes so many heads or records that it would count further.
const COUNTED_BELOW: u64 = 1 << 63;

/// What an agent needs to know of a file that another one has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// How many heads were written before this one.
    pub(super) turn: u64,
    /// How many agents have started on this file.
    pub(super) life: u32,
    /// Bytes of the ring.
    pub(super) capacity: usize,
    /// The place of the oldest frame.
    pub(super) start: usize,
    /// The queue.
    pub(super) saved: Saved,
    /// The ARN of the task that the records before `owned_end` are of.
    pub(super) owner: String,
    /// Later records came before their agent knew its task.
    pub(super) owned_end: u64,
}

impl Head {
    /// Layout, little endian: magic (4), checksum of the body (4), its length (4), body.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128 + self.owner.len());
        body.put_u64_le(self.turn);
        body.put_u32_le(self.life);
        let Saved { oldest, next, handed_out_end, by_kind } = self.saved;
        let places = [self.capacity as u64, self.start as u64];
        let sequences = [oldest, next, handed_out_end, self.owned_end];
        places.iter().chain(&sequences).chain(&by_kind.0).for_each(|value| body.put_u64_le(*value));
        body.put_slice(self.owner.as_bytes());
        let mut out = Vec::with_capacity(12 + body.len());
        out.put_slice(&MAGIC);
        out.put_u32_le(checksum(&body));
        out.put_u32_le(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.append(&mut body);
        out
    }

    /// The head that begins with `slot`; none if it is not as it was written.
    pub(super) fn decode(slot: &[u8]) -> Option<Self> {
        let mut rest = slot.strip_prefix(&MAGIC)?;
        let sum = rest.try_get_u32_le().ok()?;
        let length = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
        let body = rest.get(..length)?;
        if checksum(body) != sum {
            return None;
        }
        Self::decode_body(body).filter(Self::is_possible)
    }

    fn decode_body(mut body: &[u8]) -> Option<Self> {
        let (turn, life) = (body.try_get_u64_le().ok()?, body.try_get_u32_le().ok()?);
        let mut next = || body.try_get_u64_le().ok();
        let capacity = usize::try_from(next()?).ok()?;
        let start = usize::try_from(next()?).ok()?;
        let mut saved =
            Saved { oldest: next()?, next: next()?, handed_out_end: next()?, by_kind: Tally::default() };
        let owned_end = next()?;
        for count in &mut saved.by_kind.0 {
            *count = next()?;
        }
        let owner = String::from_utf8(body.to_vec()).ok()?;
        Some(Self { turn, life, capacity, start, saved, owner, owned_end })
    }

    fn is_possible(&self) -> bool {
        let Saved { oldest, next, handed_out_end, by_kind } = self.saved;
        let records = by_kind.0.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        self.start < self.capacity
            && self.turn.max(next) < COUNTED_BELOW
            && self.life < u32::MAX
            && handed_out_end <= next
            && records.is_some_and(|records| oldest.checked_add(records) == Some(next))
    }

    /// The newer head of `file`, if there is one.
    pub(super) fn load(file: &File) -> Option<Self> {
        let heads = (0..SLOTS).filter_map(|slot| {
            let mut bytes = vec![0; SLOT_BYTES];
            file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64).ok()?;
            Self::decode(&bytes)
        });
        heads.max_by_key(|head| head.turn)
    }

    /// Writes it to the slot whose turn it is.
    pub(super) fn store(&self, file: &File) -> io::Result<()> {
        let bytes = self.encode();
        if bytes.len() > SLOT_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the task's ARN is too long"));
        }
        file.write_all_at(&bytes, self.turn % SLOTS * SLOT_BYTES as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use siphon_core::wire::Kind;

    use super::*;

    fn head() -> Head {
        let mut by_kind = Tally::default();
        by_kind.add(Kind::Scrapes, 6);
        let saved = Saved { oldest: 3, next: 9, handed_out_end: 7, by_kind };
        Head {
            turn: 1,
            life: 2,
            capacity: 100,
            start: 99,
            saved,
            owner: "arn:task".to_owned(),
            owned_end: u64::MAX,
        }
    }

    #[test]
    fn a_head_survives_and_every_flipped_bit_and_missing_byte_is_found() {
        let bytes = head().encode();
        assert_eq!(Head::decode(&[&bytes[..], &[0; 9]].concat()), Some(head()));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&flipped), None, "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(Head::decode(&bytes[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn an_impossible_head_is_none() {
        let changes: [fn(&mut Head); 4] = [
            |head| head.start = 100,
            |head| head.saved.oldest = 10,
            |head| head.saved.handed_out_end = 10,
            |head| head.saved.by_kind.add(Kind::Ecs, 1),
        ];
        for change in changes {
            let mut head = head();
            change(&mut head);
            assert_eq!(Head::decode(&head.encode()), None, "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Head::decode(&bytes), None);
            // Past the checksum, so that what is behind it meets any bytes too.
            let mut summed = MAGIC.to_vec();
            summed.put_u32_le(checksum(&bytes));
            summed.put_u32_le(u32::try_from(bytes.len()).unwrap());
            summed.extend_from_slice(&bytes);
            if let Some(head) = Head::decode(&summed) {
                prop_assert_eq!(head.encode(), summed);
            }
        }
    }
}
