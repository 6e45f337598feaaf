//! All series of an agent: what their lines add up to.

use foldhash::quality::RandomState;
use indexmap::IndexMap;

use super::{
    Bounds, KEY_BYTES_PER_SERIES, Line, MAX_KEY_BYTES, Refusal, Timers, Type, Value,
    distribution::Distribution,
    key,
    line::lines,
    members::Members,
    point::Point,
    records::{Record, Records},
    tags::Tags,
};
use crate::{otlp::KeyValue, units::UnixMillis};

/// How series are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// What timers, histograms and distributions become.
    pub timers: Timers,
    /// The buckets of [`Timers::Histogram`].
    pub bounds: Bounds,
    /// No more series than that; and no more bytes of names and tags than [`KEY_BYTES_PER_SERIES`] for each.
    pub max_series: usize,
    /// A series without lines for so long ends, if at all.
    pub expiry_ms: Option<i64>,
}

/// Which series a flush gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// All. Those that are too old end.
    All,
    /// Those that had lines since the last flush.
    Changed,
}

/// Adds lines up, in bounded memory.
#[derive(Debug)]
pub struct Aggregator {
    options: Options,
    series: IndexMap<Box<[u8]>, Series, RandomState>,
    key_bytes: usize,
    /// The key of the line at hand, and memory for its tags.
    key: Vec<u8>,
    tags: Tags<'static>,
    flushed_at: UnixMillis,
}

#[derive(Debug)]
struct Series {
    state: State,
    /// It counts since then: the flush before its first line.
    start: UnixMillis,
    /// It had lines since the last flush.
    is_changed: bool,
    /// The last flush before which it had lines.
    changed_at: UnixMillis,
}

#[derive(Debug)]
enum State {
    Counter(f64),
    Gauge(f64),
    Set(Members),
    Distribution(Distribution),
}

impl Aggregator {
    /// Without series; they count since `started` at the earliest.
    #[must_use]
    pub fn new(options: Options, started: UnixMillis) -> Self {
        Self {
            options,
            series: IndexMap::default(),
            key_bytes: 0,
            key: Vec::new(),
            tags: Tags::default(),
            flushed_at: started,
        }
    }

    /// How many series there are.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// Takes the lines of a datagram, each on its own, and gives how many were taken. `refused` is told of the others.
    pub fn add_all(&mut self, datagram: &[u8], refused: &mut dyn FnMut(&[u8], Refusal)) -> u64 {
        let mut taken = 0;
        for line in lines(datagram) {
            match self.add(line) {
                Ok(()) => taken += 1,
                Err(refusal) => refused(line, refusal),
            }
        }
        taken
    }

    /// Takes a line. Nothing is allocated unless it is of a new series.
    ///
    /// # Errors
    /// Why it was not taken; then nothing has changed.
    pub fn add(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let line = Line::parse_into(line, std::mem::take(&mut self.tags).recycled())?;
        key::write(&line, &mut self.key);
        if self.key.len() > MAX_KEY_BYTES {
            return Err(Refusal::TooLong);
        }
        let index = match self.series.get_index_of(self.key.as_slice()) {
            Some(index) => index,
            None => self.open(line.kind)?,
        };
        let Some((_, series)) = self.series.get_index_mut(index) else { return Ok(()) };
        series.state.add(&line, &self.options.bounds);
        series.is_changed = true;
        self.tags = line.tags.recycled();
        Ok(())
    }

    /// Begins the series of the key at hand.
    fn open(&mut self, kind: Type) -> Result<usize, Refusal> {
        let key_bytes = self.key_bytes + self.key.len();
        let Options { max_series, timers, ref bounds, .. } = self.options;
        if self.series.len() >= max_series || key_bytes > max_series * KEY_BYTES_PER_SERIES {
            return Err(Refusal::SeriesLimit);
        }
        self.key_bytes = key_bytes;
        let series = Series {
            state: State::new(kind, timers, bounds),
            start: self.flushed_at,
            is_changed: false,
            changed_at: self.flushed_at,
        };
        Ok(self.series.insert_full(self.key.as_slice().into(), series).0)
    }

    /// Hands the series' points to `store`, as requests of `max_bytes` at most unless one point alone has more. Each flush has a
    /// later time than the one before, whatever the clock says. Counting goes on; sets and summaries begin anew.
    pub fn flush(&mut self, now: UnixMillis, which: Flush, max_bytes: usize, store: impl FnMut(Record)) {
        let at = now.max(self.flushed_at.plus(1));
        let mut records = Records::new(at, max_bytes, store);
        let mut expired = false;
        self.series.sort_unstable_keys();
        for (key, series) in &mut self.series {
            let is_old = which == Flush::All && series.is_old(at, self.options.expiry_ms);
            if series.is_changed || which == Flush::All {
                let point = series.state.flush(&self.options.bounds, key::attributes(key));
                records.add(key, point, series.start, is_old);
            }
            if series.is_changed {
                (series.is_changed, series.changed_at) = (false, at);
            }
            expired |= is_old;
        }
        records.finish();
        self.flushed_at = at;
        if expired {
            self.forget(at);
        }
    }

    /// Drops the series that have ended at `at`.
    fn forget(&mut self, at: UnixMillis) {
        let expiry_ms = self.options.expiry_ms;
        self.series.retain(|_, series| !series.is_old(at, expiry_ms));
        self.key_bytes = self.series.keys().map(|key| key.len()).sum();
    }
}

impl Series {
    fn is_old(&self, at: UnixMillis, expiry_ms: Option<i64>) -> bool {
        !self.is_changed && expiry_ms.is_some_and(|expiry_ms| at.since(self.changed_at) >= expiry_ms)
    }
}

impl State {
    fn new(kind: Type, timers: Timers, bounds: &Bounds) -> Self {
        match kind {
            Type::Counter => Self::Counter(0.0),
            Type::Gauge => Self::Gauge(0.0),
            Type::Set => Self::Set(Members::new()),
            Type::Timer | Type::Distribution => Self::Distribution(Distribution::new(timers, bounds)),
        }
    }

    fn add(&mut self, line: &Line<'_>, bounds: &Bounds) {
        if let Self::Set(members) = self {
            return members.insert(line.member());
        }
        for Value { number, is_relative } in line.values() {
            match self {
                Self::Counter(sum) => *sum = within(*sum + number * line.weight),
                Self::Gauge(last) => *last = if is_relative { within(*last + number) } else { number },
                Self::Distribution(numbers) => numbers.record(number, line.weight, bounds),
                Self::Set(_) => {}
            }
        }
    }

    fn flush(&mut self, bounds: &Bounds, attributes: Vec<KeyValue>) -> Point {
        match self {
            Self::Counter(sum) => Point::number(*sum, attributes),
            Self::Gauge(last) => Point::number(*last, attributes),
            Self::Set(members) => {
                let count = members.count();
                *members = Members::new();
                Point::number(count, attributes)
            }
            Self::Distribution(numbers) => numbers.flush(bounds, attributes),
        }
    }
}

/// A sum beyond all numbers stays at the last of them.
pub(super) const fn within(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::{otlp::MetricsRequest, prometheus::testing::shown_bytes};

    const START: UnixMillis = UnixMillis(1000);

    fn options(timers: Timers) -> Options {
        let bounds = Bounds::new(&[10.0, 100.0]).unwrap();
        Options { timers, bounds, max_series: 5, expiry_ms: Some(5000) }
    }

    fn aggregator() -> Aggregator {
        Aggregator::new(options(Timers::Histogram), START)
    }

    /// Adds lines that are all taken.
    fn add(all: &mut Aggregator, lines: &[&str]) {
        lines.iter().for_each(|line| assert_eq!(all.add(line.as_bytes()), Ok(()), "{line}"));
    }

    fn refused(all: &mut Aggregator, line: &str) -> Option<&'static str> {
        all.add(line.as_bytes()).err().map(Refusal::name)
    }

    /// The samples that Prometheus gets of a flush.
    fn flush(all: &mut Aggregator, at: i64, which: Flush) -> Vec<String> {
        let mut samples = Vec::new();
        all.flush(UnixMillis(at), which, 1 << 16, |record| {
            samples.extend(shown_bytes(&record.payload));
        });
        const SCOPE: &str = "otel_scope_name=siphon/statsd";
        samples
            .iter()
            .map(|s| s.replace(&format!(",{SCOPE}"), "").replace(&format!("{SCOPE},"), "").replace(SCOPE, ""))
            .collect()
    }

    #[test]
    fn counters_grow_and_gauges_are_remembered() {
        let mut all = aggregator();
        add(
            &mut all,
            &["a:1|c", "a:2|c|@0.1", "a:0.5|c", "b:7|g", "b:-2|g", "b:+0.5|g", "b:1|g|@0.1", "b:+3|g"],
        );
        assert_eq!(flush(&mut all, 2000, Flush::All), ["a_total{} 21.5@2000", "b{} 4@2000"]);
        add(&mut all, &["a:1|c", "b:-6|g"]);
        assert_eq!(flush(&mut all, 3000, Flush::All), ["a_total{} 22.5@3000", "b{} -2@3000"], "of all time");
        assert_eq!(flush(&mut all, 4000, Flush::All), ["a_total{} 22.5@4000", "b{} -2@4000"], "sent again");
    }

    #[test]
    fn tags_and_types_tell_series_apart_and_sockets_do_not() {
        let mut all = aggregator();
        add(&mut all, &["a:1|c|#x:1,y:2", "a:1|c|#y:2,x:1", "a:1|c|#x:2", "a:1|g", "a:1|c"]);
        assert_eq!(
            flush(&mut all, 2000, Flush::All),
            ["a_total{} 1@2000", "a_total{x=1,y=2} 2@2000", "a_total{x=2} 1@2000", "a{} 1@2000"]
        );
    }

    #[test]
    fn timers_become_what_the_setting_says() {
        let lines = ["t:5:50|ms|@0.5", "t:500|ms", "h:0|h", "h:20|d"];
        let samples = |timers| {
            let mut all = Aggregator::new(options(timers), START);
            add(&mut all, &lines);
            flush(&mut all, 2000, Flush::All)
        };
        assert_eq!(
            samples(Timers::Histogram),
            [
                "h_sum{} 20@2000",
                "h_count{} 2@2000",
                "h_bucket{le=10} 1@2000",
                "h_bucket{le=100} 2@2000",
                "h_bucket{le=+Inf} 2@2000",
                "t_milliseconds_sum{} 610@2000",
                "t_milliseconds_count{} 5@2000",
                "t_milliseconds_bucket{le=10} 2@2000",
                "t_milliseconds_bucket{le=100} 4@2000",
                "t_milliseconds_bucket{le=+Inf} 5@2000",
            ]
        );
        let native = samples(Timers::Native);
        assert!(native.len() == 2 && native[1].starts_with("t_milliseconds{} "), "{native:?}");
        let summary = samples(Timers::Summary);
        assert!(summary.contains(&"t_milliseconds_count{} 5@2000".to_owned()), "{summary:?}");
        assert!(summary.contains(&"t_milliseconds{quantile=1} 500@2000".to_owned()), "{summary:?}");
    }

    #[test]
    fn a_set_counts_the_distinct_members_of_an_interval() {
        let mut all = aggregator();
        add(&mut all, &["users:ann|s", "users:bob|s", "users:ann|s"]);
        assert_eq!(flush(&mut all, 2000, Flush::All), ["users{} 2@2000"]);
        add(&mut all, &["users:cid|s"]);
        assert_eq!(flush(&mut all, 3000, Flush::All), ["users{} 1@3000"]);
        assert_eq!(flush(&mut all, 4000, Flush::All), ["users{} 0@4000"]);
    }

    #[test]
    fn a_series_without_lines_ends_and_may_begin_anew() {
        let mut all = aggregator();
        add(&mut all, &["a:3|c", "t:1|ms", "b:+5|g"]);
        flush(&mut all, 2000, Flush::All);
        add(&mut all, &["b:+1|g"]);
        flush(&mut all, 6999, Flush::All);
        let end = flush(&mut all, 7000, Flush::All);
        let stale = end.iter().filter(|sample| sample.ends_with(" stale@7000")).count();
        assert_eq!((end.len(), stale, all.series()), (7, 6, 1), "{end:?}");
        assert_eq!(flush(&mut all, 7500, Flush::All), ["b{} 6@7500"]);
        add(&mut all, &["a:1|c"]);
        assert_eq!(flush(&mut all, 8000, Flush::All), ["a_total{} 1@8000", "b{} 6@8000"]);
        all.options.expiry_ms = None;
        assert_eq!(flush(&mut all, i64::MAX / 2_000_000, Flush::All).len(), 2, "never");
    }

    #[test]
    fn a_counter_counts_since_the_flush_before_its_first_line() {
        let mut all = aggregator();
        let starts = |all: &mut Aggregator, at| {
            let mut starts = Vec::new();
            all.flush(UnixMillis(at), Flush::All, 1 << 16, |record| {
                let request = MetricsRequest::decode(record.payload.as_slice()).unwrap();
                for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
                    let Some(crate::otlp::MetricData::Sum(sum)) = &metric.data else { unreachable!() };
                    starts.extend(sum.points.iter().map(|point| point.start_time_unix_nano / 1_000_000));
                }
            });
            starts
        };
        add(&mut all, &["a:1|c"]);
        assert_eq!(starts(&mut all, 2000), [1000]);
        add(&mut all, &["a:1|c", "b:1|c"]);
        assert_eq!(starts(&mut all, 3000), [1000, 2000]);
    }

    #[test]
    fn only_what_changed_is_flushed_on_demand_and_time_never_stands_still() {
        let mut all = aggregator();
        add(&mut all, &["a:1|c", "b:1|g"]);
        assert_eq!(flush(&mut all, 2000, Flush::All).len(), 2);
        assert!(flush(&mut all, 2000, Flush::Changed).is_empty());
        add(&mut all, &["a:1|c"]);
        assert_eq!(flush(&mut all, 2000, Flush::Changed), ["a_total{} 2@2002"]);
        add(&mut all, &["a:1|c"]);
        assert_eq!(flush(&mut all, 10, Flush::Changed), ["a_total{} 3@2003"], "a clock that was set back");
    }

    #[test]
    fn series_are_limited_and_known_ones_go_on() {
        let mut all = aggregator();
        add(&mut all, &["a:1|c", "b:1|c", "c:1|c", "d:1|c", "e:1|c"]);
        assert_eq!(refused(&mut all, "f:1|c"), Some("series_limit"));
        assert_eq!(refused(&mut all, "a:1|c"), None);
        assert_eq!(all.series(), 5);
        flush(&mut all, 2000, Flush::All);
        flush(&mut all, 9000, Flush::All);
        assert_eq!((all.series(), refused(&mut all, "f:1|c")), (0, None), "room again");
    }

    #[test]
    fn names_and_tags_are_limited_in_each_series_and_in_all() {
        let mut all = aggregator();
        assert_eq!(refused(&mut all, &format!("{}:1|c", "n".repeat(MAX_KEY_BYTES))), Some("too_long"));
        let long = |n: usize| format!("{n}{}:1|c", "n".repeat(600));
        assert_eq!(
            [0, 1, 0, 2].map(|n| refused(&mut all, &long(n))),
            [None, None, None, Some("series_limit")]
        );
        assert_eq!(all.series(), 2, "5 times 256 bytes");
        flush(&mut all, 9000, Flush::All);
        flush(&mut all, 20_000, Flush::All);
        assert_eq!(refused(&mut all, &long(2)), None, "room again");
    }

    #[test]
    fn a_sum_beyond_all_numbers_stays_at_the_last_of_them() {
        let mut all = aggregator();
        add(&mut all, &["a:1e308:1e308|c", "b:1e308|g", "b:+1e308|g"]);
        let last = f64::MAX.to_string();
        assert_eq!(
            flush(&mut all, 2000, Flush::All),
            [format!("a_total{{}} {last}@2000"), format!("b{{}} {last}@2000")]
        );
    }

    #[test]
    fn requests_are_no_larger_than_told() {
        let options = Options { max_series: 1000, ..options(Timers::Histogram) };
        let mut all = Aggregator::new(options, START);
        for n in 0..300 {
            add(&mut all, &[&format!("requests:1|c|#path:/items/{n}"), &format!("latency.{n}:1|ms")]);
        }
        let (mut points, mut sizes) = (0, Vec::new());
        all.flush(UnixMillis(2000), Flush::All, 4096, |record| {
            points += record.points;
            assert_eq!(crate::otlp::check::metrics(&record.payload), Ok(record.points));
            sizes.push(record.payload.len());
        });
        assert_eq!(points, 600);
        assert!(sizes.iter().all(|size| *size <= 4096), "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() > (sizes.len() - 1) * 3000, "and well filled: {sizes:?}");
    }

    proptest! {
        /// Against a model: nothing is lost or counted twice, however it is cut into intervals.
        #[test]
        fn counters_add_up(lines in prop::collection::vec((0..4u8, 0..1000u32, any::<bool>()), 0..60)) {
            let mut all = aggregator();
            let (mut model, mut seen) = (BTreeMap::new(), BTreeMap::new());
            for (at, (name, value, is_flushed)) in (2000..).zip(&lines) {
                add(&mut all, &[&format!("n:{value}|c|#name:{name}")]);
                *model.entry(format!("n_total{{name={name}}}")).or_insert(0) += value;
                if *is_flushed {
                    collect(&flush(&mut all, at, Flush::Changed), &mut seen);
                }
            }
            collect(&flush(&mut all, 3000, Flush::All), &mut seen);
            prop_assert_eq!(seen, model);
        }
    }

    /// The latest value of each series.
    fn collect(samples: &[String], seen: &mut BTreeMap<String, u32>) {
        for sample in samples {
            let (series, value) = sample.split_once(' ').unwrap();
            seen.insert(series.to_owned(), value.split('@').next().unwrap().parse().unwrap());
        }
    }
}
