//! Remote write 2.0: strings go into a symbol table, series refer to them.
//!
//! The table comes first in a request and grows with the series behind it, so both are held until the request is full.

use super::{
    EXEMPLAR_TOO_LARGE, Out,
    item::{put_example, put_histogram, put_sample},
};
use crate::{
    protobuf::write,
    remote_write::{histogram::Histogram, symbols::Symbols},
    series::{Exemplar, LabelSet, LabelSets, Metadata, NativeHistogram, Sample, Series, SeriesId},
};

/// Writes series.
pub(super) struct Writer<'a, 'o> {
    symbols: Symbols<'a>,
    /// The field `timeseries` of all series of the open request.
    encoded: Vec<u8>,
    /// Series of the open request.
    series: usize,
    /// Samples of the open request.
    samples: usize,
    message: Message,
    out: &'o mut Out,
}

/// What goes into one `TimeSeries`: a series of one kind, or a part of it.
#[derive(Clone, Copy)]
struct Part<'a> {
    labels: &'a LabelSet,
    metadata: Option<&'a Metadata>,
    values: Values<'a>,
    exemplars: &'a [(SeriesId, Exemplar)],
}

/// The values of a `TimeSeries` are of one kind.
#[derive(Clone, Copy)]
enum Values<'a> {
    Samples(&'a [(SeriesId, Sample)]),
    Histograms(&'a [(SeriesId, NativeHistogram)]),
}

impl<'a, 'o> Writer<'a, 'o> {
    pub(super) fn new(out: &'o mut Out) -> Self {
        let (symbols, message) = (Symbols::new(), Message::default());
        Self { symbols, encoded: Vec::new(), series: 0, samples: 0, message, out }
    }

    pub(super) fn write(mut self, series: impl Iterator<Item = Series<'a>>, sets: &'a LabelSets) {
        for one in series {
            let Some(labels) = sets.get(one.id) else { continue };
            let metadata = sets.metadata(one.id).map(AsRef::as_ref);
            let part = |values, exemplars| Part { labels, metadata, values, exemplars };
            // Exemplars are of the samples, where there are any.
            let (with_samples, with_histograms) =
                if one.samples.is_empty() { (&[][..], one.exemplars) } else { (one.exemplars, &[][..]) };
            if !one.samples.is_empty() {
                self.add(part(Values::Samples(one.samples), with_samples));
            }
            if !one.histograms.is_empty() {
                self.add(part(Values::Histograms(one.histograms), with_histograms));
            }
        }
        self.seal();
    }

    /// Adds a part, whole if the limits allow.
    fn add(&mut self, part: Part<'a>) {
        if self.take(part) || self.take(part) {
            return; // into the open request, or into a new one
        }
        if !self.has_room_for_labels(part) {
            self.out.drop("too_large", part.values.len());
        } else if let Some((first, second)) = part.halves() {
            self.add(first);
            self.add(second);
        } else if part.exemplars.is_empty() {
            self.out.drop("too_large", part.values.len());
        } else {
            let (kept, dropped) = part.exemplars.split_at(part.exemplars.len() / 2);
            self.out.drop(EXEMPLAR_TOO_LARGE, dropped.len());
            self.add(Part { exemplars: kept, ..part });
        }
    }

    /// Adds a part to the open request, or ends that one where the part would pass its limits.
    fn take(&mut self, part: Part<'a>) -> bool {
        let samples = self.samples + part.values.len();
        let symbols = self.symbols.encoded().len();
        if samples <= self.out.limits.samples {
            self.message.encode(part, &mut self.symbols);
            let series = self.encoded.len() + write::delimited_len(self.message.content.len());
            if self.symbols.encoded().len() + series <= self.out.limits.body_bytes {
                write::bytes(5, &self.message.content, &mut self.encoded);
                self.series += 1;
                self.samples = samples;
                return true;
            }
        }
        self.symbols.truncate(symbols);
        self.seal();
        false
    }

    /// Whether an empty request has room for the labels and the metadata alone. Else there is no use in cutting the part.
    fn has_room_for_labels(&mut self, part: Part<'a>) -> bool {
        let bare = Part { values: Values::Samples(&[]), exemplars: &[], ..part };
        self.message.encode(bare, &mut self.symbols);
        let length = self.symbols.encoded().len() + self.message.content.len();
        self.symbols.clear();
        length < self.out.limits.body_bytes
    }

    fn seal(&mut self) {
        if self.series > 0 {
            self.out.body.write(self.symbols.encoded());
            self.out.body.write(&self.encoded);
            self.out.seal(std::mem::take(&mut self.series), std::mem::take(&mut self.samples));
        }
        self.encoded.clear();
        self.symbols.clear();
    }
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.len(),
            Self::Histograms(histograms) => histograms.len(),
        }
    }

    /// The first and the second half in time.
    fn halves(self) -> (Self, Self) {
        match self {
            Self::Samples(samples) => {
                let (first, second) = samples.split_at(samples.len() / 2);
                (Self::Samples(first), Self::Samples(second))
            }
            Self::Histograms(histograms) => {
                let (first, second) = histograms.split_at(histograms.len() / 2);
                (Self::Histograms(first), Self::Histograms(second))
            }
        }
    }
}

impl Part<'_> {
    /// The first and the second half in time; `None` if there is but one value. Exemplars go by count.
    fn halves(self) -> Option<(Self, Self)> {
        if self.values.len() < 2 {
            return None;
        }
        let (first, second) = self.values.halves();
        let (of_first, of_second) = self.exemplars.split_at(self.exemplars.len() / 2);
        Some((
            Self { values: first, exemplars: of_first, ..self },
            Self { values: second, exemplars: of_second, ..self },
        ))
    }
}

/// One `TimeSeries`, encoded. Kept from series to series for its buffers.
#[derive(Default)]
struct Message {
    content: Vec<u8>,
    inner: Vec<u8>,
    refs: Vec<u8>,
}

impl Message {
    /// Encodes `part` in place of what was there.
    fn encode<'a>(&mut self, part: Part<'a>, symbols: &mut Symbols<'a>) {
        self.content.clear();
        self.refs.clear();
        part.labels.iter().for_each(|label| put_refs(label, symbols, &mut self.refs));
        write::packed(1, &self.refs, &mut self.content);
        match part.values {
            Values::Samples(samples) => {
                for (_, Sample { at, value, start }) in samples {
                    put_sample(*value, *at, *start, &mut self.content);
                }
            }
            Values::Histograms(histograms) => {
                for (_, histogram) in histograms {
                    let start_timestamp = histogram.start.encoded();
                    let message = Histogram { start_timestamp, ..Histogram::of(histogram) };
                    put_histogram(3, &message, &mut self.content);
                }
            }
        }
        part.exemplars.iter().for_each(|(_, exemplar)| self.put_exemplar(exemplar, symbols));
        if let Some(metadata) = part.metadata {
            self.put_metadata(metadata, symbols);
        }
    }

    fn put_exemplar<'a>(&mut self, exemplar: &'a Exemplar, symbols: &mut Symbols<'a>) {
        self.inner.clear();
        self.refs.clear();
        exemplar.labels.iter().for_each(|label| put_refs(label.as_pair(), symbols, &mut self.refs));
        write::packed(1, &self.refs, &mut self.inner);
        put_example(exemplar.value, exemplar.at, &mut self.inner);
        write::bytes(4, &self.inner, &mut self.content);
    }

    fn put_metadata<'a>(&mut self, metadata: &'a Metadata, symbols: &mut Symbols<'a>) {
        self.inner.clear();
        write::int64(1, i64::from(metadata.kind as i32), &mut self.inner);
        for (tag, text) in [(3, &metadata.help), (4, &metadata.unit)] {
            write::int64(tag, i64::from(symbols.reference(text)), &mut self.inner);
        }
        write::bytes(5, &self.inner, &mut self.content);
    }
}

/// A label as references: name, value.
fn put_refs<'a>((name, value): (&'a str, &'a str), symbols: &mut Symbols<'a>, refs: &mut Vec<u8>) {
    for symbol in [name, value] {
        write::varint(u64::from(symbols.reference(symbol)), refs);
    }
}
