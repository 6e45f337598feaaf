//! What streams of delta points add up to, worked out the plain way.

use std::collections::BTreeMap;

/// One point of the series `series`, `after` its latest one or not.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) series: usize,
    pub(crate) kind: Kind,
    pub(crate) after: i64,
    /// An amount, or how often each bucket was hit.
    pub(crate) amounts: Vec<u8>,
    pub(crate) scale: i32,
    pub(crate) offset: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter,
    Histogram,
    Exponential,
}

/// Buckets as they were hit: how often, at which scale, under which index.
pub(crate) type Hits = Vec<(u64, i32, i64)>;

/// What a series has counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    pub(crate) time: u64,
    pub(crate) start: u64,
    pub(crate) count: u64,
    pub(crate) counts: Vec<u64>,
    pub(crate) hits: Hits,
}

/// All series.
#[derive(Default)]
pub(crate) struct Model(BTreeMap<(usize, Kind), Total>);

impl Model {
    /// When the point would be, if it comes that long after its series' latest.
    pub(crate) fn time(&self, given: &Given) -> u64 {
        let latest = self.0.get(&(given.series, given.kind)).map_or(1_000, |total| total.time);
        latest.saturating_add_signed(given.after)
    }

    /// The total with the point, unless it is not after the latest.
    pub(crate) fn add(&mut self, given: &Given, time: u64) -> Option<Total> {
        let total = self.0.entry((given.series, given.kind)).or_default();
        if time <= total.time {
            return None;
        }
        total.start = if total.time == 0 { time - 1 } else { total.start };
        if given.kind == Kind::Histogram && total.time > 0 && total.counts.len() != given.amounts.len() {
            *total = Total { start: time - 1, ..Total::default() };
        }
        total.time = time;
        total.counts.resize(given.amounts.len(), 0);
        for (place, amount) in given.amounts.iter().enumerate() {
            total.count += u64::from(*amount);
            total.counts[place] += u64::from(*amount);
            let index = i64::from(given.offset) + i64::try_from(place).unwrap();
            total.hits.push((u64::from(*amount), given.scale, index));
        }
        Some(total.clone())
    }
}

/// The buckets that hits make at a scale, without empty ones.
pub(crate) fn buckets(hits: &Hits, scale: i32) -> BTreeMap<i64, u64> {
    let mut buckets = BTreeMap::new();
    for (count, own, index) in hits.iter().filter(|(count, ..)| *count > 0) {
        assert!(scale <= *own, "a scale of {scale} can't be had from {own}");
        *buckets.entry(index >> (own - scale)).or_default() += count;
    }
    buckets
}
