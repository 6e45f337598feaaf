//! Writes a series' fields as remote write 1.0 has them, straight from a [`Series`]: the labels once, then one field
//! for each sample, exemplar and native histogram, so that a series can be cut between any two of them.

use prost::Message;

use super::v1;
use crate::series::{Buckets, Exemplar, Label, LabelSet, NativeHistogram, STALE, Sample, Series};

/// What an ordinary NaN is sent as, so that no data looks like a stale marker.
const ORDINARY_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Wire types of protobuf, the low three bits of a field's key.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

/// The fields of one `TimeSeries`, encoded. Kept from series to series for its buffers.
#[derive(Default)]
pub(super) struct Fields {
    /// All labels.
    pub(super) labels: Vec<u8>,
    /// All items, one after the other.
    pub(super) items: Vec<u8>,
    /// The items' ends in `items`.
    pub(super) index: Vec<Item>,
}

/// One item.
#[derive(Clone, Copy)]
pub(super) struct Item {
    /// Offset of the byte after it.
    pub(super) end: usize,
    /// False for an exemplar, which is no sample of its own.
    pub(super) is_sample: bool,
}

impl Fields {
    /// Encodes `series` in place of what was there.
    pub(super) fn encode(&mut self, series: &Series) {
        self.labels.clear();
        self.items.clear();
        self.index.clear();
        put_labels(&series.labels, &mut self.labels);
        for sample in &series.samples {
            put_sample(*sample, &mut self.items);
            self.index.push(Item { end: self.items.len(), is_sample: true });
        }
        for exemplar in &series.exemplars {
            put_message::<v1::Exemplar>(3, &exemplar.into(), &mut self.items);
            self.index.push(Item { end: self.items.len(), is_sample: false });
        }
        for histogram in &series.histograms {
            put_message::<v1::Histogram>(4, &histogram.into(), &mut self.items);
            self.index.push(Item { end: self.items.len(), is_sample: true });
        }
    }
}

/// Bytes of a length-delimited field of a one-byte key.
pub(super) fn framed_len(content: usize) -> usize {
    1 + prost::length_delimiter_len(content) + content
}

/// The key of a field whose number is below 16.
const fn key(number: u8, wire_type: u8) -> u8 {
    (number << 3) | wire_type
}

/// The key of field `number` and the length of what follows.
pub(super) fn put_frame(number: u8, content: usize, out: &mut Vec<u8>) {
    out.push(key(number, LENGTH_DELIMITED));
    put_varint(content as u64, out);
}

fn put_labels(labels: &LabelSet, out: &mut Vec<u8>) {
    for Label { name, value } in labels.as_slice() {
        put_frame(1, framed_len(name.len()) + framed_len(value.len()), out);
        put_frame(1, name.len(), out);
        out.extend_from_slice(name.as_bytes());
        put_frame(2, value.len(), out);
        out.extend_from_slice(value.as_bytes());
    }
}

fn put_sample(sample: Sample, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[key(2, LENGTH_DELIMITED), 0]);
    let value = sendable(sample.value);
    if value != 0.0 {
        out.push(key(1, FIXED64));
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    if sample.at.0 != 0 {
        out.push(key(2, VARINT));
        put_varint(sample.at.0.cast_unsigned(), out);
    }
    let length = out.len() - start - 2; // at most 20: one byte
    if let Some(byte) = out.get_mut(start + 1) {
        *byte = u8::try_from(length).unwrap_or(u8::MAX);
    }
}

fn put_message<M: Message>(number: u8, message: &M, out: &mut Vec<u8>) {
    put_frame(number, message.encoded_len(), out);
    message.encode_raw(out);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Copies bits, never computes: the stale marker passes, any other NaN becomes the ordinary one.
fn sendable(value: f64) -> f64 {
    if value.is_nan() && value.to_bits() != STALE.to_bits() { ORDINARY_NAN } else { value }
}

impl From<&Exemplar> for v1::Exemplar {
    fn from(exemplar: &Exemplar) -> Self {
        let label = |l: &Label| v1::Label { name: l.name.clone(), value: l.value.clone() };
        Self {
            labels: exemplar.labels.iter().map(label).collect(),
            value: sendable(exemplar.value),
            timestamp: exemplar.at.0,
        }
    }
}

impl From<&NativeHistogram> for v1::Histogram {
    fn from(histogram: &NativeHistogram) -> Self {
        let spans = |side: &Buckets| {
            side.spans.iter().map(|s| v1::BucketSpan { offset: s.offset, length: s.length }).collect()
        };
        Self {
            count: Some(v1::HistogramCount::Int(histogram.count)),
            sum: sendable(histogram.sum),
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: Some(v1::HistogramZeroCount::Int(histogram.zero_count)),
            negative_spans: spans(&histogram.negative),
            negative_deltas: histogram.negative.deltas.clone(),
            positive_spans: spans(&histogram.positive),
            positive_deltas: histogram.positive.deltas.clone(),
            timestamp: histogram.at.0,
            ..Self::default()
        }
    }
}
