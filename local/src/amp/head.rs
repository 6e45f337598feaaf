//! Order, lateness and repeats: which samples of a series are taken.
//!
//! With `T` the series' newest stored time and `M` the newest of all series:
//!
//! | time `t` | taken if |
//! |---|---|
//! | any | not older than an hour, not more than ten minutes ahead |
//! | `t > T` | yes |
//! | `t = T`, or a time stored lately | the value is the same, bit by bit: a repeat, nothing is stored |
//! | `t < T` | `t ≥ M − 60 s`, AMP's out-of-order window |

use std::collections::{HashMap, VecDeque};

use siphon_core::{series::STALE, units::UnixMillis};

use super::Labels;
use crate::{memory::Memory, receivers::Series};

const MAX_AGE_MS: i64 = 60 * 60 * 1000;
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;
const OUT_OF_ORDER_WINDOW_MS: i64 = 60 * 1000;

/// AMP's limits for native histograms: resolution, and buckets and bytes of one sample.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
const MAX_BUCKETS: usize = 200;
const MAX_HISTOGRAM_BYTES: usize = 2_048;

/// Why a sample is refused. Shown in AMP's words; [`Reason::name`] as its `DiscardedSamples` metric counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Reason {
    #[error("missing metric name")]
    MissingMetricName,
    #[error("invalid metric name")]
    InvalidMetricName,
    #[error("invalid label name")]
    InvalidLabelName,
    #[error("reserved label name")]
    ReservedLabelName,
    #[error("empty label value")]
    EmptyLabelValue,
    #[error("duplicate label name")]
    DuplicateLabelName,
    #[error("labels not sorted")]
    LabelsNotSorted,
    #[error("label name too long")]
    LabelNameTooLong,
    #[error("label value too long")]
    LabelValueTooLong,
    #[error("too many labels")]
    TooManyLabels,
    #[error("labels size bytes exceeded")]
    LabelsTooLong,
    #[error("series without a sample")]
    NoSample,
    #[error("native histogram schema out of range")]
    HistogramSchema,
    #[error("native histogram with too many buckets")]
    HistogramBuckets,
    #[error("native histogram too large")]
    HistogramTooLarge,
    #[error("samples of a series not in order of time")]
    OutOfOrderInRequest,
    #[error("duplicate sample for timestamp")]
    NewValueForTimestamp,
    #[error("out of order sample, too old for the out-of-order window")]
    TooOld,
    #[error("timestamp too old")]
    OverAge,
    #[error("timestamp too new")]
    TooNew,
}

impl Reason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MissingMetricName => "missing_metric_name",
            Self::InvalidMetricName => "metric_name_invalid",
            Self::InvalidLabelName | Self::ReservedLabelName | Self::EmptyLabelValue => "label_invalid",
            Self::DuplicateLabelName => "duplicate_label_names",
            Self::LabelsNotSorted => "labels_not_sorted",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::TooManyLabels => "max_label_names_per_series",
            Self::LabelsTooLong => "labels_size_bytes_exceeded",
            Self::NoSample => "no_sample",
            Self::HistogramSchema => "native_histogram_invalid_schema",
            Self::HistogramBuckets => "native_histogram_buckets_exceeded",
            Self::HistogramTooLarge => "native_histogram_sample_size_bytes_exceeded",
            Self::OutOfOrderInRequest => "sample_out_of_order",
            Self::NewValueForTimestamp => "new_value_for_timestamp",
            Self::TooOld => "sample_too_old",
            Self::OverAge => "greater_than_max_sample_age",
            Self::TooNew => "too_far_in_future",
        }
    }
}

/// A float or a native histogram at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
    /// The float's bits, or a hash of the histogram.
    bits: u64,
    /// Of a histogram.
    size: Option<HistogramSize>,
}

/// What a histogram takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HistogramSize {
    pub(super) schema: i32,
    pub(super) buckets: usize,
    pub(super) bytes: usize,
}

impl HistogramSize {
    fn check(self) -> Result<(), Reason> {
        if !SCHEMAS.contains(&self.schema) {
            Err(Reason::HistogramSchema)
        } else if self.buckets > MAX_BUCKETS {
            Err(Reason::HistogramBuckets)
        } else if self.bytes > MAX_HISTOGRAM_BYTES {
            Err(Reason::HistogramTooLarge)
        } else {
            Ok(())
        }
    }
}

impl Point {
    pub(crate) fn float(at: i64, value: f64) -> Self {
        Self { at, bits: value.to_bits(), size: None }
    }

    pub(super) fn histogram(at: i64, hash: u64, size: HistogramSize) -> Self {
        Self { at, bits: hash, size: Some(size) }
    }

    /// It ends its series.
    pub(crate) fn is_stale(&self) -> bool {
        self.size.is_none() && self.bits == STALE.to_bits()
    }

    /// The float.
    pub(crate) fn value(&self) -> Option<f64> {
        self.size.is_none().then(|| f64::from_bits(self.bits))
    }
}

/// Every series that the receiver knows.
#[derive(Default)]
pub(super) struct Head {
    series: HashMap<Vec<(String, String)>, VecDeque<Point>>,
    newest: i64,
    memory: Memory,
}

/// What became of one series' points.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Appended {
    pub(super) stored: Vec<Point>,
    pub(super) repeated: u64,
    /// How many were refused, and why the first.
    pub(super) refused: Option<(u64, Reason)>,
}

enum Verdict {
    Stored,
    Repeated,
}

impl Head {
    pub(super) fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// What is remembered of every series.
    pub(super) fn series(&self) -> impl Iterator<Item = Series> {
        self.series.iter().map(|(labels, points)| Series {
            labels: labels.iter().cloned().collect(),
            points: points.iter().map(|point| (point.at, point.bits)).collect(),
        })
    }

    pub(super) fn append(&mut self, labels: &Labels<'_>, points: &[Point], now: UnixMillis) -> Appended {
        let history = self.series.entry(labels.key()).or_default();
        let mut appended = Appended::default();
        let mut before: Option<i64> = None;
        for point in points {
            let ordered = before.replace(point.at).is_none_or(|before| before <= point.at);
            let verdict = if ordered {
                judge(history, self.newest, point, now)
            } else {
                Err(Reason::OutOfOrderInRequest)
            };
            match verdict {
                Ok(Verdict::Repeated) => appended.repeated += 1,
                Ok(Verdict::Stored) => {
                    remember(history, *point, self.memory.points);
                    self.newest = self.newest.max(point.at);
                    appended.stored.push(*point);
                }
                Err(reason) => {
                    let (count, _) = appended.refused.get_or_insert((0, reason));
                    *count += 1;
                }
            }
        }
        appended
    }
}

fn judge(history: &VecDeque<Point>, newest: i64, point: &Point, now: UnixMillis) -> Result<Verdict, Reason> {
    let age = now.since(UnixMillis(point.at));
    point.size.map_or(Ok(()), HistogramSize::check)?;
    if age > MAX_AGE_MS {
        return Err(Reason::OverAge);
    }
    if age < -MAX_AHEAD_MS {
        return Err(Reason::TooNew);
    }
    if let Ok(at) = history.binary_search_by_key(&point.at, |stored| stored.at) {
        let same = history.get(at).is_some_and(|stored| stored.bits == point.bits);
        return if same { Ok(Verdict::Repeated) } else { Err(Reason::NewValueForTimestamp) };
    }
    let in_order = history.back().is_none_or(|last| point.at > last.at);
    if in_order || point.at >= newest - OUT_OF_ORDER_WINDOW_MS {
        Ok(Verdict::Stored)
    } else {
        Err(Reason::TooOld)
    }
}

fn remember(history: &mut VecDeque<Point>, point: Point, most: usize) {
    let at = history.partition_point(|stored| stored.at < point.at);
    history.insert(at, point);
    if history.len() > most {
        history.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::remote_write::v1::Label;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn append(head: &mut Head, name: &str, points: &[(i64, f64)]) -> Appended {
        let labels = [Label { name: "__name__".into(), value: name.into() }];
        let points: Vec<_> = points.iter().map(|(at, value)| Point::float(NOW.0 + at, *value)).collect();
        head.append(&Labels::unchecked(&labels), &points, NOW)
    }

    fn refused(head: &mut Head, name: &str, at: i64, value: f64) -> Option<Reason> {
        append(head, name, &[(at, value)]).refused.map(|(_, reason)| reason)
    }

    #[test]
    fn late_but_ordered_samples_are_taken() {
        let mut head = Head::default();
        append(&mut head, "other", &[(0, 1.0)]);
        let appended = append(&mut head, "a", &[(-600_000, 1.0), (-300_000, 2.0)]);
        assert_eq!(
            (appended.stored.len(), appended.refused),
            (2, None),
            "nothing newer of this series is stored"
        );
    }

    #[test]
    fn out_of_order_samples_are_taken_within_a_minute_of_the_newest_of_all() {
        let mut head = Head::default();
        append(&mut head, "a", &[(-50_000, 1.0)]);
        assert_eq!(refused(&mut head, "a", -59_000, 1.0), None);
        append(&mut head, "b", &[(10_000, 1.0)]); // the window moves with any series
        assert_eq!(refused(&mut head, "a", -58_000, 1.0), Some(Reason::TooOld));
        assert_eq!(refused(&mut head, "a", -49_000, 1.0), None, "in order");
    }

    #[test]
    fn the_same_time_needs_the_same_bits() {
        let mut head = Head::default();
        append(&mut head, "a", &[(-1, 1.0), (0, STALE)]);
        assert_eq!(append(&mut head, "a", &[(-1, 1.0), (0, STALE)]).repeated, 2);
        assert_eq!(refused(&mut head, "a", -1, 1.5), Some(Reason::NewValueForTimestamp));
        assert_eq!(
            refused(&mut head, "a", 0, f64::NAN),
            Some(Reason::NewValueForTimestamp),
            "an ordinary NaN"
        );
    }

    #[test]
    fn age_and_future_are_limited() {
        let mut head = Head::default();
        assert_eq!(refused(&mut head, "a", -3_600_001, 1.0), Some(Reason::OverAge));
        assert_eq!(refused(&mut head, "a", -3_600_000, 1.0), None);
        assert_eq!(refused(&mut head, "a", 600_001, 1.0), Some(Reason::TooNew));
        assert_eq!(refused(&mut head, "a", 600_000, 1.0), None);
    }

    #[test]
    fn a_request_has_its_samples_in_order() {
        let mut head = Head::default();
        let appended = append(&mut head, "a", &[(1, 1.0), (0, 1.0), (2, 1.0)]);
        assert_eq!((appended.stored.len(), appended.refused), (2, Some((1, Reason::OutOfOrderInRequest))));
    }

    #[test]
    fn histograms_keep_to_the_sizes_of_amp() {
        let mut head = Head::default();
        let labels = [Label { name: "__name__".into(), value: "h".into() }];
        let mut append = |schema, buckets, bytes| {
            let point = Point::histogram(NOW.0, 7, HistogramSize { schema, buckets, bytes });
            head.append(&Labels::unchecked(&labels), &[point], NOW).refused
        };
        assert_eq!(append(8, 200, 2_048), None);
        assert_eq!(append(9, 1, 100), Some((1, Reason::HistogramSchema)));
        assert_eq!(append(-53, 1, 100), Some((1, Reason::HistogramSchema)));
        assert_eq!(append(0, 201, 100), Some((1, Reason::HistogramBuckets)));
        assert_eq!(append(0, 200, 2_049), Some((1, Reason::HistogramTooLarge)));
    }

    #[test]
    fn a_series_has_as_many_points_as_are_remembered() {
        for (memory, remembered) in [(Memory::RUN, 600), (Memory::TEST, 700)] {
            let mut head = Head::new(memory);
            (0..700).for_each(|at| assert_eq!(refused(&mut head, "a", at, 1.0), None));
            let points = head.series().next().unwrap().points;
            assert_eq!((points.len(), *points.last_key_value().unwrap().0), (remembered, NOW.0 + 699));
        }
    }
}
