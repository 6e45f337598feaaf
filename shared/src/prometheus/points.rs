//! Points to samples, kind by kind.

use super::{
    attributes::decimal,
    exemplars::exemplar,
    exponential::native_histogram,
    known::{SeriesOf, Which},
    part::{Part, Progress},
    reason,
};
use crate::{
    otlp::{
        Exemplar, NO_RECORDED_VALUE, Quantile, Temporality,
        view::{Data, ExponentialHistogramPoint, HistogramPoint, Kind, NumberPoint, SummaryPoint},
    },
    protobuf::read::{Fields, Malformed, Repeated},
    series::{LabelSets, STALE, SeriesId, Start},
    units::UnixMillis,
};

/// What a sample takes in memory besides its labels, about.
const SAMPLE_BYTES: usize = 64;

pub(super) const NANOS_PER_MILLI: i64 = 1_000_000;

/// Whole milliseconds of a point's time. What is beyond the year 2262 counts from the other end, as it does in Go.
pub(super) const fn at(time_unix_nano: u64) -> UnixMillis {
    UnixMillis(time_unix_nano.cast_signed() / NANOS_PER_MILLI)
}

/// When counting began. None where nobody says, or says what can't be: not before the point's own time.
pub(super) fn start(start_time_unix_nano: u64, recorded: UnixMillis) -> Start {
    let start = at(start_time_unix_nano);
    if start_time_unix_nano == 0 || start >= recorded { Start::UNKNOWN } else { Start::at(start) }
}

pub(super) fn is_stale(flags: u64) -> bool {
    flags & u64::from(NO_RECORDED_VALUE) != 0
}

/// Translates a metric's points into `part`, or counts them under the reason why not.
pub(super) fn translate<'a>(
    mut data: Data<'a>,
    series: SeriesOf<'_, 'a>,
    sets: &mut LabelSets,
    part: &mut Part,
) -> Result<Progress, Malformed> {
    let (kind, counts) = (data.kind, data.monotonic);
    let mut points = Points { series, sets, refused: refused(&data), part };
    while let Some(fields) = data.next_point()? {
        if points.part.skips() {
            continue;
        }
        if points.part.bytes_left == 0 {
            return Ok(Progress::Cut);
        }
        points.part.seen += 1;
        match points.point(kind, fields, counts) {
            Ok(()) => {}
            Err(Refusal::Dropped(reason)) => points.part.out.count_drop(reason, 1),
            Err(Refusal::Malformed(malformed)) => return Err(malformed),
        }
    }
    Ok(Progress::Done)
}

/// Sums and histograms have to count from the start.
fn refused(data: &Data<'_>) -> Option<&'static str> {
    if matches!(data.kind, Kind::Gauge | Kind::Summary) {
        return None;
    }
    match Temporality::try_from(data.temporality) {
        Ok(Temporality::Cumulative) => None,
        Ok(Temporality::Delta) => Some(reason::DELTA_TEMPORALITY),
        Ok(Temporality::Unspecified) | Err(_) => Some(reason::UNSPECIFIED_TEMPORALITY),
    }
}

/// Why a point makes no samples.
pub(super) enum Refusal {
    /// It can't be translated, and counts under this reason.
    Dropped(&'static str),
    /// It can't be read, and so its request can't be.
    Malformed(Malformed),
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// The points of one metric on their way.
struct Points<'t, 'a> {
    series: SeriesOf<'t, 'a>,
    sets: &'t mut LabelSets,
    refused: Option<&'static str>,
    part: &'t mut Part,
}

impl<'a> Points<'_, 'a> {
    /// One point. `counts`: it is a counter's.
    fn point(&mut self, kind: Kind, fields: Fields<'a>, counts: bool) -> Result<(), Refusal> {
        match kind {
            Kind::Gauge | Kind::Sum => self.number(&NumberPoint::read(fields)?, counts),
            Kind::Histogram => self.histogram(&HistogramPoint::read(fields)?),
            Kind::ExponentialHistogram => self.exponential(&ExponentialHistogramPoint::read(fields)?),
            Kind::Summary => self.summary(&SummaryPoint::read(fields)?),
        }
    }

    fn number(&mut self, point: &NumberPoint<'a>, counts: bool) -> Result<(), Refusal> {
        let start = if counts { point.start_time_unix_nano } else { 0 };
        let recorded = self.meet(start, point.time_unix_nano, point.flags)?;
        let series = self.push(recorded, point.attributes, Which::Whole, point.value)?;
        if counts {
            self.exemplars(series, point.exemplars)?;
        }
        Ok(())
    }

    fn histogram(&mut self, point: &HistogramPoint<'a>) -> Result<(), Refusal> {
        let recorded = self.meet(point.start_time_unix_nano, point.time_unix_nano, point.flags)?;
        if let Some(sum) = point.sum {
            self.push(recorded, point.attributes, Which::Sum, sum)?;
        }
        self.push(recorded, point.attributes, Which::Count, point.count as f64)?;
        let mut below = 0u64;
        for (bound, count) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
            below = below.wrapping_add(*count); // no histogram counts so much; if one does, so does the exporter
            self.push(recorded, point.attributes, bucket(*bound), below as f64)?;
        }
        self.push(recorded, point.attributes, bucket(f64::INFINITY), point.count as f64)?;
        for given in point.exemplars.decode::<Exemplar>()? {
            let exemplar = exemplar(&given);
            if let Some(bucket) = bucket_of(point, exemplar.value) {
                let series = self.series(point.attributes, bucket)?;
                self.part.out.batch.push_exemplar(series, exemplar);
            }
        }
        Ok(())
    }

    fn summary(&mut self, point: &SummaryPoint<'a>) -> Result<(), Refusal> {
        let recorded = self.meet(point.start_time_unix_nano, point.time_unix_nano, point.flags)?;
        self.push(recorded, point.attributes, Which::Sum, point.sum)?;
        self.push(recorded, point.attributes, Which::Count, point.count as f64)?;
        let recorded = Recorded { start: Start::UNKNOWN, ..recorded }; // a quantile counts nothing
        for Quantile { quantile, value } in point.quantiles.decode()? {
            self.push(recorded, point.attributes, Which::Quantile(quantile.to_bits()), value)?;
        }
        Ok(())
    }

    fn exponential(&mut self, point: &ExponentialHistogramPoint<'a>) -> Result<(), Refusal> {
        self.meet(point.start_time_unix_nano, point.time_unix_nano, point.flags)?;
        let series = self.series(point.attributes, Which::Whole)?;
        self.part.out.batch.push_histogram(series, native_histogram(point)?);
        self.exemplars(series, point.exemplars)
    }

    /// Looks at the clock of every point, and lets it in where its metric is.
    fn meet(&mut self, start_ns: u64, time_ns: u64, flags: u64) -> Result<Recorded, Refusal> {
        self.part.newest_ns = self.part.newest_ns.max(time_ns);
        if let Some(reason) = self.refused {
            return Err(Refusal::Dropped(reason));
        }
        let at = at(time_ns);
        Ok(Recorded { at, start: start(start_ns, at), is_stale: is_stale(flags) })
    }

    fn push(
        &mut self,
        recorded: Recorded,
        attributes: Repeated<'a>,
        which: Which,
        value: f64,
    ) -> Result<SeriesId, Refusal> {
        let series = self.series(attributes, which)?;
        let value = if recorded.is_stale { STALE } else { value };
        self.part.out.batch.push_since(series, recorded.start, recorded.at, value);
        Ok(series)
    }

    fn exemplars(&mut self, series: SeriesId, given: Repeated<'a>) -> Result<(), Refusal> {
        for given in given.decode::<Exemplar>()? {
            self.part.bytes_left = self.part.bytes_left.saturating_sub(SAMPLE_BYTES);
            self.part.out.batch.push_exemplar(series, exemplar(&given));
        }
        Ok(())
    }

    fn series(&mut self, attributes: Repeated<'a>, which: Which) -> Result<SeriesId, Refusal> {
        let (series, labels) = self.series.get(attributes, which, self.sets)?.map_err(Refusal::Dropped)?;
        self.part.bytes_left = self.part.bytes_left.saturating_sub(SAMPLE_BYTES + labels);
        Ok(series)
    }
}

/// When a point was recorded, since when it counts, and whether it was: one without recorded value makes stale markers.
#[derive(Clone, Copy)]
struct Recorded {
    at: UnixMillis,
    start: Start,
    is_stale: bool,
}

/// The bucket up to `bound`.
const fn bucket(bound: f64) -> Which {
    Which::Bucket(bound.to_bits())
}

/// The bucket that an exemplar is of: that of the lowest bound that is not below it. NaN is in none.
fn bucket_of(point: &HistogramPoint<'_>, value: f64) -> Option<Which> {
    let counted = point.explicit_bounds.iter().zip(&point.bucket_counts);
    let bounds = counted.map(|(bound, _)| *bound).filter(|bound| *bound >= value);
    let lowest = bounds.fold(f64::INFINITY, |lowest, bound| if bound < lowest { bound } else { lowest });
    (!value.is_nan()).then_some(bucket(lowest))
}

/// A bound or quantile as the value of a label: the shortest decimal that reads back the same.
pub(super) fn number_text(number: f64) -> String {
    if number.is_infinite() {
        if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        decimal(number)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{gauge, metric, point, request, shown},
        *,
    };
    use crate::otlp::{
        self, ExemplarValue, ExponentialHistogram, Gauge, Histogram, Metric, MetricData, NumberValue, Sum,
        Summary,
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
        let point = otlp::HistogramPoint {
            time_unix_nano: AT_NS,
            count,
            sum: (count > 0).then_some(2.5),
            bucket_counts: counts.to_vec(),
            explicit_bounds: bounds.to_vec(),
            exemplars: exemplars(&[0.5, 1.0, 1.5, 99.0]),
            flags,
            ..otlp::HistogramPoint::default()
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
            assert_eq!(
                lines(gauge(vec![otlp::NumberPoint { value, ..point(&[]) }])),
                [format!("g{{}} {want}@5")]
            );
        }
        let stale = otlp::NumberPoint { flags: 3, ..point(&[]) };
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
            let points = vec![otlp::HistogramPoint::default(); 2];
            assert_eq!(
                lines(metric("h", MetricData::Histogram(Histogram { points, temporality }))),
                [reason]
            );
            let points = vec![otlp::ExponentialHistogramPoint::default(); 2];
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
        assert_eq!(lines(histogram(&[1.0, 2.0], &[u64::MAX, 1], 1, 0))[3], "h_bucket{le=2} 0@5 # 1.5");
        assert_eq!(
            lines(histogram(&[2.0, 1.0], &[2, 1, 4], 7, 0))[2..],
            ["h_bucket{le=2} 2@5 # 1.5", "h_bucket{le=1} 3@5 # 0.5 # 1", "h_bucket{le=+Inf} 7@5 # 99"],
            "bounds that descend"
        );
        assert_eq!(
            lines(histogram(&[f64::NAN, 1.0], &[2, 1], 3, 0))[2..],
            ["h_bucket{le=NaN} 2@5", "h_bucket{le=1} 3@5 # 0.5 # 1", "h_bucket{le=+Inf} 3@5 # 1.5 # 99"],
            "a bound that is none"
        );
    }

    #[test]
    fn a_summary_becomes_its_sum_count_and_quantiles() {
        let summary = |flags| {
            let quantiles =
                vec![Quantile { quantile: 0.5, value: 1.5 }, Quantile { quantile: 1.0, value: 9.0 }];
            let point = otlp::SummaryPoint {
                time_unix_nano: AT_NS,
                count: 4,
                sum: 7.5,
                quantiles,
                flags,
                ..otlp::SummaryPoint::default()
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
        let coarse =
            otlp::ExponentialHistogramPoint { scale: -5, ..otlp::ExponentialHistogramPoint::default() };
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
            (1_748_238_774_221_572.0 + 0.25, "1748238774221572.2"),
        ] {
            assert_eq!(number_text(number), want);
        }
    }

    #[test]
    fn a_start_is_known_where_it_was_before_the_point() {
        const MILLI: u64 = NANOS_PER_MILLI.cast_unsigned();
        for (start_ns, recorded, want) in [
            (0, 5, None),
            (1, 5, Some(1)), // within the first millisecond of all: 0 would say that it is unknown
            (3 * MILLI + 1, 5, Some(3)),
            (5 * MILLI, 5, None),
            (6 * MILLI, 5, None),
        ] {
            assert_eq!(start(start_ns, UnixMillis(recorded)).known(), want.map(UnixMillis), "{start_ns}");
        }
    }

    #[test]
    fn times_are_cut_to_milliseconds() {
        const LAST: u64 = i64::MAX.cast_unsigned();
        for (nanos, want) in [
            (0, 0),
            (999_999, 0),
            (1_999_999, 1),
            (LAST, 9_223_372_036_854),
            (LAST + 1, -9_223_372_036_854),
            (u64::MAX, 0),
        ] {
            assert_eq!(at(nanos), UnixMillis(want));
        }
    }
}
