//! Where the frames of a share lie: in memory, or in a file.

use std::io;

use siphon_core::wire::{FRAME_HEADER_BYTES, FrameHeader};

use super::{Tally, disk::DiskRing, memory::MemoryRing};

/// Frames in order of arrival, in a fixed number of bytes. Offsets count from the first byte of the oldest frame.
#[derive(Debug)]
pub(super) enum Ring {
    Memory(MemoryRing),
    Disk(Box<DiskRing>),
}

/// What of a queue outlives the process, where its ring does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// The sequence of the oldest record, or of the next one if there is none.
    pub(super) oldest: u64,
    /// The sequence of the next record.
    pub(super) next: u64,
    /// The sequence after the last record that was ever handed out.
    pub(super) handed_out_end: u64,
    /// The records from `oldest` on.
    pub(super) by_kind: Tally,
}

impl Ring {
    pub(super) const fn capacity(&self) -> usize {
        match self {
            Self::Memory(ring) => ring.capacity(),
            Self::Disk(ring) => ring.capacity(),
        }
    }

    pub(super) const fn used(&self) -> usize {
        match self {
            Self::Memory(ring) => ring.used(),
            Self::Disk(ring) => ring.used(),
        }
    }

    pub(super) const fn free(&self) -> usize {
        self.capacity() - self.used()
    }

    /// The bytes that a record takes up here.
    pub(super) const fn frame_bytes(&self, payload_bytes: usize) -> usize {
        payload_bytes
            + match self {
                Self::Memory(_) => FRAME_HEADER_BYTES,
                Self::Disk(_) => super::disk::FRAME_BYTES,
            }
    }

    /// Appends a frame, for which there is room.
    ///
    /// # Errors
    /// The file can't be written; then nothing is appended.
    pub(super) fn push(&mut self, header: &FrameHeader, payload: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(ring) => {
                ring.push(&header.encode());
                ring.push(payload);
                Ok(())
            }
            Self::Disk(ring) => ring.push(*header, payload),
        }
    }

    /// Drops the oldest frame, which takes up `bytes`.
    pub(super) fn pop(&mut self, bytes: usize) {
        match self {
            Self::Memory(ring) => ring.pop(bytes),
            Self::Disk(ring) => ring.pop(bytes),
        }
    }

    /// Drops all frames.
    pub(super) fn clear(&mut self) {
        self.pop(self.used());
    }

    /// The header of the frame at `offset`; none if it can't be read as it was written.
    pub(super) fn header(&self, offset: usize) -> Option<FrameHeader> {
        match self {
            Self::Memory(ring) => {
                let mut bytes = [0; FRAME_HEADER_BYTES];
                let (first, second) = ring.range(offset, FRAME_HEADER_BYTES);
                let (start, end) = bytes.split_at_mut(first.len());
                start.copy_from_slice(first);
                end.copy_from_slice(second);
                FrameHeader::decode(&bytes)
            }
            Self::Disk(ring) => ring.frame(offset).map(|frame| frame.header),
        }
    }

    /// Whether the whole frame at `offset` can be read as it was written.
    pub(super) fn is_intact(&self, offset: usize) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Disk(ring) => ring.is_intact(offset),
        }
    }

    /// Appends the oldest `records` frames to `page`, as on the wire, where they have `bytes`.
    ///
    /// # Errors
    /// The file can't be read, or a frame is not as it was written.
    pub(super) fn copy(&self, records: u64, bytes: usize, page: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Memory(ring) => {
                let (first, second) = ring.range(0, bytes);
                page.extend_from_slice(first);
                page.extend_from_slice(second);
                Ok(())
            }
            Self::Disk(ring) => ring.copy(records, page),
        }
    }

    /// Whether frames were dropped since the last [`Self::save`]. Then what lay there must not be overwritten yet.
    pub(super) const fn is_behind(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Disk(ring) => ring.is_behind(),
        }
    }

    /// Notes where the frames begin, and `saved`, for an agent that starts after this one.
    ///
    /// # Errors
    /// The file can't be written; then what was noted before holds.
    pub(super) fn save(&mut self, saved: Saved) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Disk(ring) => ring.save(saved),
        }
    }

    /// Says whose frames these are and will be, and gives the sequence up to which they are another task's.
    pub(super) fn claim(&mut self, task_arn: &str) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Disk(ring) => ring.claim(task_arn),
        }
    }
}
