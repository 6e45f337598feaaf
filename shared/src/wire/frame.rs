//! A record and its frame: how it lies in the spool and, byte for byte the same, in a page.

use bytes::Bytes;

use crate::units::UnixMillis;

/// What a record's payload is. Its byte is part of the wire: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Answers of the task metadata endpoint, as a [`super::Reading`].
    Ecs,
    /// An OTLP `ExportMetricsServiceRequest`, protobuf.
    OtlpMetrics,
    /// An OTLP `ExportTraceServiceRequest`, protobuf.
    OtlpTraces,
    /// One segment document as an X-Ray SDK sent it.
    XraySegment,
    /// What StatsD lines add up to: an OTLP `ExportMetricsServiceRequest`, protobuf, cumulative.
    Statsd,
    /// Consecutive scrapes of one Prometheus target.
    Scrapes,
}

impl Kind {
    /// All kinds, for counters.
    pub const ALL: [Self; 6] =
        [Self::Ecs, Self::OtlpMetrics, Self::OtlpTraces, Self::XraySegment, Self::Statsd, Self::Scrapes];

    /// The share of the spool that records of this kind live in.
    #[must_use]
    pub const fn share(self) -> Share {
        match self {
            Self::Ecs | Self::OtlpMetrics | Self::Statsd | Self::Scrapes => Share::Metrics,
            Self::OtlpTraces | Self::XraySegment => Share::Traces,
        }
    }

    /// The name in counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::OtlpMetrics => "otlp_metrics",
            Self::OtlpTraces => "otlp_traces",
            Self::XraySegment => "xray_segments",
            Self::Statsd => "statsd",
            Self::Scrapes => "scrapes",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Ecs => 1,
            Self::OtlpMetrics => 2,
            Self::OtlpTraces => 3,
            Self::XraySegment => 4,
            Self::Statsd => 5,
            Self::Scrapes => 6,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// The two parts of the spool. Each has its own bytes, sequence and cursor, so that neither can evict or block the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// Everything that goes to Prometheus.
    Metrics,
    /// Everything that goes to X-Ray.
    Traces,
}

impl Share {
    /// Both shares.
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Traces];

    /// The name in counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }
}

/// Bytes of a frame before its payload: kind (1), sequence (8), arrival (8), payload length (4), little endian.
pub const FRAME_HEADER_BYTES: usize = 21;

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the payload is.
    pub kind: Kind,
    /// Place in its share, without gaps but for records that were lost. From 0 at the agent's start; a spool on disk goes on
    /// where it was.
    pub sequence: u64,
    /// When the agent took it, by the agent's clock.
    pub arrived: UnixMillis,
    /// Bytes of payload that follow.
    pub payload_bytes: u32,
}

impl FrameHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        let fields = [
            &[self.kind.byte()][..],
            &self.sequence.to_le_bytes(),
            &self.arrived.0.to_le_bytes(),
            &self.payload_bytes.to_le_bytes(),
        ];
        let mut rest = &mut out[..];
        for field in fields {
            let (head, tail) = rest.split_at_mut(field.len());
            head.copy_from_slice(field);
            rest = tail;
        }
        out
    }

    /// Reads a header; `None` if the kind is unknown.
    #[must_use]
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let [k, s0, s1, s2, s3, s4, s5, s6, s7, a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3] = *bytes;
        Some(Self {
            kind: Kind::from_byte(k)?,
            sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            arrived: UnixMillis(i64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7])),
            payload_bytes: u32::from_le_bytes([l0, l1, l2, l3]),
        })
    }
}

/// One record of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the payload is.
    pub kind: Kind,
    /// Place in its share.
    pub sequence: u64,
    /// When the agent took it, by the agent's clock.
    pub arrived: UnixMillis,
    /// As received.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_21_bytes_that_must_not_move() {
        let header = FrameHeader {
            kind: Kind::OtlpTraces,
            sequence: 0x0102,
            arrived: UnixMillis(0x0a0b),
            payload_bytes: 7,
        };
        let bytes = header.encode();
        assert_eq!(hex::encode(bytes), "0302010000000000000b0a00000000000007000000");
        assert_eq!(FrameHeader::decode(&bytes), Some(header));
        let mut unknown = bytes;
        unknown[0] = 0;
        assert_eq!(FrameHeader::decode(&unknown), None);
    }
}
