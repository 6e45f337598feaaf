//! Snappy's block format (<https://github.com/google/snappy/blob/main/format_description.txt>), written piece by piece.
//!
//! A block is its length and then pieces, each of which stands for at most 64 KiB and refers to nothing before it. So a
//! request is compressed while it grows, and neither it nor room for the worst case of it is ever in memory as a whole.

use snap::raw::{Encoder, max_compress_len};

use crate::protobuf::write;

/// What a piece stands for.
const PIECE_BYTES: usize = 1 << 16;

/// A block that grows. Kept from block to block for its buffers.
pub(super) struct Block {
    encoder: Encoder,
    /// What the next piece will stand for.
    plain: Vec<u8>,
    /// The pieces before it.
    pieces: Vec<u8>,
    /// Room for a piece and its length.
    piece: Vec<u8>,
    /// All bytes that were written.
    length: usize,
    is_broken: bool,
}

impl Block {
    pub(super) fn new() -> Self {
        let (plain, pieces, piece) = (Vec::new(), Vec::new(), Vec::new());
        Self { encoder: Encoder::new(), plain, pieces, piece, length: 0, is_broken: false }
    }

    /// Bytes that were written into the block.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while let Some((fitting, rest)) = bytes.split_at_checked(PIECE_BYTES - self.plain.len()) {
            self.plain.extend_from_slice(fitting);
            self.compress();
            bytes = rest;
        }
        self.plain.extend_from_slice(bytes);
    }

    /// The block, or `None` if snappy failed, which it has no reason to. After it the next one begins.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        self.compress();
        let mut block = Vec::with_capacity(self.pieces.len() + 10);
        write::varint(self.length as u64, &mut block);
        block.append(&mut self.pieces);
        self.length = 0;
        (!std::mem::take(&mut self.is_broken)).then_some(block)
    }

    fn compress(&mut self) {
        let room = max_compress_len(self.plain.len());
        if self.piece.len() < room {
            self.piece.resize(room, 0);
        }
        match self.encoder.compress(&self.plain, &mut self.piece) {
            Ok(length) => {
                self.pieces.extend_from_slice(self.piece.get(self.header_len()..length).unwrap_or_default())
            }
            Err(_) => self.is_broken = true,
        }
        self.plain.clear();
    }

    /// Bytes before a piece: the encoder makes a block of its own of what it is given.
    fn header_len(&self) -> usize {
        prost::length_delimiter_len(self.plain.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        #[test]
        fn pieces_make_the_block_that_the_whole_makes(
            parts in prop::collection::vec(prop::collection::vec(0u8..8, 0..70_000), 0..6),
        ) {
            let mut block = Block::new();
            for _ in 0..2 {
                parts.iter().for_each(|part| block.write(part));
                let whole = parts.concat();
                prop_assert_eq!(block.len(), whole.len());
                let made = block.finish().unwrap();
                prop_assert_eq!(&snap::raw::Decoder::new().decompress_vec(&made).unwrap(), &whole);
                prop_assert_eq!(made, Encoder::new().compress_vec(&whole).unwrap());
            }
        }
    }

    #[test]
    fn a_piece_that_is_just_full_is_one() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES] {
            let mut block = Block::new();
            block.write(&vec![7; length]);
            assert_eq!(
                block.finish().unwrap(),
                Encoder::new().compress_vec(&vec![7; length]).unwrap(),
                "{length}"
            );
        }
    }
}
