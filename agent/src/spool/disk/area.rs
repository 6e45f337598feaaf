//! The bytes of a ring within its file.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Where the ring begins in the file: behind the heads.
pub(super) const START: u64 = 8192;

/// A ring of `capacity` bytes. Places count from its first byte in the file and are below `capacity`; what does not fit
/// before the end goes on at the beginning.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) file: File,
    pub(super) capacity: usize,
}

impl Area {
    /// The place that lies `offset` bytes behind `place`.
    pub(super) const fn behind(&self, place: usize, offset: usize) -> usize {
        let place = place + offset;
        if place >= self.capacity { place - self.capacity } else { place }
    }

    pub(super) fn read(&self, place: usize, into: &mut [u8]) -> io::Result<()> {
        let to_wall = into.len().min(self.capacity - place);
        let (first, second) = into.split_at_mut(to_wall);
        self.file.read_exact_at(first, START + place as u64)?;
        self.file.read_exact_at(second, START)
    }

    pub(super) fn write(&self, place: usize, bytes: &[u8]) -> io::Result<()> {
        let (first, second) = bytes.split_at(bytes.len().min(self.capacity - place));
        self.file.write_all_at(first, START + place as u64)?;
        self.file.write_all_at(second, START)
    }
}
