//! A frame in a file: checksums, the number of the start that wrote it, and the frame as it is on the wire.

use bytes::{Buf, BufMut};
use flate2::Crc;
use siphon_core::wire::{FRAME_HEADER_BYTES, FrameHeader};

/// Checksum of what follows up to the payload (4), life (4), checksum of the payload (4), little endian.
const OWN_BYTES: usize = 12;

/// Bytes of a frame before its payload: its own, then those of the wire.
pub(in crate::spool) const FRAME_BYTES: usize = OWN_BYTES + FRAME_HEADER_BYTES;

/// The fixed part of a frame in a file.
///
/// It has a checksum apart from the payload's, so that a damaged payload costs one record: the next one is still found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) struct DiskFrame {
    /// Which start of an agent on this file wrote it.
    pub(super) life: u32,
    /// The checksum of the payload.
    pub(super) payload_sum: u32,
    /// The frame on the wire.
    pub(in crate::spool) header: FrameHeader,
}

impl DiskFrame {
    pub(super) fn encode(&self) -> [u8; FRAME_BYTES] {
        let mut out = [0; FRAME_BYTES];
        let (mut sum, summed) = out.split_at_mut(4);
        let mut rest = &mut *summed;
        rest.put_u32_le(self.life);
        rest.put_u32_le(self.payload_sum);
        rest.put_slice(&self.header.encode());
        sum.put_u32_le(checksum(summed));
        out
    }

    /// Reads the fixed part; none if it is not as it was written.
    pub(super) fn decode(bytes: &[u8; FRAME_BYTES]) -> Option<Self> {
        let mut rest = &bytes[..];
        let sum = rest.get_u32_le();
        if checksum(rest) != sum {
            return None;
        }
        let (life, payload_sum) = (rest.get_u32_le(), rest.get_u32_le());
        Some(Self { life, payload_sum, header: FrameHeader::decode(rest.try_into().ok()?)? })
    }

    /// The bytes of the whole frame.
    pub(super) const fn bytes(&self) -> usize {
        FRAME_BYTES + self.header.payload_bytes as usize
    }
}

/// CRC-32, as in gzip.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use siphon_core::{units::UnixMillis, wire::Kind};

    use super::*;

    #[test]
    fn a_frame_survives_and_every_flipped_bit_is_found() {
        let header =
            FrameHeader { kind: Kind::Ecs, sequence: 9, arrived: UnixMillis(-1), payload_bytes: 0x0102 };
        let frame = DiskFrame { life: 3, payload_sum: checksum(b"payload"), header };
        let bytes = frame.encode();
        assert_eq!(DiskFrame::decode(&bytes), Some(frame));
        assert_eq!((bytes[4], bytes[OWN_BYTES], frame.bytes()), (3, 1, 33 + 0x0102));
        for bit in 0..8 * FRAME_BYTES {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(DiskFrame::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(DiskFrame::decode(&[0; FRAME_BYTES]), None, "what was never written is no frame");
    }
}
