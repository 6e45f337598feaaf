//! Samples and native histograms as fields: but for their numbers, both versions have the same.

use prost::Message;

use crate::{
    protobuf::write,
    remote_write::histogram::Histogram,
    series::{STALE, Start},
    units::UnixMillis,
};

/// What an ordinary NaN is sent as, so that no data looks like a stale marker.
const ORDINARY_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Copies bits, never computes: the stale marker passes, any other NaN becomes the ordinary one.
pub(in crate::remote_write) fn sendable(value: f64) -> f64 {
    if value.is_nan() && value.to_bits() != STALE.to_bits() { ORDINARY_NAN } else { value }
}

/// The field `samples`, which has number 2 in both versions. Version 1.0 knows no start.
#[inline]
pub(super) fn put_sample(value: f64, at: UnixMillis, start: Start, out: &mut Vec<u8>) {
    write::delimited(2, 0, out);
    let begin = out.len();
    write::double(1, sendable(value), out);
    write::int64(2, at.0, out);
    write::int64(3, start.encoded(), out);
    let length = out.len() - begin; // at most 31: one byte
    if let Some(byte) = out.get_mut(begin - 1) {
        *byte = u8::try_from(length).unwrap_or(u8::MAX);
    }
}

/// The field `histograms` under its number.
pub(super) fn put_histogram(tag: u8, histogram: &Histogram, out: &mut Vec<u8>) {
    write::delimited(tag, histogram.encoded_len(), out);
    histogram.encode_raw(out);
}

/// What follows the labels in an exemplar: the value and the time.
pub(super) fn put_example(value: f64, at: UnixMillis, out: &mut Vec<u8>) {
    write::double(2, sendable(value), out);
    write::int64(3, at.0, out);
}
