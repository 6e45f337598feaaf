//! A ring of bytes in memory: a fixed buffer, filled at the end, emptied at the start.

/// Bytes in order of arrival, within a buffer that never grows.
///
/// The buffer is zeroed by the operating system, so that what was never written costs no resident memory; an empty
/// ring begins again at its first byte, so that a small backlog keeps touching the same few pages.
#[derive(Debug)]
pub(super) struct MemoryRing {
    bytes: Vec<u8>,
    start: usize,
    used: usize,
}

impl MemoryRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, used: 0 }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn used(&self) -> usize {
        self.used
    }

    pub(super) const fn free(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Appends `bytes`, of which there are at most [`Self::free`]; more would be cut.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..self.free()).unwrap_or(bytes);
        let end = self.place(self.used);
        let to_wall = bytes.len().min(self.capacity() - end);
        let (first, second) = bytes.split_at(to_wall);
        write(&mut self.bytes, end, first);
        write(&mut self.bytes, 0, second);
        self.used += bytes.len();
    }

    /// Drops the first `count` bytes.
    pub(super) fn pop(&mut self, count: usize) {
        self.used = self.used.saturating_sub(count);
        self.start = if self.used == 0 { 0 } else { self.place(count) };
    }

    /// The `count` bytes from `offset` after the first on, in the two pieces that they may lie in.
    pub(super) fn range(&self, offset: usize, count: usize) -> (&[u8], &[u8]) {
        let from = self.place(offset);
        let to_wall = count.min(self.capacity() - from);
        let piece = |from: usize, count: usize| self.bytes.get(from..from + count).unwrap_or_default();
        (piece(from, to_wall), piece(0, count - to_wall))
    }

    const fn place(&self, offset: usize) -> usize {
        let place = self.start + offset;
        if place >= self.bytes.len() { place - self.bytes.len() } else { place }
    }
}

fn write(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = buffer.get_mut(at..at + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &MemoryRing) -> Vec<u8> {
        let (first, second) = ring.range(0, ring.used());
        [first, second].concat()
    }

    #[test]
    fn bytes_come_out_in_order_across_the_wall() {
        let mut ring = MemoryRing::new(8);
        ring.push(b"abcdef");
        ring.pop(4);
        ring.push(b"ghijkl");
        assert_eq!((all(&ring).as_slice(), ring.free()), (&b"efghijkl"[..], 0));
        assert_eq!(ring.range(3, 3), (&b"h"[..], &b"ij"[..]));
        ring.pop(8);
        assert_eq!(ring.start, 0, "an empty ring begins again at its first byte");
    }
}
