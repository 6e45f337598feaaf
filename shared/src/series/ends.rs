//! Stale markers for series that end: without one, queries carry the last value on for five minutes
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/#stale-markers>).

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::{Batch, LabelSet, LabelSets, Metadata, NativeHistogram, STALE, Series};
use crate::units::UnixMillis;

/// Series that are remembered at most, about 1 KB each. Those beyond end as if nobody had known: after five minutes.
const MAX_SERIES: usize = 10_000;

/// Bytes of their labels at most: others are drained beside this one.
const MAX_LABEL_BYTES: usize = 10 << 20;

/// The series of a source that is about to end, by their latest values. Their label sets are its own: it may see batches
/// that came of different [`LabelSets`].
#[derive(Debug, Default)]
pub struct Ends {
    series: IndexMap<LabelSet, End, RandomState>,
    label_bytes: usize,
    is_foreseen: bool,
}

/// What is to end.
#[derive(Debug)]
struct End {
    latest: Latest,
    metadata: Option<Arc<Metadata>>,
}

/// The latest value of a series.
#[derive(Clone, Copy, Debug)]
struct Latest {
    at: UnixMillis,
    is_histogram: bool,
    /// It has ended already.
    is_stale: bool,
}

impl Ends {
    /// Of a source that is known to end before it says so itself.
    #[must_use]
    pub fn foreseen() -> Self {
        Self { is_foreseen: true, ..Self::default() }
    }

    /// Whether series are worth being seen before the source says that it ends.
    #[must_use]
    pub const fn is_foreseen(&self) -> bool {
        self.is_foreseen
    }

    /// Sees the series of `batch`. Its samples are brought in order of series.
    pub fn note(&mut self, batch: &mut Batch, sets: &LabelSets) {
        for series in batch.by_series() {
            let (Some(latest), Some(labels)) = (Latest::of(series), sets.get(series.id)) else { continue };
            if let Some(known) = self.series.get_mut(labels) {
                if known.latest.at <= latest.at {
                    known.latest = latest;
                }
            } else if self.series.len() < MAX_SERIES && self.label_bytes < MAX_LABEL_BYTES {
                self.label_bytes += labels.bytes();
                let metadata = sets.metadata(series.id).map(Arc::clone);
                self.series.insert(labels.clone(), End { latest, metadata });
            }
        }
    }

    /// A marker for each series that was seen, one millisecond after its latest value, and forgets them. None for a
    /// series that its source has ended itself.
    ///
    /// The same batches give the same markers: whoever stores them twice stores nothing new. A series may go on after
    /// its marker.
    pub fn markers(&mut self, sets: &mut LabelSets) -> Batch {
        let mut batch = Batch::default();
        self.label_bytes = 0;
        for (labels, End { latest, metadata }) in std::mem::take(&mut self.series) {
            let Latest { at, is_histogram, is_stale } = latest;
            let at = at.plus(1);
            let id = match metadata {
                Some(metadata) => sets.id_of(labels, &metadata),
                None => sets.id(labels),
            };
            match (is_stale, is_histogram) {
                (true, _) => {}
                (false, false) => batch.push(id, at, STALE),
                (false, true) => {
                    batch
                        .push_histogram(id, NativeHistogram { at, sum: STALE, ..NativeHistogram::default() });
                }
            }
        }
        batch
    }
}

impl Latest {
    /// `None` of a series without values.
    fn of(series: Series<'_>) -> Option<Self> {
        let is_marker = |value: f64| value.to_bits() == STALE.to_bits();
        let sample = series.samples.last().map(|(_, sample)| Self {
            at: sample.at,
            is_histogram: false,
            is_stale: is_marker(sample.value),
        });
        let histogram = series.histograms.last().map(|(_, histogram)| Self {
            at: histogram.at,
            is_histogram: true,
            is_stale: is_marker(histogram.sum),
        });
        [sample, histogram].into_iter().flatten().max_by_key(|latest| latest.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels, time, and whether it is a histogram's, of each marker.
    fn markers(ends: &mut Ends) -> Vec<(String, i64, bool)> {
        let mut sets = LabelSets::default();
        sets.id([("other", "x")].into_iter().collect()); // ids differ from those that were noted
        let mut batch = ends.markers(&mut sets);
        let shown = |series: Series<'_>| {
            let labels = sets.get(series.id).unwrap();
            let name = labels.iter().map(|(_, value)| value).collect::<String>();
            let samples = series.samples.iter().map(|(_, s)| (s.at.0, s.value.to_bits(), false));
            let histograms = series.histograms.iter().map(|(_, h)| (h.at.0, h.sum.to_bits(), true));
            samples
                .chain(histograms)
                .map(|(at, bits, is_histogram)| {
                    assert_eq!(bits, STALE.to_bits());
                    (name.clone(), at, is_histogram)
                })
                .collect::<Vec<_>>()
        };
        batch.by_series().flat_map(shown).collect()
    }

    fn note(ends: &mut Ends, values: &[(&str, i64, f64)]) {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        for (name, at, value) in values {
            batch.push(sets.id([("n", *name)].into_iter().collect()), UnixMillis(*at), *value);
        }
        ends.note(&mut batch, &sets);
    }

    #[test]
    fn each_series_of_all_batches_ends_a_tick_after_its_latest_value() {
        let noted = || {
            let mut ends = Ends::default();
            note(&mut ends, &[("a", 10, 1.0), ("b", 5, 1.0), ("a", 20, 1.0)]);
            note(&mut ends, &[("c", 40, f64::NAN), ("a", 15, 1.0), ("b", 30, 1.0)]);
            ends
        };
        let mut ends = noted();
        let want = [("a".to_owned(), 21, false), ("b".to_owned(), 31, false), ("c".to_owned(), 41, false)];
        assert_eq!(markers(&mut ends), want);
        assert!(markers(&mut ends).is_empty(), "each ends once");
        assert_eq!(markers(&mut noted()), want, "the same batches, the same markers");
        note(&mut ends, &[("a", 50, 1.0)]);
        assert_eq!(markers(&mut ends), [("a".to_owned(), 51, false)], "and again if it goes on");
    }

    #[test]
    fn a_series_that_has_ended_is_left_alone_and_one_that_came_back_is_not() {
        let mut ends = Ends::default();
        note(&mut ends, &[("ended", 1, 1.0), ("ended", 2, STALE), ("back", 1, STALE), ("back", 2, 1.0)]);
        assert_eq!(markers(&mut ends), [("back".to_owned(), 3, false)]);
    }

    #[test]
    fn native_histograms_end_by_their_sum() {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        let id = sets.id([("n", "h")].into_iter().collect());
        batch.push_histogram(
            id,
            NativeHistogram { at: UnixMillis(7), sum: 1.0, ..NativeHistogram::default() },
        );
        let mut ends = Ends::default();
        ends.note(&mut batch, &sets);
        assert_eq!(markers(&mut ends), [("h".to_owned(), 8, true)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut ends = Ends::default();
        let names: Vec<_> = (0..=MAX_SERIES).map(|n| n.to_string()).collect();
        note(&mut ends, &names.iter().map(|name| (name.as_str(), 1, 1.0)).collect::<Vec<_>>());
        assert_eq!(markers(&mut ends).len(), MAX_SERIES);
    }
}
