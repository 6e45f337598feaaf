//! Remote write 1.0: one field for each sample, exemplar and native histogram, so that a series can be cut between any
//! two of them. Its labels are encoded already. All goes into the block as it comes.

use super::{
    EXEMPLAR_TOO_LARGE, Out,
    item::{put_example, put_histogram, put_sample},
};
use crate::{
    protobuf::write,
    remote_write::histogram::Histogram,
    series::{Exemplar, LabelSets, Series, Start, label_len, put_label},
};

/// Writes series. Kept from batch to batch for its buffers.
#[derive(Default)]
pub(super) struct Writer {
    items: Items,
    head: Vec<u8>,
    /// Series of the open request.
    series: usize,
    /// Samples of the open request.
    samples: usize,
}

/// The items of one `TimeSeries`, encoded.
#[derive(Default)]
struct Items {
    /// All items, one after the other.
    bytes: Vec<u8>,
    /// Their ends in `bytes`.
    index: Vec<Item>,
}

/// One item.
#[derive(Clone, Copy)]
struct Item {
    /// Offset of the byte after it.
    end: usize,
    /// False for an exemplar, which is no sample of its own.
    is_sample: bool,
}

/// A series on its way into requests.
#[derive(Clone, Copy)]
struct Fields<'a> {
    labels: &'a [u8],
    items: &'a [u8],
}

/// Items of one series that fit into one request: a part of [`Fields::items`].
#[derive(Clone, Copy, Default)]
struct Piece {
    start: usize,
    end: usize,
    samples: usize,
}

impl Writer {
    pub(super) fn write<'a>(
        &mut self,
        series: impl Iterator<Item = Series<'a>>,
        sets: &LabelSets,
        out: &mut Out,
    ) {
        let mut items = std::mem::take(&mut self.items);
        for one in series {
            if let Some(labels) = sets.get(one.id) {
                items.encode(one);
                self.add(Fields { labels: labels.encoded(), items: &items.bytes }, &items.index, out);
            }
        }
        self.items = items;
        self.seal(out);
    }

    /// Adds all items of a series, in as few pieces as the limits allow.
    fn add(&mut self, fields: Fields<'_>, index: &[Item], out: &mut Out) {
        let fits_alone = |piece: Piece, out: &Out| {
            piece.samples <= out.limits.samples && framed_len(fields, piece) <= out.limits.body_bytes
        };
        let mut piece = Piece::default();
        for item in index {
            let samples = usize::from(item.is_sample);
            let grown = Piece { end: item.end, samples: piece.samples + samples, ..piece };
            if fits_alone(grown, out) {
                piece = grown;
                continue;
            }
            self.push(fields, piece, out);
            piece = Piece { start: piece.end, end: item.end, samples };
            if !fits_alone(piece, out) {
                out.drop(if item.is_sample { "too_large" } else { EXEMPLAR_TOO_LARGE }, 1);
                piece = Piece { start: item.end, end: item.end, samples: 0 };
            }
        }
        self.push(fields, piece, out);
    }

    /// Adds one piece to the open request, or to a new one if it doesn't fit.
    fn push(&mut self, fields: Fields<'_>, piece: Piece, out: &mut Out) {
        let Some(items) = fields.items.get(piece.start..piece.end).filter(|items| !items.is_empty()) else {
            return;
        };
        let fits_open = self.samples + piece.samples <= out.limits.samples
            && out.body.len() + framed_len(fields, piece) <= out.limits.body_bytes;
        if !fits_open {
            self.seal(out);
        }
        self.head.clear();
        write::delimited(1, content_len(fields, piece), &mut self.head);
        for part in [&self.head, fields.labels, items] {
            out.body.write(part);
        }
        self.series += 1;
        self.samples += piece.samples;
    }

    fn seal(&mut self, out: &mut Out) {
        if self.series > 0 {
            out.seal(std::mem::take(&mut self.series), std::mem::take(&mut self.samples));
        }
    }
}

fn content_len(fields: Fields<'_>, piece: Piece) -> usize {
    fields.labels.len() + (piece.end - piece.start)
}

fn framed_len(fields: Fields<'_>, piece: Piece) -> usize {
    write::delimited_len(content_len(fields, piece))
}

impl Items {
    /// Encodes `series` in place of what was there.
    fn encode(&mut self, series: Series<'_>) {
        self.bytes.clear();
        self.index.clear();
        for (_, sample) in series.samples {
            put_sample(sample.value, sample.at, Start::UNKNOWN, &mut self.bytes);
            self.end(true);
        }
        for (_, exemplar) in series.exemplars {
            put_exemplar(exemplar, &mut self.bytes);
            self.end(false);
        }
        for (_, histogram) in series.histograms {
            put_histogram(4, &Histogram::of(histogram), &mut self.bytes);
            self.end(true);
        }
    }

    fn end(&mut self, is_sample: bool) {
        self.index.push(Item { end: self.bytes.len(), is_sample });
    }
}

fn put_exemplar(exemplar: &Exemplar, out: &mut Vec<u8>) {
    let labels = || exemplar.labels.iter().map(|label| (&*label.name, &*label.value));
    let mut numbers = Vec::with_capacity(20);
    put_example(exemplar.value, exemplar.at, &mut numbers);
    write::delimited(3, labels().map(|(n, v)| label_len(n, v)).sum::<usize>() + numbers.len(), out);
    labels().for_each(|(name, value)| put_label(name, value, out));
    out.extend_from_slice(&numbers);
}
