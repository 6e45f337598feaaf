//! Timers, histograms and distributions: many numbers, kept as counts.

use std::sync::Arc;

use super::{aggregator::within, point::Point};
use crate::otlp::{Exponential, ExponentialHistogramPoint, HistogramPoint, KeyValue, Quantile, SummaryPoint};

/// Buckets of a native histogram for each sign. AMP takes 200 of both signs together.
const MAX_BUCKETS: usize = 160;

/// The quantiles of a summary: the collector's, and the one that people look at.
const QUANTILES: [f64; 7] = [0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0];

/// What timers, histograms and distributions become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timers {
    /// Histograms with the bounds of the settings.
    Histogram,
    /// Exponential histograms: Prometheus' native ones.
    Native,
    /// Quantiles over the time between two flushes; count and sum are of all time.
    Summary,
}

/// Upper bounds of buckets: finite, ascending, 1 to 64 of them, in the unit of the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds(Arc<[f64]>);

impl Bounds {
    /// No more.
    pub const MAX: usize = 64;

    /// The bounds, if they are such.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Option<Self> {
        let few = (1..=Self::MAX).contains(&bounds.len());
        let good = bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|a, b| a < b);
        (few && good).then(|| Self(bounds.into()))
    }
}

impl Default for Bounds {
    /// What OpenTelemetry's SDKs have, which was made for milliseconds.
    fn default() -> Self {
        Self(Arc::new([
            5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10_000.0,
        ]))
    }
}

/// The numbers of one series.
#[derive(Debug)]
pub(super) struct Distribution {
    shape: Shape,
    count: u64,
    sum: f64,
    /// What of the weights was not counted yet, because it was no whole event.
    rest: f64,
}

#[derive(Debug)]
enum Shape {
    Histogram(Box<[u64]>),
    Native(Box<Exponential>),
    /// Of the time since the last flush.
    Summary(Box<Exponential>),
}

impl Distribution {
    pub(super) fn new(timers: Timers, bounds: &Bounds) -> Self {
        let shape = match timers {
            Timers::Histogram => Shape::Histogram(vec![0; bounds.0.len() + 1].into_boxed_slice()),
            Timers::Native => Shape::Native(Box::new(Exponential::new(MAX_BUCKETS))),
            Timers::Summary => Shape::Summary(Box::new(Exponential::new(MAX_BUCKETS))),
        };
        Self { shape, count: 0, sum: 0.0, rest: 0.0 }
    }

    /// Counts a number that stands for `weight` events. Events are whole: what is left of one is added to the next number's,
    /// so that nothing is lost on the whole.
    pub(super) fn record(&mut self, number: f64, weight: f64, bounds: &Bounds) {
        let due = self.rest + weight;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 2^53, see Line")]
        let times = due as u64;
        self.rest = due - times as f64;
        self.sum = within(self.sum + number * times as f64);
        self.count = self.count.saturating_add(times);
        match &mut self.shape {
            Shape::Histogram(counts) => {
                let place = bounds.0.partition_point(|bound| *bound < number);
                if let Some(count) = counts.get_mut(place) {
                    *count = count.saturating_add(times);
                }
            }
            Shape::Native(histogram) | Shape::Summary(histogram) => histogram.record(number, times),
        }
    }

    /// The point of a flush, which begins a new summary.
    pub(super) fn flush(&mut self, bounds: &Bounds, attributes: Vec<KeyValue>) -> Point {
        match &mut self.shape {
            Shape::Histogram(counts) => Point::Histogram(HistogramPoint {
                count: self.count,
                sum: Some(self.sum),
                bucket_counts: counts.to_vec(),
                explicit_bounds: bounds.0.to_vec(),
                attributes,
                ..HistogramPoint::default()
            }),
            Shape::Native(histogram) => {
                let sum = Some(self.sum);
                Point::Native(ExponentialHistogramPoint { attributes, sum, ..histogram.point() })
            }
            Shape::Summary(window) => {
                let at = |quantile| Quantile { quantile, value: window.quantile(quantile) };
                let quantiles = QUANTILES.map(at).to_vec();
                **window = Exponential::new(MAX_BUCKETS);
                let (count, sum) = (self.count, self.sum);
                Point::Summary(SummaryPoint { count, sum, quantiles, attributes, ..SummaryPoint::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flushed(timers: Timers, numbers: &[(f64, f64)]) -> Point {
        let bounds = Bounds::new(&[1.0, 10.0]).unwrap();
        let mut all = Distribution::new(timers, &bounds);
        for (number, weight) in numbers {
            all.record(*number, *weight, &bounds);
        }
        all.flush(&bounds, Vec::new())
    }

    #[test]
    fn a_bound_is_within_its_bucket() {
        let Point::Histogram(point) =
            flushed(Timers::Histogram, &[(0.5, 1.0), (1.0, 1.0), (1.1, 1.0), (10.5, 2.0)])
        else {
            unreachable!()
        };
        assert_eq!((point.bucket_counts, point.count, point.sum), (vec![2, 1, 2], 5, Some(23.6)));
        assert_eq!(point.explicit_bounds, [1.0, 10.0]);
    }

    #[test]
    fn broken_weights_add_up_to_whole_events() {
        let third = 1.0 / 0.3;
        let Point::Native(point) = flushed(Timers::Native, &[(2.0, third); 3]) else { unreachable!() };
        assert_eq!((point.count, point.sum), (10, Some(20.0)), "3 and 3 and 4");
        assert_eq!(point.positive.unwrap().counts, [10]);
    }

    #[test]
    fn a_summary_is_of_one_interval_and_its_count_of_all() {
        let bounds = Bounds::default();
        let mut all = Distribution::new(Timers::Summary, &bounds);
        all.record(8.0, 1.0, &bounds);
        let quantiles = |point| {
            let Point::Summary(point) = point else { unreachable!() };
            (point.count, point.sum, point.quantiles.iter().map(|q| q.value).collect::<Vec<_>>())
        };
        assert_eq!(quantiles(all.flush(&bounds, vec![])), (1, 8.0, vec![8.0; 7]));
        let (count, sum, values) = quantiles(all.flush(&bounds, vec![]));
        assert!((count, sum) == (1, 8.0) && values.iter().all(|value| value.is_nan()), "nothing came");
        all.record(2.0, 1.0, &bounds);
        assert_eq!(quantiles(all.flush(&bounds, vec![])), (2, 10.0, vec![2.0; 7]));
    }

    #[test]
    fn bounds_ascend_and_are_few() {
        assert!(Bounds::new(&[-1.0, 0.0, 2.5]).is_some());
        for bad in [&[][..], &[1.0, 1.0], &[2.0, 1.0], &[f64::INFINITY], &[f64::NAN], &[0.0; 65]] {
            assert_eq!(Bounds::new(bad), None, "{bad:?}");
        }
    }
}
