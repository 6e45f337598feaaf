//! The ring of a share in a file, so that what it holds outlives the agent, and memory is the same whatever its size.
//!
//! ```text
//!   0       4096    8192                                        8192 + capacity
//!   │ head  │ head  │ … frame frame frame │      free     │ … frame │
//!                                         ▲ newest               ▲ start
//! ```
//!
//! What has to be survived is the end of the process, by whatever means. So writes go to the page cache and nothing waits
//! for the device: when the host goes, its ephemeral storage goes too. A frame's payload is written before its fixed part,
//! and the head before anything that lay where the last head points to is overwritten: at each moment the file says what
//! an agent that starts then may hand out.

mod area;
mod frame;
mod head;
mod recovery;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use area::Area;
use flate2::Crc;
pub(super) use frame::FRAME_BYTES;
use frame::{DiskFrame, checksum};
use head::Head;
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use siphon_core::wire::{FrameHeader, Share};

use super::{Tally, ring::Saved};

/// What is read at once of a payload that is only checked.
const CHUNK_BYTES: usize = 8192;

/// The directory can't hold the spool.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent works on the file.
    #[error("{} is in use by another process; SIPHON_SPOOL_DIR has to be a directory of this agent alone", .0.display())]
    InUse(PathBuf),
    /// The operating system refuses it.
    #[error(
        "can't keep the spool in {}: {source}; SIPHON_SPOOL_DIR has to be a directory that user {user} may write to, with \
         room for SIPHON_SPOOL_DISK_MAX_BYTES",
        path.display(),
        user = rustix::process::geteuid()
    )]
    Io {
        /// The directory, or a file in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What another agent has left, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that are in the spool again.
    pub records: Tally,
    /// Records that should have been there, and can't be read any more.
    pub torn: Tally,
    /// Records that came before that agent knew its task. It may have been another one, so they are left out.
    pub unowned: Tally,
}

impl Recovered {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.plus(other.records),
            torn: self.torn.plus(other.torn),
            unowned: self.unowned.plus(other.unowned),
        }
    }
}

/// Frames in a file.
#[derive(Debug)]
pub(super) struct DiskRing {
    area: Area,
    start: usize,
    used: usize,
    /// Which start of an agent on this file this is.
    life: u32,
    /// The number of the next head.
    turn: u64,
    owner: String,
    owned_end: u64,
    /// Frames were dropped since the last head.
    is_behind: bool,
}

impl DiskRing {
    /// Opens, or makes, the file of `share` in `dir`. Whatever is in it, it is a ring afterwards. A file that holds records
    /// keeps its size, and takes on `capacity` bytes at a later start.
    pub(super) fn open(
        dir: &Path,
        share: Share,
        capacity: usize,
    ) -> Result<(Self, Saved, Recovered), OpenError> {
        create_dir_all(dir).map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
        let path = dir.join(share.name()).with_extension("spool");
        let file = open_locked(&path)?;
        Self::recover(file, &path, capacity).map_err(|source| OpenError::Io { path, source })
    }

    fn recover(file: File, path: &Path, capacity: usize) -> io::Result<(Self, Saved, Recovered)> {
        let (head, found, mut area) = recovery::read(file, path)?;
        let recovered = Recovered { records: found.saved.by_kind, torn: found.torn, unowned: found.unowned };
        let start = if found.used > 0 {
            head.start
        } else {
            if area.capacity != capacity {
                area.capacity = capacity;
                make_empty(&area)?;
            }
            0
        };
        let mut ring = Self {
            area,
            start,
            used: found.used,
            life: head.life + 1,
            turn: head.turn + 1,
            owner: head.owner,
            owned_end: found.saved.next,
            is_behind: true,
        };
        ring.save(found.saved)?;
        Ok((ring, found.saved, recovered))
    }

    pub(super) const fn capacity(&self) -> usize {
        self.area.capacity
    }

    pub(super) const fn used(&self) -> usize {
        self.used
    }

    pub(super) const fn is_behind(&self) -> bool {
        self.is_behind
    }

    const fn place(&self, offset: usize) -> usize {
        self.area.behind(self.start, offset)
    }

    pub(super) fn push(&mut self, header: FrameHeader, payload: &[u8]) -> io::Result<()> {
        let frame = DiskFrame { life: self.life, payload_sum: checksum(payload), header };
        self.area.write(self.place(self.used + FRAME_BYTES), payload)?;
        self.area.write(self.place(self.used), &frame.encode())?;
        self.used += frame.bytes();
        Ok(())
    }

    /// An empty ring begins again at its first byte, so that a small backlog keeps touching the same few pages.
    pub(super) fn pop(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
        self.start = if self.used == 0 { 0 } else { self.place(bytes) };
        self.is_behind = true;
    }

    pub(super) fn frame(&self, offset: usize) -> Option<DiskFrame> {
        let mut bytes = [0; FRAME_BYTES];
        self.area.read(self.place(offset), &mut bytes).ok()?;
        DiskFrame::decode(&bytes)
    }

    pub(super) fn is_intact(&self, offset: usize) -> bool {
        self.frame(offset)
            .is_some_and(|frame| self.payload_sum(offset, &frame).is_ok_and(|sum| sum == frame.payload_sum))
    }

    fn payload_sum(&self, offset: usize, frame: &DiskFrame) -> io::Result<u32> {
        let (mut crc, mut chunk) = (Crc::new(), [0; CHUNK_BYTES]);
        let (mut at, end) = (offset + FRAME_BYTES, offset + frame.bytes());
        while at < end {
            let count = CHUNK_BYTES.min(end - at);
            let (part, _) = chunk.split_at_mut(count);
            self.area.read(self.place(at), part)?;
            crc.update(part);
            at += count;
        }
        Ok(crc.sum())
    }

    pub(super) fn copy(&self, records: u64, page: &mut Vec<u8>) -> io::Result<()> {
        let mut offset = 0;
        for _ in 0..records {
            let frame = self.frame(offset).ok_or_else(changed)?;
            page.extend_from_slice(&frame.header.encode());
            let begin = page.len();
            page.resize(begin + frame.header.payload_bytes as usize, 0);
            let payload = page.get_mut(begin..).unwrap_or_default();
            self.area.read(self.place(offset + FRAME_BYTES), payload)?;
            if checksum(payload) != frame.payload_sum {
                return Err(changed());
            }
            offset += frame.bytes();
        }
        Ok(())
    }

    pub(super) fn save(&mut self, saved: Saved) -> io::Result<()> {
        let head = Head {
            turn: self.turn,
            life: self.life,
            capacity: self.area.capacity,
            start: self.start,
            saved,
            owner: self.owner.clone(),
            owned_end: self.owned_end,
        };
        head.store(&self.area.file)?;
        self.turn += 1;
        self.is_behind = false;
        Ok(())
    }

    pub(super) fn claim(&mut self, task_arn: &str) -> u64 {
        let found_end = std::mem::replace(&mut self.owned_end, u64::MAX);
        if self.owner == task_arn {
            return 0;
        }
        task_arn.clone_into(&mut self.owner);
        found_end
    }
}

fn open_locked(path: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Takes the room for the ring, so that it is there when it is needed. Where a file system can't promise it, a record
/// that finds none is lost alone.
fn make_empty(area: &Area) -> io::Result<()> {
    let bytes = area::START + area.capacity as u64;
    area.file.set_len(0)?;
    match fallocate(&area.file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => area.file.set_len(bytes),
        Err(error) => area.file.set_len(0).and(Err(error.into())),
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a record has changed since it was chosen")
}
