//! The series that are being accumulated, in a fixed number of bytes.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use foldhash::fast::FixedState;

use super::{
    Limits, Reason, Stop,
    identity::SeriesId,
    point::Head,
    room::SERIES_BYTES,
    total::{Delta, Total},
};

/// Bytes of a series with its buckets, on average, that there is room for: a sum or a histogram of 32 buckets.
const AVERAGE_BYTES: usize = 2 * SERIES_BYTES;

/// In how many steps the time passes until a series is forgotten.
const SWEEPS_PER_EXPIRY: u32 = 16;

/// The series by their identities. Those are hashes under a secret key already.
pub(super) struct Table {
    series: HashMap<SeriesId, Series, FixedState>,
    limits: Limits,
    bytes: usize,
    swept: Duration,
}

/// One series.
pub(super) struct Series {
    /// Since when it counts, in nanoseconds since the epoch; 0 if nobody says.
    pub(super) start: u64,
    /// What it has counted.
    pub(super) total: Total,
    /// Of its latest point, in nanoseconds since the epoch.
    time: u64,
    /// When that came, by the agent's clock.
    seen: Duration,
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        Self { series: HashMap::default(), limits, bytes: 0, swept: Duration::ZERO }
    }

    /// Adds a point to its series. What is dropped leaves the series as it was, and does not keep it from being forgotten.
    pub(super) fn add(
        &mut self,
        id: SeriesId,
        head: &Head<'_>,
        delta: &Delta<'_>,
        now: Duration,
    ) -> Result<&Series, Stop> {
        let is_full = self.series.len() >= self.limits.series;
        let free = self.limits.bytes().saturating_sub(self.bytes);
        match self.series.entry(id) {
            Entry::Occupied(entry) => {
                let series = entry.into_mut();
                let before = series.total.bytes();
                let added = series.take(head, delta, free, now, self.limits.expiry);
                self.bytes = self.bytes + series.total.bytes() - before;
                added.map(|()| &*series)
            }
            Entry::Vacant(_) if is_full => Err(Stop::Dropped(Reason::SeriesLimit)),
            Entry::Vacant(entry) => {
                let free = free.checked_sub(SERIES_BYTES).ok_or(Stop::Dropped(Reason::SeriesLimit))?;
                let series = entry.insert(Series::begin(head, delta, free, now)?);
                self.bytes += series.total.bytes();
                Ok(series)
            }
        }
    }

    /// Ends a series, as a point without recorded value does.
    pub(super) fn end(&mut self, id: SeriesId, head: &Head<'_>) -> Result<(), Stop> {
        if let Entry::Occupied(entry) = self.series.entry(id) {
            head.check_after(entry.get().time)?;
            self.bytes -= entry.remove().total.bytes();
        }
        Ok(())
    }

    /// Forgets series that nothing was added to for long. It looks through them now and then only.
    pub(super) fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) < self.limits.expiry / SWEEPS_PER_EXPIRY {
            return;
        }
        self.swept = now;
        let (bytes, expiry) = (&mut self.bytes, self.limits.expiry);
        self.series.retain(|_, series| {
            let stays = !series.is_expired(now, expiry);
            *bytes -= if stays { 0 } else { series.total.bytes() };
            stays
        });
    }
}

impl Series {
    /// A series that begins with this point: it counts since the point does.
    fn begin(head: &Head<'_>, delta: &Delta<'_>, free_bytes: usize, now: Duration) -> Result<Self, Stop> {
        head.check_after(0)?;
        let total = Total::of(delta, free_bytes)?;
        Ok(Self { start: head.start_before_time(), total, time: head.time, seen: now })
    }

    fn take(
        &mut self,
        head: &Head<'_>,
        delta: &Delta<'_>,
        free_bytes: usize,
        now: Duration,
        expiry: Duration,
    ) -> Result<(), Stop> {
        let all_bytes = free_bytes + self.total.bytes() - SERIES_BYTES;
        // What would have been swept is forgotten, whether or not somebody has come by to sweep it.
        if self.is_expired(now, expiry) {
            *self = Self::begin(head, delta, all_bytes, now)?;
            return Ok(());
        }
        head.check_after(self.time)?;
        if !self.total.add(delta, all_bytes)? {
            self.total = Total::of(delta, all_bytes)?;
            // What came before is counted already.
            self.start = head.start_before_time().max(self.time);
        }
        self.time = head.time;
        self.seen = now;
        Ok(())
    }

    fn is_expired(&self, now: Duration, expiry: Duration) -> bool {
        now.saturating_sub(self.seen) > expiry
    }
}

impl Limits {
    /// What all series may take.
    const fn bytes(&self) -> usize {
        self.series.saturating_mul(AVERAGE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a table that has just grown more than half of the places are free, and each has one byte more.
    #[test]
    fn a_series_takes_no_more_than_is_counted_for_it() {
        let place = size_of::<(SeriesId, Series)>() + 1;
        let outside = size_of::<super::super::exponential::Total>();
        assert!(place * 16 / 7 + outside + size_of::<usize>() <= SERIES_BYTES, "{place} {outside}");
    }
}
