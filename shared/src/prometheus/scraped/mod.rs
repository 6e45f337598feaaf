//! Scraped texts to series, as the OpenTelemetry receiver `prometheusreceiver` v0.156.0 and the exporter together make
//! them: a target is a resource, so that its series have its labels and the task's, and `target_info` tells of it.
//!
//! ```text
//!   Block ─► Target ─────────────► resource ─► report series, target_info ─┐
//!     └────► text ─► Exposition ─► samples ──► label set, once a series ───┼─► Batch
//!                        Live: which series have come and gone ─► markers ─┘
//! ```
//!
//! What Prometheus adds to each scrape is added here: `up`, `scrape_duration_seconds` and so on, and stale markers for the
//! series that are gone.

mod family;
mod live;
mod report;
mod target;

use foldhash::HashMap;

use self::{
    live::{Live, Take},
    report::Report,
    target::{Known, KnownTarget, Resolved},
};
use super::{Options, TARGET_INFO, Translation, reason};
use crate::{
    ecs::Identity,
    exposition::{self, Exposition, Labels, Sample, SyntaxError},
    scrapes::{Block, BlockError, Format, Outcome, Scrape, Target},
    series::{LabelSets, STALE},
    units::UnixMillis,
};

/// Translates blocks of scrapes. It knows again the series that it has seen.
pub struct ScrapeTranslator<'a> {
    options: &'a Options,
    identity: Option<&'a Identity>,
    targets: HashMap<TargetKey, KnownTarget>,
}

/// A target, and what it tells of itself.
type TargetKey = (Target, Vec<(String, String)>);

/// What a block became.
#[derive(Debug, Default)]
pub struct Scraped {
    /// What can be sent, and what was left out.
    pub translation: Translation,
    /// Scrapes whose text can't be read. They count as failed.
    pub unreadable: Vec<UnreadableScrape>,
}

/// The text of a scrape can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what {instance} of job {job} exposes can't be read: {error}; the scrape counts as failed")]
pub struct UnreadableScrape {
    job: String,
    instance: String,
    error: SyntaxError,
}

impl<'a> ScrapeTranslator<'a> {
    /// Resources get the attributes of `identity`.
    #[must_use]
    pub fn new(options: &'a Options, identity: Option<&'a Identity>) -> Self {
        Self { options, identity, targets: HashMap::default() }
    }

    /// Translates a payload of kind `scrapes`. A scrape that can't be read costs no other.
    ///
    /// Samples have the time at which their scrape began, unless the target says another. Label sets go into `sets`: give
    /// the same one every time.
    ///
    /// # Errors
    /// [`BlockError`] if the payload is no block: nothing of it is translated.
    pub fn translate(&mut self, payload: &[u8], sets: &mut LabelSets) -> Result<Scraped, BlockError> {
        let block = Block::decode(payload)?;
        let (key, live) = ((block.target().clone(), Vec::new()), Live::default());
        let mut run = Run { translator: self, key, sets, live, out: Scraped::default() };
        if !block.is_first() {
            run.remember(block.before());
        }
        let mut scrapes = block.scrapes();
        while let Some(scrape) = scrapes.next()? {
            run.scrape(scrape);
        }
        Ok(run.out)
    }
}

/// A block on its way.
struct Run<'r, 'a> {
    translator: &'r mut ScrapeTranslator<'a>,
    /// As of the last good scrape.
    key: TargetKey,
    sets: &'r mut LabelSets,
    live: Live,
    out: Scraped,
}

impl Run<'_, '_> {
    /// Sees the series that were there before the block, by the last good text: nothing of them is sent.
    fn remember(&mut self, before: Option<(&[u8], Format, bool)>) {
        let lives = before.is_some_and(|(text, format, is_alive)| {
            let read = self.text(format, text, UnixMillis::default());
            read.is_ok() && is_alive
        });
        if !lives {
            self.live.fail();
        }
        let known = known(self.translator, &self.key, self.sets);
        self.live.report(known.report());
        self.live.take_stale();
        self.out = Scraped::default();
    }

    fn scrape(&mut self, scrape: Scrape<&[u8]>) {
        let Scrape { at, duration_us, outcome } = scrape;
        let report = match outcome {
            Outcome::Text(format, text) => {
                self.text(format, text, at).unwrap_or_else(|error| self.unreadable(error))
            }
            Outcome::Failed | Outcome::Gone => Report::default(),
        };
        if !report.is_up {
            self.live.fail();
        }
        let known = known(self.translator, &self.key, self.sets);
        let batch = &mut self.out.translation.batch;
        if outcome == Outcome::Gone {
            self.live.report(&[]);
        } else {
            self.live.report(known.report());
            report.push(known, at, duration_us, batch);
        }
        for gone in self.live.take_stale() {
            batch.push(gone, at, STALE);
        }
    }

    fn unreadable(&mut self, error: SyntaxError) -> Report {
        self.out.translation.count_drop(reason::EXPOSITION, 1);
        let samples = error.samples_before;
        let Target { job, instance, .. } = self.key.0.clone();
        self.out.unreadable.push(UnreadableScrape { job, instance, error });
        Report { samples, ..Report::default() }
    }

    /// Takes all samples of a text, or none.
    fn text(&mut self, format: Format, text: &[u8], at: UnixMillis) -> Result<Report, SyntaxError> {
        let exposition = exposition::parse(text, format)?;
        let key = (self.key.0.clone(), told(&exposition));
        let suffixes = self.translator.options.suffixes;
        let known = known(self.translator, &key, self.sets);
        let resolved = known.resolve(&exposition, suffixes, self.sets)?;
        self.key = key;
        self.live.begin();
        for (sample, series) in exposition.samples.iter().zip(&resolved.series) {
            self.sample(sample, *series, &resolved, at);
        }
        let added = self.live.finish();
        Ok(Report { is_up: true, samples: exposition.samples.len(), added })
    }

    fn sample(&mut self, sample: &Sample<'_>, known: Known, resolved: &Resolved, scraped_at: UnixMillis) {
        let translation = &mut self.out.translation;
        let series = match known {
            Known::Series(series) => series,
            Known::Created(_) | Known::Told => return,
            Known::Dropped(reason) => return translation.count_drop(reason, 1),
        };
        let at = sample.at.unwrap_or(scraped_at);
        match self.live.take(series.id, sample.at, sample.value) {
            Take::Taken => {
                translation.batch.push_since(series.id, resolved.start(series, at), at, sample.value);
            }
            Take::Repeated => {}
            Take::Duplicate => translation.count_drop(reason::DUPLICATE, 1),
            Take::Late => translation.count_drop(reason::OUT_OF_ORDER, 1),
        }
        if let Some(exemplar) = sample.exemplar.filter(|_| series.has_exemplars)
            && self.live.take_exemplar(series.id, exemplar.text)
        {
            translation.batch.push_exemplar(series.id, target::exemplar(&exemplar, at));
        }
    }
}

fn known<'t>(
    translator: &'t mut ScrapeTranslator<'_>,
    key: &TargetKey,
    sets: &mut LabelSets,
) -> &'t mut KnownTarget {
    let ScrapeTranslator { options, identity, targets } = translator;
    targets
        .entry(key.clone())
        .or_insert_with(|| KnownTarget::new(&key.0, &key.1, *identity, &options.resource_labels, sets))
}

/// What a target tells of itself.
fn told(exposition: &Exposition<'_>) -> Vec<(String, String)> {
    let info = exposition.samples.iter().find(|sample| exposition::metric(sample.series) == TARGET_INFO);
    let labels = info.into_iter().flat_map(|info| Labels::of(info.series));
    labels
        .filter(|(name, _)| !["job", "instance"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.into_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
