//! Which series a target has, from scrape to scrape.

use foldhash::HashMap;

use crate::{series::SeriesId, units::UnixMillis};

/// The series of a target, as of its latest scrapes.
#[derive(Default)]
pub(super) struct Live {
    series: HashMap<SeriesId, Seen>,
    /// Good scrapes so far.
    scrape: u32,
    /// The series of the last good scrape have not ended.
    is_alive: bool,
    /// Series that the scrape in hand has and the last good one had not.
    added: u64,
    /// Series that the latest scrape has beside the target's own.
    reported: Vec<SeriesId>,
    /// Series that are gone.
    stale: Vec<SeriesId>,
}

/// A series when it was last seen.
struct Seen {
    /// In which good scrape.
    scrape: u32,
    value: u64,
    /// The time that the target gave. Who gives times says itself when a series ends: such a one gets no marker.
    at: Option<UnixMillis>,
    exemplar: Option<Box<str>>,
}

/// What becomes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Taken,
    /// It is what was taken before.
    Repeated,
    /// There is another value for its time.
    Duplicate,
    /// It is older than what was taken before.
    Late,
}

impl Live {
    /// A good scrape begins.
    pub(super) const fn begin(&mut self) {
        self.scrape += 1;
        self.added = 0;
    }

    /// Sees a sample, with the time that the target gave it.
    pub(super) fn take(&mut self, series: SeriesId, at: Option<UnixMillis>, value: f64) -> Take {
        let (scrape, value) = (self.scrape, value.to_bits());
        let Some(seen) = self.series.get_mut(&series) else {
            self.added += 1;
            self.series.insert(series, Seen { scrape, value, at, exemplar: None });
            return Take::Taken;
        };
        let is_again = seen.scrape == scrape;
        if seen.scrape + 1 < scrape {
            self.added += 1;
        }
        seen.scrape = scrape;
        let is_same_time = at == seen.at && (is_again || at.is_some());
        let take = match (at, seen.at) {
            _ if is_same_time && value == seen.value => Take::Repeated,
            _ if is_same_time => Take::Duplicate,
            (Some(at), Some(last)) if at < last => Take::Late,
            _ => Take::Taken,
        };
        if take == Take::Taken {
            (seen.at, seen.value) = (at, value);
        }
        take
    }

    /// Whether the exemplar of a series that was taken is another than before.
    pub(super) fn take_exemplar(&mut self, series: SeriesId, text: &str) -> bool {
        let Some(seen) = self.series.get_mut(&series) else { return false };
        let is_new = seen.exemplar.as_deref() != Some(text);
        if is_new {
            seen.exemplar = Some(text.into());
        }
        is_new
    }

    /// The good scrape is over: what only the one before had is gone. Gives how many series it has that that one had not.
    pub(super) fn finish(&mut self) -> u64 {
        if self.is_alive {
            self.lose(self.scrape - 1);
        }
        self.is_alive = true;
        self.added
    }

    /// A scrape failed: all series are gone.
    pub(super) fn fail(&mut self) {
        if std::mem::take(&mut self.is_alive) {
            self.lose(self.scrape);
        }
    }

    /// The latest scrape has these beside the target's own.
    pub(super) fn report(&mut self, series: &[SeriesId]) {
        self.stale.extend(self.reported.iter().filter(|reported| !series.contains(reported)));
        self.reported = series.to_vec();
    }

    /// The series that have gone since this was last asked.
    pub(super) fn take_stale(&mut self) -> Vec<SeriesId> {
        std::mem::take(&mut self.stale)
    }

    fn lose(&mut self, scrape: u32) {
        let gone = self.series.iter().filter(|(_, seen)| seen.scrape == scrape && seen.at.is_none());
        self.stale.extend(gone.map(|(series, _)| *series));
    }
}
