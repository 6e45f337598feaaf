//! Samples on their way to requests.

use super::{Exemplar, NativeHistogram, Sample, SeriesId, Start};
use crate::units::UnixMillis;

/// Samples, exemplars and native histograms of any series, in the order in which they come.
///
/// Each has the id that its series has in [`super::LabelSets`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    samples: Vec<(SeriesId, Sample)>,
    exemplars: Vec<(SeriesId, Exemplar)>,
    histograms: Vec<(SeriesId, NativeHistogram)>,
}

/// What a batch has of one series, ascending in time; of equal times the first that came is first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// Its place in [`super::LabelSets`].
    pub id: SeriesId,
    /// Its samples.
    pub samples: &'a [(SeriesId, Sample)],
    /// Examples of what the samples count.
    pub exemplars: &'a [(SeriesId, Exemplar)],
    /// Its native histograms. A series has samples or histograms, not both.
    pub histograms: &'a [(SeriesId, NativeHistogram)],
}

impl Batch {
    /// Adds a sample whose start is unknown.
    #[inline]
    pub fn push(&mut self, series: SeriesId, at: UnixMillis, value: f64) {
        self.push_since(series, Start::UNKNOWN, at, value);
    }

    /// Adds a sample that has counted since `start`.
    #[inline]
    pub fn push_since(&mut self, series: SeriesId, start: Start, at: UnixMillis, value: f64) {
        self.samples.push((series, Sample { at, value, start }));
    }

    /// Adds an exemplar.
    pub fn push_exemplar(&mut self, series: SeriesId, exemplar: Exemplar) {
        self.exemplars.push((series, exemplar));
    }

    /// Adds a native histogram.
    pub fn push_histogram(&mut self, series: SeriesId, histogram: NativeHistogram) {
        self.histograms.push((series, histogram));
    }

    /// Adds all that came later.
    pub fn append(&mut self, mut later: Self) {
        self.samples.append(&mut later.samples);
        self.exemplars.append(&mut later.exemplars);
        self.histograms.append(&mut later.histograms);
    }

    /// How many samples and native histograms there are.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples.len() + self.histograms.len()
    }

    /// The first and the second half: of the series or, if there is but one, of its samples in time. `None` if there is
    /// but one sample. Exemplars of a single series go with the first half.
    #[must_use]
    pub fn halves(mut self) -> Option<(Self, Self)> {
        let ids: Vec<SeriesId> = self.by_series().map(|series| series.id).collect();
        let later = if let (2.., Some(middle)) = (ids.len(), ids.get(ids.len() / 2)) {
            let behind = |id: &SeriesId| id < middle;
            Self {
                samples: self.samples.split_off(self.samples.partition_point(|(id, _)| behind(id))),
                exemplars: self.exemplars.split_off(self.exemplars.partition_point(|(id, _)| behind(id))),
                histograms: self.histograms.split_off(self.histograms.partition_point(|(id, _)| behind(id))),
            }
        } else {
            let middle = |n: usize| if n > 1 { n / 2 } else { n };
            Self {
                samples: self.samples.split_off(middle(self.samples.len())),
                exemplars: Vec::new(),
                histograms: self.histograms.split_off(middle(self.histograms.len())),
            }
        };
        (self.samples() > 0 && later.samples() > 0).then_some((self, later))
    }

    /// Takes out the samples that `keep` doesn't keep. It may put one under another series, and give it another time.
    pub(crate) fn retain_samples(&mut self, mut keep: impl FnMut(&mut SeriesId, &mut UnixMillis) -> bool) {
        self.samples.retain_mut(|(series, sample)| keep(series, &mut sample.at));
    }

    /// The times of all samples and native histograms, in no order.
    pub(crate) fn times(&self) -> impl Iterator<Item = UnixMillis> {
        let samples = self.samples.iter().map(|(_, sample)| sample.at);
        samples.chain(self.histograms.iter().map(|(_, histogram)| histogram.at))
    }

    /// Takes out the native histograms that `keep` doesn't keep. It may put one under another series, and change it.
    pub(crate) fn retain_histograms(
        &mut self,
        mut keep: impl FnMut(&mut SeriesId, &mut NativeHistogram) -> bool,
    ) {
        self.histograms.retain_mut(|(series, histogram)| keep(series, histogram));
    }

    /// Takes out all exemplars; gives how many that was.
    pub(crate) fn take_exemplars(&mut self) -> usize {
        std::mem::take(&mut self.exemplars).len()
    }

    /// Brings together what is of one series. Series ascend by id: in the order in which they first came, ever.
    pub fn by_series(&mut self) -> impl Iterator<Item = Series<'_>> {
        // A stable sort that finds runs: a batch is a few of them, as records name their series in one order.
        self.samples.sort_by_key(|(series, sample)| (*series, sample.at));
        self.exemplars.sort_by_key(|(series, exemplar)| (*series, exemplar.at));
        self.histograms.sort_by_key(|(series, histogram)| (*series, histogram.at));
        let mut rest = (&self.samples[..], &self.exemplars[..], &self.histograms[..]);
        std::iter::from_fn(move || {
            let (samples, exemplars, histograms) = &mut rest;
            let id = [first(samples), first(exemplars), first(histograms)].into_iter().flatten().min()?;
            Some(Series {
                id,
                samples: split_off(samples, id),
                exemplars: split_off(exemplars, id),
                histograms: split_off(histograms, id),
            })
        })
    }
}

fn first<T>(rest: &[(SeriesId, T)]) -> Option<SeriesId> {
    rest.first().map(|(series, _)| *series)
}

/// Takes what is of `series` off the front.
fn split_off<'a, T>(rest: &mut &'a [(SeriesId, T)], series: SeriesId) -> &'a [(SeriesId, T)] {
    let (taken, left) = rest.split_at(rest.iter().take_while(|(other, _)| *other == series).count());
    *rest = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::{super::LabelSets, *};

    /// Times of a batch's samples, by series.
    fn times(batch: &mut Batch) -> Vec<Vec<i64>> {
        batch.by_series().map(|s| s.samples.iter().map(|(_, s)| s.at.0).collect()).collect()
    }

    fn batch(series: usize, samples: i64) -> Batch {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        for n in 0..series {
            let id = sets.id([("n", n.to_string())].into_iter().collect());
            (0..samples).rev().for_each(|at| batch.push(id, UnixMillis(at), 1.0));
        }
        batch
    }

    #[test]
    fn halves_are_of_the_series_or_of_the_only_one() {
        let halves = |batch: Batch| batch.halves().map(|(mut a, mut b)| (times(&mut a), times(&mut b)));
        assert_eq!(halves(batch(5, 1)), Some((vec![vec![0]; 2], vec![vec![0]; 3])));
        assert_eq!(halves(batch(1, 5)), Some((vec![vec![0, 1]], vec![vec![2, 3, 4]])));
        assert_eq!((halves(batch(1, 1)), halves(batch(0, 0))), (None, None));
    }

    #[test]
    fn what_is_of_one_series_comes_together_in_time_order_and_nothing_is_lost() {
        let mut sets = LabelSets::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| sets.id([("n", name)].into_iter().collect()));
        let exemplar = |at| Exemplar { labels: Vec::new(), value: 0.0, at: UnixMillis(at) };
        let histogram = |at| NativeHistogram { at: UnixMillis(at), ..NativeHistogram::default() };
        let mut batch = Batch::default();
        for (series, at, value) in [(b, 3, 1.0), (a, 1, 2.0), (b, 2, 3.0), (b, 3, 4.0)] {
            batch.push(series, UnixMillis(at), value);
        }
        batch.push_exemplar(b, exemplar(7));
        batch.push_exemplar(a, exemplar(5));
        let mut later = Batch::default();
        later.push_histogram(c, histogram(9));
        later.push_histogram(c, histogram(8));
        batch.append(later);
        assert_eq!(batch.samples(), 6);

        let shown: Vec<_> = batch
            .by_series()
            .map(|s| {
                let samples: Vec<_> = s.samples.iter().map(|(_, s)| (s.at.0, s.value)).collect();
                let exemplars: Vec<_> = s.exemplars.iter().map(|(_, e)| e.at.0).collect();
                let histograms: Vec<_> = s.histograms.iter().map(|(_, h)| h.at.0).collect();
                (s.id, samples, exemplars, histograms)
            })
            .collect();
        assert_eq!(
            shown,
            [
                (a, vec![(1, 2.0)], vec![5], vec![]),
                (b, vec![(2, 3.0), (3, 1.0), (3, 4.0)], vec![7], vec![]),
                (c, vec![], vec![], vec![8, 9]),
            ]
        );
    }
}
