//! Exponential histograms as they are counted: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>.
//!
//! Bucket `i` of scale `s` holds what is above 2^(i·2^-s) and at most 2^((i+1)·2^-s). A value that lies too far from the
//! others makes all buckets coarser, two by two, until there are few enough again.

use super::{Buckets, ExponentialHistogramPoint};

/// The finest that Prometheus knows.
const MAX_SCALE: i32 = 8;
const SIGNIFICAND_BITS: u32 = 52;
const SIGNIFICAND: u64 = (1 << SIGNIFICAND_BITS) - 1;

/// A histogram that numbers are counted into.
#[derive(Clone, Debug)]
pub struct Exponential {
    max_buckets: usize,
    scale: i32,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    zeros: u64,
    positive: Side,
    negative: Side,
}

/// Consecutive buckets of one sign.
#[derive(Clone, Debug, Default)]
struct Side {
    first: i32,
    counts: Vec<u64>,
}

impl Exponential {
    /// An empty histogram of at most `max_buckets` (4 or more) for each sign. It is as fine as Prometheus knows until
    /// numbers need coarser buckets.
    #[must_use]
    pub fn new(max_buckets: usize) -> Self {
        Self {
            max_buckets: max_buckets.max(4),
            scale: MAX_SCALE,
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            zeros: 0,
            positive: Side::default(),
            negative: Side::default(),
        }
    }

    /// How many numbers were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Counts `number` so many times. What is not finite has no bucket, and is not counted.
    pub fn record(&mut self, number: f64, times: u64) {
        if !number.is_finite() || times == 0 {
            return;
        }
        self.count = self.count.saturating_add(times);
        self.sum += number * times as f64;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        if number == 0.0 {
            self.zeros = self.zeros.saturating_add(times);
            return;
        }
        let index = index(number.abs(), self.scale);
        let max_buckets = self.max_buckets;
        let merged_bits = self.side(number).bits_too_many(index, max_buckets);
        if merged_bits > 0 {
            self.scale -= merged_bits;
            self.positive.coarsen(merged_bits);
            self.negative.coarsen(merged_bits);
        }
        self.side(number).add(index >> merged_bits, times);
    }

    const fn side(&mut self, number: f64) -> &mut Side {
        if number > 0.0 { &mut self.positive } else { &mut self.negative }
    }

    /// The number that the share `q` (0 to 1) of all numbers doesn't exceed, as near as the buckets tell: off by less than
    /// half a bucket. NaN if nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let wanted = (q * self.count as f64).max(1.0);
        let mut seen = 0.0;
        for (number, count) in self.ascending() {
            seen += count as f64;
            if seen >= wanted {
                return number.clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// The middle of each bucket with its count, from the lowest up.
    fn ascending(&self) -> impl Iterator<Item = (f64, u64)> {
        let middle = |index: i32| ((f64::from(index) + 0.5) * (-f64::from(self.scale)).exp2()).exp2();
        let negative = self.negative.iter().rev().map(move |(index, count)| (-middle(index), count));
        let positive = self.positive.iter().map(move |(index, count)| (middle(index), count));
        negative.chain([(0.0, self.zeros)]).chain(positive).filter(|(_, count)| *count > 0)
    }

    /// The counts as a point of OTLP, without attributes and times.
    #[must_use]
    pub fn point(&self) -> ExponentialHistogramPoint {
        ExponentialHistogramPoint {
            count: self.count,
            sum: Some(self.sum),
            scale: self.scale,
            zero_count: self.zeros,
            positive: self.positive.buckets(),
            negative: self.negative.buckets(),
            ..ExponentialHistogramPoint::default()
        }
    }
}

impl Side {
    fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> + ExactSizeIterator {
        let first = self.first;
        self.counts.iter().enumerate().map(move |(place, count)| (first.saturating_add(whole(place)), *count))
    }

    fn last(&self) -> i32 {
        self.first + whole(self.counts.len()) - 1
    }

    /// How often neighbours have to be merged so that there is room for bucket `index`.
    fn bits_too_many(&self, index: i32, max_buckets: usize) -> i32 {
        if self.counts.is_empty() {
            return 0;
        }
        let (mut low, mut high) = (self.first.min(index), self.last().max(index));
        let mut bits = 0;
        while high - low >= whole(max_buckets) {
            (low, high) = (low >> 1, high >> 1);
            bits += 1;
        }
        bits
    }

    /// Merges 2^`bits` neighbours into one.
    fn coarsen(&mut self, bits: i32) {
        let first = self.first >> bits;
        let mut merged: Vec<u64> = Vec::new();
        for (index, count) in self.iter() {
            match merged.get_mut(place(index >> bits, first)) {
                Some(sum) => *sum = sum.saturating_add(count),
                None => merged.push(count), // the next index is the same or one more
            }
        }
        *self = Self { first, counts: merged };
    }

    /// Counts into bucket `index`, for which there must be room.
    fn add(&mut self, index: i32, times: u64) {
        if self.counts.is_empty() {
            self.first = index;
        }
        if index < self.first {
            let missing = place(self.first, index);
            self.counts.splice(..0, std::iter::repeat_n(0, missing));
            self.first = index;
        }
        let place = place(index, self.first);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(times);
        }
    }

    fn buckets(&self) -> Option<Buckets> {
        let buckets = || Buckets { offset: self.first, counts: self.counts.clone() };
        (!self.counts.is_empty()).then(buckets)
    }
}

/// Numbers of buckets are small.
fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn place(index: i32, first: i32) -> usize {
    usize::try_from(index - first).unwrap_or(0)
}

/// The bucket of a number above zero.
fn index(number: f64, scale: i32) -> i32 {
    // What is too small to be written in the normal way is moved up to be.
    let (bits, moved) = if number < f64::MIN_POSITIVE {
        ((number * (f64::from(SIGNIFICAND_BITS)).exp2()).to_bits(), 52)
    } else {
        (number.to_bits(), 0)
    };
    let exponent = i32::try_from(bits >> SIGNIFICAND_BITS).unwrap_or(0) - 1023 - moved;
    // A power of two is the upper bound of its bucket.
    let is_power = bits & SIGNIFICAND == 0;
    if scale <= 0 {
        return (exponent - i32::from(is_power)) >> -scale;
    }
    if is_power {
        return (exponent << scale) - 1;
    }
    let fraction = f64::from_bits(bits & SIGNIFICAND | 1.0f64.to_bits());
    #[expect(clippy::cast_possible_truncation, reason = "below 2^8: the logarithm is below 1")]
    let within = (fraction.log2() * f64::from(scale).exp2()) as i32;
    (exponent << scale) + within.min((1 << scale) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(numbers: &[f64]) -> Exponential {
        let mut histogram = Exponential::new(160);
        numbers.iter().for_each(|number| histogram.record(*number, 1));
        histogram
    }

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket() {
        for (number, scale, want) in [
            (1.0, 0, -1),
            (1.5, 0, 0),
            (2.0, 0, 0),
            (2.1, 0, 1),
            (0.5, 0, -2),
            (4.0, 1, 3),
            (4.1, 1, 4),
            (1.0, 8, -1),
            (1.999_999_999_999_999_8, 8, 255),
            (2.0, 8, 255),
            (16.0, -1, 1),
            (17.0, -1, 2),
            (16.0, -2, 0),
            (f64::MAX, 8, 262_143),
            (f64::MAX, -10, 0),
            (f64::MIN_POSITIVE, 0, -1023),
            (5e-324, 0, -1075),
            (1e-323, 0, -1074),
            (5e-324, -10, -2),
        ] {
            assert_eq!(index(number, scale), want, "{number} {scale}");
        }
    }

    #[test]
    fn numbers_are_counted_where_they_belong() {
        let point = counted(&[1.0, 1.0, 0.0, -3.0, 1.0]).point();
        assert_eq!((point.count, point.sum, point.zero_count, point.scale), (5, Some(0.0), 1, 8));
        assert_eq!(point.positive, Some(Buckets { offset: -1, counts: vec![3] }));
        assert_eq!(point.negative.map(|b| b.counts), Some(vec![1]));
        let nothing = counted(&[f64::NAN, f64::INFINITY]).point();
        assert_eq!((nothing.count, nothing.positive), (0, None));
    }

    #[test]
    fn a_number_far_away_makes_all_buckets_coarser_until_they_fit() {
        let histogram = counted(&[1.0, 1.01, -1.01, 1e6]);
        let point = histogram.point();
        let buckets = point.positive.as_ref().unwrap();
        assert!(point.scale < 8 && buckets.counts.len() <= 160, "{point:?}");
        assert!(buckets.counts.len() > 80, "no coarser than need be");
        assert_eq!(buckets.counts.iter().sum::<u64>(), 3);
        assert_eq!(counted(&[5e-324, f64::MAX, -5e-324, -1.0]).point().scale, -4, "Prometheus takes −4");
        assert_eq!(counted(&[f64::MAX, 5e-324]).point().positive.unwrap().counts.len(), 132);
    }

    #[test]
    fn quantiles_are_near() {
        let numbers: Vec<f64> = (1..=1000).map(f64::from).collect();
        let histogram = counted(&numbers);
        for (q, want) in [(0.0, 1.0), (0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = histogram.quantile(q);
            assert!((got / want - 1.0).abs() < 0.03, "{q}: {got} for {want}");
        }
        assert!(counted(&[]).quantile(0.5).is_nan());
        let signs = counted(&[-10.0, -10.0, 0.0, 5.0]);
        assert_eq!((signs.quantile(0.5), signs.quantile(0.75), signs.quantile(1.0)), (-10.0, 0.0, 5.0));
        assert_eq!(counted(&[7.0]).quantile(0.5), 7.0, "within what was seen");
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("finite", |number| number.is_finite()),
            -1000.0..1000.0f64,
            Just(0.0)
        ]
    }

    /// At this scale three buckets hold every number of one sign.
    const MIN_SCALE: i32 = -10;

    proptest! {
        #[test]
        fn a_bucket_holds_what_lies_between_its_bounds(number in 1e-300..1e300f64, scale in -4..=8i32) {
            let index = f64::from(index(number, scale));
            let width = (-f64::from(scale)).exp2();
            let log = number.log2();
            prop_assert!(log >= index * width - 1e-9 && log <= (index + 1.0) * width + 1e-9);
        }

        #[test]
        fn every_number_is_counted_once_in_few_buckets(numbers in prop::collection::vec((any_number(), 1u64..5), 0..60), size in 4usize..200) {
            let mut histogram = Exponential::new(size);
            numbers.iter().for_each(|(number, times)| histogram.record(*number, *times));
            let point = histogram.point();
            let total: u64 = numbers.iter().map(|(_, times)| times).sum();
            let sides = [point.positive.unwrap_or_default(), point.negative.unwrap_or_default()];
            let in_buckets: u64 = sides.iter().flat_map(|side| &side.counts).sum();
            prop_assert_eq!((point.count, point.zero_count + in_buckets), (total, total));
            prop_assert!(sides.iter().all(|side| side.counts.len() <= size));
            prop_assert!((MIN_SCALE..=MAX_SCALE).contains(&point.scale));
        }

        #[test]
        fn the_order_does_not_matter(numbers in prop::collection::vec(any_number(), 0..40)) {
            let mut backwards = numbers.clone();
            backwards.reverse();
            let (one, other) = (counted(&numbers).point(), counted(&backwards).point());
            prop_assert_eq!((one.scale, one.positive, one.negative), (other.scale, other.positive, other.negative));
        }

        #[test]
        fn quantiles_ascend(numbers in prop::collection::vec(any_number(), 1..40)) {
            let histogram = counted(&numbers);
            let quantiles = [0.0, 0.1, 0.5, 0.9, 1.0].map(|q| histogram.quantile(q));
            prop_assert!(quantiles.is_sorted(), "{:?}", quantiles);
            prop_assert!(quantiles.iter().all(|q| numbers.iter().any(|n| n <= q) && numbers.iter().any(|n| n >= q)));
        }
    }
}
