//! Metrics and their points to series, kind by kind.

use super::{
    Options, Translation,
    common::{CommonLabels, PointLabels},
    exemplars::{exemplar, exemplars},
    exponential::native_histogram,
    names::{Kind, metric_name},
    reason,
};
use crate::{
    otlp::{
        ExponentialHistogramPoint, HistogramPoint, KeyValue, Metric, MetricData, NO_RECORDED_VALUE,
        NumberPoint, NumberValue, SummaryPoint, Temporality,
    },
    series::{STALE, Sample, Series},
    units::UnixMillis,
};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Whole milliseconds of a point's time.
pub(super) fn at(time_unix_nano: u64) -> UnixMillis {
    UnixMillis(i64::try_from(time_unix_nano / NANOS_PER_MILLI).unwrap_or(i64::MAX))
}

/// The latest time of a metric's points; 0 where none has a time.
pub(super) fn newest_ns(metric: &Metric) -> u64 {
    let newest = match &metric.data {
        Some(MetricData::Gauge(gauge)) => gauge.points.iter().map(|p| p.time_unix_nano).max(),
        Some(MetricData::Sum(sum)) => sum.points.iter().map(|p| p.time_unix_nano).max(),
        Some(MetricData::Histogram(h)) => h.points.iter().map(|p| p.time_unix_nano).max(),
        Some(MetricData::ExponentialHistogram(h)) => h.points.iter().map(|p| p.time_unix_nano).max(),
        Some(MetricData::Summary(summary)) => summary.points.iter().map(|p| p.time_unix_nano).max(),
        None => None,
    };
    newest.unwrap_or(0)
}

/// Translates a metric, or counts its points under the reason why not.
pub(super) fn translate(
    metric: &Metric,
    common: &CommonLabels<'_>,
    options: &Options,
    out: &mut Translation,
) {
    let Some(data) = &metric.data else { return };
    if let Some(reason) = refused(data) {
        return out.count_drop(reason, count(data));
    }
    let Some(name) = metric_name(&metric.name, &metric.unit, kind(data), options.suffixes) else {
        return out.count_drop(reason::METRIC_NAME, count(data));
    };
    let mut target = Target { common, name, out };
    match data {
        MetricData::Gauge(gauge) => target.numbers(&gauge.points, false),
        MetricData::Sum(sum) => target.numbers(&sum.points, sum.monotonic),
        MetricData::Histogram(histogram) => target.histograms(&histogram.points),
        MetricData::ExponentialHistogram(histogram) => target.exponential_histograms(&histogram.points),
        MetricData::Summary(summary) => target.summaries(&summary.points),
    }
}

/// Sums and histograms have to count from the start.
fn refused(data: &MetricData) -> Option<&'static str> {
    let temporality = match data {
        MetricData::Sum(sum) => sum.temporality,
        MetricData::Histogram(histogram) => histogram.temporality,
        MetricData::ExponentialHistogram(histogram) => histogram.temporality,
        MetricData::Gauge(_) | MetricData::Summary(_) => return None,
    };
    match Temporality::try_from(temporality) {
        Ok(Temporality::Cumulative) => None,
        Ok(Temporality::Delta) => Some(reason::DELTA_TEMPORALITY),
        Ok(Temporality::Unspecified) | Err(_) => Some(reason::UNSPECIFIED_TEMPORALITY),
    }
}

fn count(data: &MetricData) -> u64 {
    let points = match data {
        MetricData::Gauge(gauge) => gauge.points.len(),
        MetricData::Sum(sum) => sum.points.len(),
        MetricData::Histogram(histogram) => histogram.points.len(),
        MetricData::ExponentialHistogram(histogram) => histogram.points.len(),
        MetricData::Summary(summary) => summary.points.len(),
    };
    points as u64
}

fn kind(data: &MetricData) -> Kind {
    match data {
        MetricData::Gauge(_) => Kind::Gauge,
        MetricData::Sum(sum) if sum.monotonic => Kind::Counter,
        _ => Kind::Other,
    }
}

/// Where the points of one metric go.
struct Target<'a, 'b> {
    common: &'a CommonLabels<'a>,
    name: String,
    out: &'b mut Translation,
}

impl<'a> Target<'a, '_> {
    /// The point's labels; a point whose labels can't be made is counted.
    fn labels(&mut self, attributes: &'a [KeyValue]) -> Option<PointLabels<'a>> {
        let labels = self.common.of_point(attributes);
        if labels.is_none() {
            self.out.count_drop(reason::LABEL_NAME, 1);
        }
        labels
    }

    fn numbers(&mut self, points: &'a [NumberPoint], with_exemplars: bool) {
        for point in points {
            let Some(labels) = self.labels(&point.attributes) else { continue };
            let value = match point.value {
                Some(NumberValue::Double(real)) => real,
                Some(NumberValue::Int(whole)) => whole as f64,
                None => 0.0,
            };
            let given = if with_exemplars { &point.exemplars[..] } else { &[] };
            self.out.series.push(Series {
                exemplars: exemplars(given),
                ..Recorded::new(point.time_unix_nano, point.flags).series(&labels, &self.name, None, value)
            });
        }
    }

    fn histograms(&mut self, points: &'a [HistogramPoint]) {
        let [sum, count, bucket] = ["sum", "count", "bucket"].map(|part| format!("{}_{part}", self.name));
        let mut bounds = BoundTexts::default();
        for point in points {
            let Some(labels) = self.labels(&point.attributes) else { continue };
            let recorded = Recorded::new(point.time_unix_nano, point.flags);
            if let Some(value) = point.sum {
                self.out.series.push(recorded.series(&labels, &sum, None, value));
            }
            self.out.series.push(recorded.series(&labels, &count, None, point.count as f64));
            let buckets = cumulative(point).zip(bounds.of(&point.explicit_bounds));
            for (index, (below, le)) in buckets.enumerate() {
                self.out.series.push(Series {
                    exemplars: exemplars_of_bucket(point, index),
                    ..recorded.series(&labels, &bucket, Some(("le", le)), below as f64)
                });
            }
            self.out.series.push(Series {
                exemplars: exemplars_of_bucket(point, buckets_len(point)),
                ..recorded.series(&labels, &bucket, Some(("le", "+Inf")), point.count as f64)
            });
        }
    }

    fn summaries(&mut self, points: &'a [SummaryPoint]) {
        let [sum, count] = ["sum", "count"].map(|part| format!("{}_{part}", self.name));
        for point in points {
            let Some(labels) = self.labels(&point.attributes) else { continue };
            let recorded = Recorded::new(point.time_unix_nano, point.flags);
            self.out.series.push(recorded.series(&labels, &sum, None, point.sum));
            self.out.series.push(recorded.series(&labels, &count, None, point.count as f64));
            for quantile in &point.quantiles {
                let extra = ("quantile", &*number_text(quantile.quantile));
                self.out.series.push(recorded.series(&labels, &self.name, Some(extra), quantile.value));
            }
        }
    }

    fn exponential_histograms(&mut self, points: &'a [ExponentialHistogramPoint]) {
        for point in points {
            let Some(labels) = self.labels(&point.attributes) else { continue };
            let Some(histogram) = native_histogram(point) else {
                self.out.count_drop(reason::EXPONENTIAL_SCALE, 1);
                continue;
            };
            self.out.series.push(Series {
                labels: labels.of_series(&self.name, None),
                samples: Vec::new(),
                exemplars: exemplars(&point.exemplars),
                histograms: vec![histogram],
            });
        }
    }
}

/// When a point was recorded, and whether it was: one without recorded value makes stale markers.
#[derive(Clone, Copy)]
struct Recorded {
    at: UnixMillis,
    is_stale: bool,
}

impl Recorded {
    fn new(time_unix_nano: u64, flags: u32) -> Self {
        Self { at: at(time_unix_nano), is_stale: is_stale(flags) }
    }

    fn series(self, labels: &PointLabels<'_>, name: &str, extra: Option<(&str, &str)>, value: f64) -> Series {
        let value = if self.is_stale { STALE } else { value };
        let samples = vec![Sample { at: self.at, value }];
        Series { labels: labels.of_series(name, extra), samples, ..Series::default() }
    }
}

pub(super) fn is_stale(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE != 0
}

/// The text of each bound, kept from point to point: as a rule all points of a metric have the same bounds.
#[derive(Default)]
struct BoundTexts<'a> {
    bounds: &'a [f64],
    texts: Vec<String>,
}

impl<'a> BoundTexts<'a> {
    fn of(&mut self, bounds: &'a [f64]) -> impl Iterator<Item = &str> {
        if self.bounds != bounds {
            self.bounds = bounds;
            self.texts = bounds.iter().copied().map(number_text).collect();
        }
        self.texts.iter().map(String::as_str)
    }
}

/// Buckets with a bound and a count.
fn buckets_len(point: &HistogramPoint) -> usize {
    point.explicit_bounds.len().min(point.bucket_counts.len())
}

/// How many were counted up to and in each bucket.
fn cumulative(point: &HistogramPoint) -> impl Iterator<Item = u64> {
    point.bucket_counts.iter().scan(0u64, |below, count| {
        *below = below.saturating_add(*count);
        Some(*below)
    })
}

/// The exemplars of the bucket `index`, which is the first whose bound is not below them, else the last.
fn exemplars_of_bucket(point: &HistogramPoint, index: usize) -> Vec<crate::series::Exemplar> {
    let bounds = point.explicit_bounds.iter().take(buckets_len(point));
    let bucket_of =
        |value: f64| bounds.clone().position(|bound| *bound >= value).unwrap_or(buckets_len(point));
    point.exemplars.iter().map(exemplar).filter(|e| bucket_of(e.value) == index).collect()
}

/// A bound or quantile as the value of a label: the shortest decimal that reads back the same.
fn number_text(number: f64) -> String {
    if number.is_infinite() {
        if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{gauge, metric, point, request, shown},
        *,
    };
    use crate::otlp::{
        Exemplar, ExemplarValue, ExponentialHistogram, Gauge, Histogram, Quantile, Sum, Summary,
    };

    const AT_NS: u64 = 5_999_999;

    fn lines(metric: Metric) -> Vec<String> {
        shown(&request(&[], None, vec![metric]))
    }

    fn exemplars(values: &[f64]) -> Vec<Exemplar> {
        let one =
            |value: &f64| Exemplar { value: Some(ExemplarValue::Double(*value)), ..Exemplar::default() };
        values.iter().map(one).collect()
    }

    fn sum(temporality: i32, monotonic: bool) -> Metric {
        let mut point = point(&[]);
        point.exemplars = exemplars(&[7.0]);
        metric("s", MetricData::Sum(Sum { points: vec![point], temporality, monotonic }))
    }

    fn histogram(bounds: &[f64], counts: &[u64], count: u64, flags: u32) -> Metric {
        let point = HistogramPoint {
            time_unix_nano: AT_NS,
            count,
            sum: (count > 0).then_some(2.5),
            bucket_counts: counts.to_vec(),
            explicit_bounds: bounds.to_vec(),
            exemplars: exemplars(&[0.5, 1.0, 1.5, 99.0]),
            flags,
            ..HistogramPoint::default()
        };
        metric("h", MetricData::Histogram(Histogram { points: vec![point], temporality: 2 }))
    }

    #[test]
    fn a_number_is_taken_as_it_is() {
        for (value, want) in [
            (Some(NumberValue::Int(-3)), "-3"),
            (Some(NumberValue::Double(0.25)), "0.25"),
            (Some(NumberValue::Double(f64::NAN)), "NaN"),
            (None, "0"),
        ] {
            assert_eq!(lines(gauge(vec![NumberPoint { value, ..point(&[]) }])), [format!("g{{}} {want}@5")]);
        }
        let stale = NumberPoint { flags: 3, ..point(&[]) };
        assert_eq!(lines(gauge(vec![stale])), ["g{} stale@5"], "whatever its value");
    }

    #[test]
    fn sums_and_histograms_count_from_the_start_or_not_at_all() {
        for (temporality, monotonic, want) in [
            (2, true, "s_total{} 1@5 # 7"),
            (2, false, "s{} 1@5"),
            (1, true, "delta_temporality: 1"),
            (0, true, "unspecified_temporality: 1"),
            (9, false, "unspecified_temporality: 1"),
        ] {
            assert_eq!(lines(sum(temporality, monotonic)), [want]);
        }
        for (temporality, reason) in [(1, "delta_temporality: 2"), (0, "unspecified_temporality: 2")] {
            let points = vec![HistogramPoint::default(); 2];
            assert_eq!(
                lines(metric("h", MetricData::Histogram(Histogram { points, temporality }))),
                [reason]
            );
            let points = vec![ExponentialHistogramPoint::default(); 2];
            let data = MetricData::ExponentialHistogram(ExponentialHistogram { points, temporality });
            assert_eq!(lines(metric("h", data)), [reason]);
        }
    }

    #[test]
    fn a_histogram_becomes_its_sum_count_and_buckets() {
        assert_eq!(
            lines(histogram(&[1.0, 2_500_000.0], &[2, 1, 4], 7, 0)),
            [
                "h_sum{} 2.5@5",
                "h_count{} 7@5",
                "h_bucket{le=1} 2@5 # 0.5 # 1",
                "h_bucket{le=2500000} 3@5 # 1.5 # 99",
                "h_bucket{le=+Inf} 7@5",
            ]
        );
        assert_eq!(
            lines(histogram(&[], &[], 0, 0)),
            ["h_count{} 0@5", "h_bucket{le=+Inf} 0@5 # 0.5 # 1 # 1.5 # 99"],
            "no sum, no bounds"
        );
        assert_eq!(
            lines(histogram(&[1.0, 2.0, 3.0], &[4], 9, 0))[2..],
            ["h_bucket{le=1} 4@5 # 0.5 # 1", "h_bucket{le=+Inf} 9@5 # 1.5 # 99"],
            "fewer counts than bounds"
        );
        assert_eq!(
            lines(histogram(&[f64::INFINITY], &[4], 4, 0))[2..],
            ["h_bucket{le=+Inf} 4@5 4@5 # 0.5 # 1 # 1.5 # 99"],
            "a bound of infinity of its own"
        );
        assert_eq!(
            lines(histogram(&[1.0], &[2, 1], 3, NO_RECORDED_VALUE)),
            [
                "h_sum{} stale@5",
                "h_count{} stale@5",
                "h_bucket{le=1} stale@5 # 0.5 # 1",
                "h_bucket{le=+Inf} stale@5 # 1.5 # 99"
            ]
        );
        assert_eq!(
            lines(histogram(&[1.0, 2.0], &[u64::MAX, 1], 1, 0))[3],
            format!("h_bucket{{le=2}} {}@5 # 1.5", u64::MAX as f64)
        );
    }

    #[test]
    fn a_summary_becomes_its_sum_count_and_quantiles() {
        let summary = |flags| {
            let quantiles =
                vec![Quantile { quantile: 0.5, value: 1.5 }, Quantile { quantile: 1.0, value: 9.0 }];
            let point = SummaryPoint {
                time_unix_nano: AT_NS,
                count: 4,
                sum: 7.5,
                quantiles,
                flags,
                ..SummaryPoint::default()
            };
            metric("s", MetricData::Summary(Summary { points: vec![point] }))
        };
        let want = |values: [&str; 4]| {
            let heads = ["s_sum{}", "s_count{}", "s{quantile=0.5}", "s{quantile=1}"];
            heads.into_iter().zip(values).map(|(head, value)| format!("{head} {value}@5")).collect::<Vec<_>>()
        };
        assert_eq!(lines(summary(0)), want(["7.5", "4", "1.5", "9"]));
        assert_eq!(lines(summary(NO_RECORDED_VALUE)), want(["stale"; 4]));
    }

    #[test]
    fn what_has_no_name_or_is_too_coarse_is_counted() {
        let points = vec![point(&[]), point(&[])];
        assert_eq!(lines(metric("...", MetricData::Gauge(Gauge { points }))), ["metric_name: 2"]);
        let coarse = ExponentialHistogramPoint { scale: -5, ..ExponentialHistogramPoint::default() };
        let data = ExponentialHistogram { points: vec![coarse], temporality: 2 };
        assert_eq!(lines(metric("e", MetricData::ExponentialHistogram(data))), ["exponential_scale: 1"]);
        assert_eq!(lines(metric("...", MetricData::Gauge(Gauge { points: vec![] }))), [""; 0]);
        assert_eq!(lines(Metric { name: "n".to_owned(), ..Metric::default() }), [""; 0]);
    }

    #[test]
    fn a_bound_is_written_in_the_shortest_way() {
        for (number, want) in [
            (1.0, "1"),
            (0.005, "0.005"),
            (2_500_000.0, "2500000"),
            (1e-7, "0.0000001"),
            (1e22, "10000000000000000000000"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number_text(number), want);
        }
    }

    #[test]
    fn times_are_cut_to_milliseconds() {
        for (nanos, want) in [(0, 0), (999_999, 0), (1_999_999, 1), (u64::MAX, 18_446_744_073_709)] {
            assert_eq!(at(nanos), UnixMillis(want));
        }
    }
}
