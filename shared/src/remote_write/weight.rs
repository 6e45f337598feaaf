//! How large a request would become, before it is made.

use super::Limits;
use crate::series::{Batch, Buckets, Exemplar, LabelSets, NativeHistogram, Series, SeriesId, label_len};

/// Encoded bytes of a series without its labels and items, at most: field and length.
const SERIES_BYTES: usize = 6;

/// Encoded bytes of one sample, at most: field and length (2), value (9), time (11).
const SAMPLE_BYTES: usize = 22;

/// Encoded bytes of an exemplar without its labels, at most: field and length (6), value (9), time (11).
const EXEMPLAR_BYTES: usize = 26;

/// Encoded bytes of a native histogram without its buckets, at most.
const HISTOGRAM_BYTES: usize = 100;

/// Encoded bytes of one of its spans or buckets, at most.
const BUCKET_BYTES: usize = 14;

/// What batches would come to as one request, at most. Series that several of them have count once.
#[derive(Clone, Debug, Default)]
pub struct Weight {
    /// By place in [`LabelSets`].
    is_in: Vec<bool>,
    bytes: usize,
    samples: usize,
}

impl Weight {
    /// With one batch more.
    #[must_use]
    pub fn plus(mut self, batch: &mut Batch, sets: &LabelSets) -> Self {
        self.samples += batch.samples();
        for series in batch.by_series() {
            if self.is_new(series.id) {
                self.bytes += SERIES_BYTES + sets.get(series.id).map_or(0, |labels| labels.encoded().len());
            }
            self.bytes += items_len(series);
        }
        self
    }

    /// Whether one request within `limits` has room for it.
    #[must_use]
    pub const fn fits(&self, limits: &Limits) -> bool {
        self.bytes <= limits.body_bytes && self.samples <= limits.samples
    }

    fn is_new(&mut self, series: SeriesId) -> bool {
        let place = series.place();
        if self.is_in.len() <= place {
            self.is_in.resize(place + 1, false);
        }
        self.is_in.get_mut(place).is_some_and(|is_in| !std::mem::replace(is_in, true))
    }
}

fn items_len(series: Series<'_>) -> usize {
    let exemplars = series.exemplars.iter().map(|(_, exemplar)| exemplar_len(exemplar));
    let histograms = series.histograms.iter().map(|(_, histogram)| histogram_len(histogram));
    series.samples.len() * SAMPLE_BYTES + exemplars.sum::<usize>() + histograms.sum::<usize>()
}

fn exemplar_len(exemplar: &Exemplar) -> usize {
    EXEMPLAR_BYTES + exemplar.labels.iter().map(|label| label_len(&label.name, &label.value)).sum::<usize>()
}

fn histogram_len(histogram: &NativeHistogram) -> usize {
    let buckets = |side: &Buckets| (side.spans.len() + side.deltas.len()) * BUCKET_BYTES;
    HISTOGRAM_BYTES + buckets(&histogram.positive) + buckets(&histogram.negative)
}
