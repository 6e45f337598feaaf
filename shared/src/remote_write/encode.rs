//! Writes a series' items as remote write 1.0 has them: one field for each sample, exemplar and native histogram, so
//! that a series can be cut between any two of them. Its labels are encoded already.

use prost::Message;

use super::v1;
use crate::{
    protobuf::write,
    series::{Buckets, Exemplar, NativeHistogram, STALE, Sample, Series, label_len, put_label},
};

/// What an ordinary NaN is sent as, so that no data looks like a stale marker.
const ORDINARY_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// The items of one `TimeSeries`, encoded. Kept from series to series for its buffers.
#[derive(Default)]
pub(super) struct Items {
    /// All items, one after the other.
    pub(super) bytes: Vec<u8>,
    /// Their ends in `bytes`.
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

impl Items {
    /// Encodes `series` in place of what was there.
    pub(super) fn encode(&mut self, series: Series<'_>) {
        self.bytes.clear();
        self.index.clear();
        for (_, sample) in series.samples {
            put_sample(*sample, &mut self.bytes);
            self.end(true);
        }
        for (_, exemplar) in series.exemplars {
            put_exemplar(exemplar, &mut self.bytes);
            self.end(false);
        }
        for (_, histogram) in series.histograms {
            put_histogram(&histogram.into(), &mut self.bytes);
            self.end(true);
        }
    }

    fn end(&mut self, is_sample: bool) {
        self.index.push(Item { end: self.bytes.len(), is_sample });
    }
}

fn put_sample(sample: Sample, out: &mut Vec<u8>) {
    write::delimited(2, 0, out);
    let start = out.len();
    write::double(1, sendable(sample.value), out);
    write::int64(2, sample.at.0, out);
    let length = out.len() - start; // at most 20: one byte
    if let Some(byte) = out.get_mut(start - 1) {
        *byte = u8::try_from(length).unwrap_or(u8::MAX);
    }
}

fn put_exemplar(exemplar: &Exemplar, out: &mut Vec<u8>) {
    let labels = || exemplar.labels.iter().map(|label| (&*label.name, &*label.value));
    let mut numbers = Vec::with_capacity(20);
    write::double(2, sendable(exemplar.value), &mut numbers);
    write::int64(3, exemplar.at.0, &mut numbers);
    write::delimited(3, labels().map(|(n, v)| label_len(n, v)).sum::<usize>() + numbers.len(), out);
    labels().for_each(|(name, value)| put_label(name, value, out));
    out.extend_from_slice(&numbers);
}

fn put_histogram(histogram: &v1::Histogram, out: &mut Vec<u8>) {
    write::delimited(4, histogram.encoded_len(), out);
    histogram.encode_raw(out);
}

/// Copies bits, never computes: the stale marker passes, any other NaN becomes the ordinary one.
fn sendable(value: f64) -> f64 {
    if value.is_nan() && value.to_bits() != STALE.to_bits() { ORDINARY_NAN } else { value }
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
