//! A record, or the agent's counters, or the end of its series -> samples, as many as the receiver takes.

use siphon_core::{
    amp::{Limiter, Loss},
    ecs,
    prometheus::{self, Rest, ScrapeTranslator, Translation},
    series::{Batch, Ends, LabelSets},
    wire::{Kind, Reading},
};

use super::{
    super::{BadRecord, Completes, Export, PART_BYTES, counts},
    Place,
};
use crate::report::Reasons;

/// What one record holds, or a part of it: one that makes very much is translated in parts.
#[derive(Clone, Default)]
pub(super) struct Translated {
    pub(super) batch: Batch,
    /// The record, if this is the last part.
    pub(super) completes: Completes,
    pub(super) left: Option<Rest>,
}

impl Translated {
    pub(super) fn extend(&mut self, other: Self) {
        self.batch.append(other.batch);
        self.completes.extend(other.completes);
    }
}

/// One translator for each kind of record, with the label sets that they make, and what the receiver takes of it.
pub(super) struct Translators<'a> {
    export: &'a Export<'a>,
    ecs: ecs::Translator,
    otlp: prometheus::Translator<'a>,
    scrapes: ScrapeTranslator<'a>,
    limiter: Option<Limiter>,
    pub(super) sets: LabelSets,
    /// Only of a stopping agent, or where its end is foreseen: series are not worth remembering before.
    ends: Option<&'a mut Ends>,
}

impl<'a> Translators<'a> {
    pub(super) fn new(export: &'a Export<'_>, limiter: Option<Limiter>, ends: &'a mut Ends) -> Self {
        Self {
            export,
            ends: (export.page.head.stopping || ends.is_foreseen()).then_some(ends),
            ecs: ecs::Translator::new(&export.options.ecs),
            otlp: prometheus::Translator::new(&export.options.prometheus, export.identity.as_ref()),
            scrapes: ScrapeTranslator::new(&export.options.prometheus, export.identity.as_ref()),
            limiter,
            sets: LabelSets::default(),
        }
    }

    /// Forgets all series, so that the tables of those that come no more are freed.
    pub(super) fn forget(&mut self) {
        let Export { options, identity, .. } = self.export;
        self.ecs = ecs::Translator::new(&options.ecs);
        self.otlp = prometheus::Translator::new(&options.prometheus, identity.as_ref());
        self.scrapes = ScrapeTranslator::new(&options.prometheus, identity.as_ref());
        self.sets = LabelSets::default();
        if let Some(limiter) = &mut self.limiter {
            limiter.forget();
        }
    }

    /// The agent's own counters.
    pub(super) fn counts(&mut self) -> Translated {
        let Export { page, identity, .. } = self.export;
        let batch = counts::batch(&page.head, identity.as_ref(), &mut self.sets);
        self.admitted(Translated { batch, ..Translated::default() })
    }

    /// Markers for all series that were sent in this drain.
    pub(super) fn end(&mut self) -> Translated {
        let batch: Batch = self.ends.as_mut().map(|ends| ends.markers(&mut self.sets)).unwrap_or_default();
        let completes = Completes { samples: batch.samples() as u64, ..Completes::default() };
        Translated { batch, completes, left: None }
    }

    pub(super) fn translate(&mut self, place: Place<'a>) -> Translated {
        let record = place.record;
        let (Translation { batch, dropped, .. }, left, bad) = match self.translation(place) {
            Ok((translation, left)) => (translation, left, None),
            Err(error) => (Translation::default(), None, Some(BadRecord::new(record, error.as_ref()))),
        };
        let mut completes = if left.is_some() { Completes::default() } else { Completes::one(record) };
        completes.bad.extend(bad);
        for drop in dropped {
            completes.dropped.add(drop.reason, drop.points);
        }
        completes.samples = completes.dropped.total();
        self.admitted(Translated { batch, completes, left })
    }

    /// What the receiver takes of it; its series are remembered.
    fn admitted(&mut self, mut translated: Translated) -> Translated {
        let Translated { batch, completes, .. } = &mut translated;
        completes.samples += batch.samples() as u64;
        if let Some(limiter) = &mut self.limiter {
            let losses = limiter.apply(batch, &mut self.sets);
            count(losses.dropped, &mut completes.dropped);
            count(losses.trimmed, &mut completes.trimmed);
            count(losses.exemplars, &mut completes.exemplars);
        }
        if let Some(ends) = &mut self.ends {
            ends.note(batch, &self.sets);
        }
        translated
    }

    fn translation(
        &mut self,
        Place { record, rest, .. }: Place<'a>,
    ) -> Result<(Translation, Option<Rest>), Box<dyn std::error::Error>> {
        let whole = match record.kind {
            Kind::Ecs => {
                let reading = Reading::decode(record.payload.clone())?;
                self.ecs.translate(&reading, record.arrived, &mut self.sets)?
            }
            Kind::OtlpMetrics | Kind::Statsd => {
                return Ok(self.otlp.translate_part(&record.payload, rest, PART_BYTES, &mut self.sets)?);
            }
            Kind::Scrapes => {
                let scraped = self.scrapes.translate(&record.payload, &mut self.sets)?;
                // One line a block: what can't be read is so at every scrape.
                if let Some(error) = scraped.unreadable.first() {
                    tracing::warn!(%error, scrapes = scraped.unreadable.len(), "a scraped text can't be read");
                }
                scraped.translation
            }
            Kind::OtlpTraces | Kind::XraySegment => Translation::default(),
        };
        Ok((whole, None))
    }
}

fn count(losses: Vec<Loss>, reasons: &mut Reasons) {
    losses.into_iter().for_each(|loss| reasons.add(loss.reason, loss.count));
}
