//! Keeps a batch within AMP's limits. What is decided for a series is decided once.

use super::{
    histogram::fit,
    labels::{Verdict, verdict},
    reason,
};
use crate::{
    prometheus::TARGET_INFO,
    series::{Batch, LabelSets, NAME, SeriesId},
    units::UnixMillis,
};

const MINUTE_MS: i64 = 60_000;

/// AMP refuses samples over an hour old, and data can wait for a few more minutes on its way.
const MAX_AGE_MS: i64 = 55 * MINUTE_MS;

/// Cortex refuses samples over ten minutes ahead of its clock, which may be behind ours. A sample that is let through
/// would make its series' next ones, with a time that is right, out of order.
const MAX_AHEAD_MS: i64 = 9 * MINUTE_MS;

/// What is taken from batches on their way to AMP.
///
/// Keep one for as long as the [`LabelSets`] that its batches refer to.
pub struct Limiter {
    oldest: UnixMillis,
    newest: UnixMillis,
    /// By the place of the series; `None` where it wasn't met yet.
    verdicts: Vec<Option<Known>>,
}

/// What was decided for a series.
#[derive(Clone, Copy)]
enum Known {
    Kept,
    Trimmed(SeriesId, &'static str),
    Refused(&'static str),
}

/// What a batch lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Samples that are left out.
    pub dropped: Vec<Loss>,
    /// Samples that go on with less: fewer or shorter labels, or a lower resolution.
    pub trimmed: Vec<Loss>,
    /// Exemplars that are left out.
    pub exemplars: Vec<Loss>,
}

/// How many for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// One of [`reason`]'s.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

impl Limiter {
    /// For batches that are sent about `now`.
    #[must_use]
    pub fn new(now: UnixMillis) -> Self {
        Self { oldest: now.plus(-MAX_AGE_MS), newest: now.plus(MAX_AHEAD_MS), verdicts: Vec::new() }
    }

    /// The batches to come refer to other [`LabelSets`] than those so far.
    pub fn forget(&mut self) {
        self.verdicts = Vec::new();
    }

    /// Takes out of `batch` what AMP would refuse. Series whose labels are trimmed get a label set of their own in `sets`.
    pub fn apply(&mut self, batch: &mut Batch, sets: &mut LabelSets) -> Losses {
        let mut losses = Losses::default();
        count(&mut losses.exemplars, reason::EXEMPLARS_UNSUPPORTED, batch.take_exemplars() as u64);
        let newest_kept = batch.times().filter(|at| (self.oldest..=self.newest).contains(at)).max();
        batch.retain_samples(|series, at| {
            // It has the time of its resource's newest point, which must not take it along.
            if let Some(newest_kept) =
                newest_kept.filter(|_| *at > self.newest && is_target_info(*series, sets))
            {
                *at = newest_kept;
            }
            self.keeps(series, *at, sets, &mut losses)
        });
        batch.retain_histograms(|series, histogram| {
            self.keeps(series, histogram.at, sets, &mut losses)
                && match fit(histogram) {
                    Ok(is_lowered) => {
                        count(&mut losses.trimmed, reason::HISTOGRAM_RESOLUTION, is_lowered.into());
                        true
                    }
                    Err(reason) => {
                        count(&mut losses.dropped, reason, 1);
                        false
                    }
                }
        });
        losses
    }

    /// Whether a sample goes on, under which series.
    fn keeps(
        &mut self,
        series: &mut SeriesId,
        at: UnixMillis,
        sets: &mut LabelSets,
        losses: &mut Losses,
    ) -> bool {
        let refused = if at < self.oldest {
            reason::EXPIRED
        } else if at > self.newest {
            reason::IN_FUTURE
        } else {
            match self.known(*series, sets) {
                Known::Kept => return true,
                Known::Trimmed(trimmed, reason) => {
                    count(&mut losses.trimmed, reason, 1);
                    *series = trimmed;
                    return true;
                }
                Known::Refused(reason) => reason,
            }
        };
        count(&mut losses.dropped, refused, 1);
        false
    }

    fn known(&mut self, series: SeriesId, sets: &mut LabelSets) -> Known {
        let place = series.place();
        if let Some(Some(known)) = self.verdicts.get(place) {
            return *known;
        }
        let known = match sets.get(series).map(verdict) {
            None | Some(Verdict::Kept) => Known::Kept,
            Some(Verdict::Trimmed(labels, reason)) => {
                let trimmed = match sets.metadata(series).cloned() {
                    Some(metadata) => sets.id_of(labels, &metadata),
                    None => sets.id(labels),
                };
                Known::Trimmed(trimmed, reason)
            }
            Some(Verdict::Refused(reason)) => Known::Refused(reason),
        };
        if self.verdicts.len() <= place {
            self.verdicts.resize(place + 1, None);
        }
        if let Some(verdict) = self.verdicts.get_mut(place) {
            *verdict = Some(known);
        }
        known
    }
}

fn is_target_info(series: SeriesId, sets: &LabelSets) -> bool {
    sets.get(series).and_then(|labels| labels.get(NAME)) == Some(TARGET_INFO)
}

fn count(losses: &mut Vec<Loss>, reason: &'static str, n: u64) {
    match losses.iter_mut().find(|loss| loss.reason == reason) {
        Some(loss) => loss.count += n,
        None if n > 0 => losses.push(Loss { reason, count: n }),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Buckets, Exemplar, NativeHistogram};

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn series(sets: &mut LabelSets, pairs: &[(&str, &str)]) -> SeriesId {
        sets.id(pairs.iter().copied().collect())
    }

    /// What is left: metric, labels, samples and histograms.
    fn left(batch: &mut Batch, sets: &LabelSets) -> Vec<(String, usize, usize)> {
        let one = |s: crate::series::Series<'_>| {
            let labels = sets.get(s.id).unwrap();
            let name = labels.get(NAME).unwrap_or_default().to_owned();
            (name, labels.iter().count(), s.samples.len() + s.histograms.len())
        };
        batch.by_series().map(one).collect()
    }

    #[test]
    fn a_batch_that_keeps_every_limit_stays_as_it_is() {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        let up = series(&mut sets, &[(NAME, "up"), ("job", "test")]);
        for at in [-MAX_AGE_MS, 0, MAX_AHEAD_MS] {
            batch.push(up, NOW.plus(at), 1.0);
        }
        let before = batch.clone();
        assert_eq!(Limiter::new(NOW).apply(&mut batch, &mut sets), Losses::default());
        assert_eq!(batch, before);
    }

    #[test]
    fn each_loss_is_counted_under_its_reason_and_costs_no_other() {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        let up = series(&mut sets, &[(NAME, "up")]);
        let dotted = series(&mut sets, &[(NAME, "cpu.used")]);
        let reserved = series(&mut sets, &[(NAME, "reserved"), ("__replica__", "a"), ("cluster", "c")]);
        for at in [-MAX_AGE_MS - 1, 0, MAX_AHEAD_MS + 1] {
            batch.push(up, NOW.plus(at), 1.0);
        }
        batch.push(dotted, NOW, 1.0);
        batch.push(dotted, NOW.plus(1), 1.0);
        batch.push(reserved, NOW, 1.0);
        batch.push_exemplar(up, Exemplar { labels: Vec::new(), value: 1.0, at: NOW });
        let custom = NativeHistogram { schema: -53, at: NOW, ..NativeHistogram::default() };
        batch.push_histogram(reserved, custom.clone());
        batch.push_histogram(reserved, NativeHistogram { schema: 0, ..custom.clone() });
        let large = Buckets::from_counts((0i64..201).map(|index| (index, 1)));
        batch.push_histogram(reserved, NativeHistogram { schema: 1, positive: large, ..custom });

        let losses = Limiter::new(NOW).apply(&mut batch, &mut sets);
        let counted = |losses: &[Loss]| losses.iter().map(|l| (l.reason, l.count)).collect::<Vec<_>>();
        assert_eq!(
            counted(&losses.dropped),
            [("expired", 1), ("in_future", 1), ("invalid_metric_name", 2), ("histogram_schema", 1)]
        );
        assert_eq!(counted(&losses.trimmed), [("label_name", 4), ("histogram_resolution", 1)]);
        assert_eq!(counted(&losses.exemplars), [("exemplars_unsupported", 1)]);
        assert_eq!(left(&mut batch, &sets), [("up".to_owned(), 1, 1), ("reserved".to_owned(), 3, 3)]);
        assert!(batch.by_series().all(|s| s.exemplars.is_empty()));
    }

    /// A resource tells of itself at the time of its newest point.
    #[test]
    fn a_point_ahead_of_the_clock_does_not_take_target_info_along() {
        let mut sets = LabelSets::default();
        let up = series(&mut sets, &[(NAME, "up")]);
        let info = series(&mut sets, &[(NAME, TARGET_INFO), ("job", "shop")]);
        let ahead = NOW.plus(MAX_AHEAD_MS + 1);
        let applied = |times: &[UnixMillis], sets: &mut LabelSets| {
            let mut batch = Batch::default();
            times.iter().for_each(|at| batch.push(up, *at, 1.0));
            batch.push(info, ahead, 1.0);
            let losses = Limiter::new(NOW).apply(&mut batch, sets);
            let times: Vec<_> = batch.times().collect();
            (times, losses.dropped)
        };
        let lost = |count| vec![Loss { reason: reason::IN_FUTURE, count }];
        let good = [NOW, NOW.plus(5)];
        assert_eq!(
            applied(&[good[0], ahead, good[1]], &mut sets),
            (vec![good[0], good[1], good[1]], lost(1))
        );
        assert_eq!(applied(&[ahead], &mut sets), (vec![], lost(2)), "there is nothing to tell of");
    }

    #[test]
    fn a_series_is_judged_alike_from_batch_to_batch() {
        let mut sets = LabelSets::default();
        let mut limiter = Limiter::new(NOW);
        let long = "v".repeat(3000);
        let id = series(&mut sets, &[(NAME, "up"), ("a", &long)]);
        let mut sent = Vec::new();
        for _ in 0..2 {
            let mut batch = Batch::default();
            batch.push(id, NOW, 1.0);
            let losses = limiter.apply(&mut batch, &mut sets);
            assert_eq!(losses.trimmed, [Loss { reason: reason::LABEL_VALUE_BYTES, count: 1 }]);
            sent.push(batch.by_series().next().unwrap().id);
        }
        assert_eq!(sent[0], sent[1]);
        assert_ne!(sent[0], id);
    }
}
