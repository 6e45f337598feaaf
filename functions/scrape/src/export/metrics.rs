//! The metrics share -> remote-write requests.
//!
//! What a page repeats goes out in the same groups as the first time, apart from what is new with each page (the agent's
//! counters, markers): then a receiver that has it knows it.

use siphon_core::{
    amp::{Limiter, Loss},
    ecs,
    prometheus::{self, Rest, ScrapeTranslator, Translation},
    remote_write::{Limits, Packer, Version, Weight},
    series::{Batch, Ends, LabelSets},
    wire::{Kind, Reading, Record, Share},
};

use super::{BadRecord, Completes, Delivery, Export, Outgoing, PART_BYTES, counts};
use crate::report::Reasons;

/// The deliveries of one page, made as they are asked for.
pub struct Deliveries<'a> {
    translators: Translators<'a>,
    packer: Packer,
    limits: Limits,
    records: Vec<&'a Record>,
    /// Where the next group begins; `None` behind the last record.
    next: Option<Place<'a>>,
    /// What is there of it already.
    waiting: Option<Translated>,
    /// The first record of the latest group.
    begun: usize,
    /// Records before this one go alone.
    alone: usize,
    /// The page was handed out before.
    is_repeat: bool,
    has_counts: bool,
    is_end: bool,
    /// What goes with the last records, once it is made: it has to be the same, should they come again.
    added: Option<Translated>,
    is_done: bool,
}

impl<'a> Deliveries<'a> {
    /// See [`Export::metrics`].
    pub(super) fn new(
        export: &'a Export<'_>,
        limiter: Option<Limiter>,
        counts: bool,
        limits: Limits,
        version: Version,
        ends: &'a mut Ends,
    ) -> Self {
        let head = &export.page.head;
        let records: Vec<_> = export.page.share(Share::Metrics).collect();
        let is_repeat =
            records.first().is_some_and(|record| record.sequence < head.metrics.handed_out_before.0);
        let mut deliveries = Self {
            translators: Translators::new(export, limiter, ends),
            packer: Packer::new(&limits, version),
            limits,
            records,
            next: None,
            waiting: None,
            begun: 0,
            alone: 0,
            is_repeat,
            has_counts: counts && !export.page.records.is_empty(),
            is_end: head.stopping && head.metrics.remaining_records == 0,
            added: None,
            is_done: false,
        };
        deliveries.next = deliveries.place(0);
        deliveries
    }

    /// The records of the latest delivery come again, one by one: some of them may be stored. So each that is dealt with
    /// stays so, however long it takes to find out about all.
    pub fn take_apart(&mut self) {
        self.alone = self.next.map_or(self.records.len(), |place| place.index);
        self.next = self.place(self.begun);
        (self.waiting, self.is_done) = (None, false);
    }

    fn place(&self, index: usize) -> Option<Place<'a>> {
        let record = *self.records.get(index)?;
        Some(Place { index, record, rest: Rest::default() })
    }

    fn group(&mut self) -> Group {
        self.begun = self.next.map_or(self.records.len(), |place| place.index);
        let is_alone = self.begun < self.alone;
        let mut group = Group {
            may_be_stored: self.is_repeat || is_alone,
            added_may_be_stored: is_alone && !self.is_repeat,
            ..Group::default()
        };
        while let Some(place) = self.next {
            let translated = self.waiting.take().unwrap_or_else(|| self.translators.translate(place));
            let left = translated.left;
            self.waiting = group.take(translated, &self.translators.sets, &self.limits);
            if self.waiting.is_some() {
                break;
            }
            self.next = left.map(|rest| Place { rest, ..place }).or_else(|| self.place(place.index + 1));
            if left.is_some() || is_alone {
                break;
            }
        }
        if self.next.is_none() {
            self.is_done = true;
            group.add(self.added());
        }
        group
    }

    /// The agent's counters, and markers.
    fn added(&mut self) -> Translated {
        let Self { translators, added, has_counts, is_end, .. } = self;
        let added = added.get_or_insert_with(|| {
            let mut added = if *has_counts { translators.counts() } else { Translated::default() };
            if *is_end {
                added.extend(translators.end());
            }
            added
        });
        added.clone()
    }
}

impl Iterator for Deliveries<'_> {
    type Item = Delivery<Outgoing>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            let delivery = self.group().close(&mut self.packer, &self.translators.sets);
            // Once all was translated, what may come again adds no series.
            if self.translators.sets.bytes() > PART_BYTES && self.added.is_none() {
                self.translators.forget();
                self.waiting = None; // it refers to what is forgotten
            }
            if delivery.is_some() {
                return delivery;
            }
        }
        None
    }
}

/// A record, from some point of it on.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Of the record, in the page's share.
    index: usize,
    record: &'a Record,
    rest: Rest,
}

/// What one record holds, or a part of it: one that makes very much is translated in parts.
#[derive(Clone, Default)]
struct Translated {
    batch: Batch,
    /// The record, if this is the last part.
    completes: Completes,
    left: Option<Rest>,
}

impl Translated {
    fn extend(&mut self, other: Self) {
        self.batch.append(other.batch);
        self.completes.extend(other.completes);
    }
}

/// One translator for each kind of record, with the label sets that they make, and what the receiver takes of it.
struct Translators<'a> {
    export: &'a Export<'a>,
    ecs: ecs::Translator,
    otlp: prometheus::Translator<'a>,
    scrapes: ScrapeTranslator<'a>,
    limiter: Option<Limiter>,
    sets: LabelSets,
    /// Only of a stopping agent, or where its end is foreseen: series are not worth remembering before.
    ends: Option<&'a mut Ends>,
}

impl<'a> Translators<'a> {
    fn new(export: &'a Export<'_>, limiter: Option<Limiter>, ends: &'a mut Ends) -> Self {
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
    fn forget(&mut self) {
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
    fn counts(&mut self) -> Translated {
        let Export { page, identity, .. } = self.export;
        let batch = counts::batch(&page.head, identity.as_ref(), &mut self.sets);
        self.admitted(Translated { batch, ..Translated::default() })
    }

    /// Markers for all series that were sent in this drain.
    fn end(&mut self) -> Translated {
        let batch: Batch = self.ends.as_mut().map(|ends| ends.markers(&mut self.sets)).unwrap_or_default();
        let completes = Completes { samples: batch.samples() as u64, ..Completes::default() };
        Translated { batch, completes, left: None }
    }

    fn translate(&mut self, place: Place<'a>) -> Translated {
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

/// Consecutive records whose samples fit one request.
#[derive(Default)]
struct Group {
    completes: Completes,
    batch: Batch,
    weight: Weight,
    /// The records went out before.
    may_be_stored: bool,
    /// What goes with the last ones.
    added: Batch,
    /// It went out before.
    added_may_be_stored: bool,
}

impl Group {
    /// Takes a record in, or gives it back where it would pass the limits, or is not all of it: what became of a part
    /// counts once the record is done, not with those before it. The first one always has room: should it pass the limits
    /// alone, it becomes several requests under one cursor.
    fn take(&mut self, mut record: Translated, sets: &LabelSets, limits: &Limits) -> Option<Translated> {
        let weight = self.weight.clone().plus(&mut record.batch, sets);
        let is_too_much = self.batch.samples() > 0 && !weight.fits(limits);
        if is_too_much || self.completes.through.is_some() && record.left.is_some() {
            return Some(record);
        }
        self.weight = weight;
        self.batch.append(record.batch);
        self.completes.extend(record.completes);
        None
    }

    /// Adds what no record holds. It goes under the cursor of the last records, whatever the limits: an agent that is
    /// drained ends, and nobody comes back for it.
    fn add(&mut self, added: Translated) {
        self.added.append(added.batch);
        self.completes.extend(added.completes);
    }

    /// `None` if there is nothing in it, not even a record or what was left out of a part of one.
    fn close(mut self, packer: &mut Packer, sets: &LabelSets) -> Option<Delivery<Outgoing>> {
        if !self.may_be_stored {
            self.batch.append(std::mem::take(&mut self.added));
        }
        let is_empty = self.batch.samples() + self.added.samples() == 0;
        if is_empty && self.completes.through.is_none() && self.completes.samples == 0 {
            return None;
        }
        let mut items = Vec::new();
        let records = self.completes.arrived.len();
        for (batch, may_be_stored, records) in
            [(&mut self.batch, self.may_be_stored, records), (&mut self.added, self.added_may_be_stored, 1)]
        {
            let (requests, drops) = packer.requests(batch, sets);
            items.extend(requests.into_iter().map(|request| Outgoing { request, may_be_stored, records }));
            for drop in drops {
                let Completes { dropped, exemplars, .. } = &mut self.completes;
                (if drop.is_exemplars() { exemplars } else { dropped }).add(drop.reason, drop.samples);
            }
        }
        Some(Delivery { items, completes: self.completes })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;
    use siphon_core::{
        otlp,
        units::UnixMillis,
        wire::{Count, Cursor, Page},
    };

    use super::{super::testing::page_of, *};
    use crate::settings::Translation;

    /// Eight series under the default filter.
    fn page(readings: u64) -> Page {
        let payload = Bytes::from(Reading::encode(br#"{"TaskARN":"arn:task"}"#, b"{}"));
        let record = |sequence: u64| Record {
            kind: Kind::Ecs,
            sequence,
            arrived: UnixMillis(1000 + sequence.cast_signed()),
            payload: payload.clone(),
        };
        page_of((10..10 + readings).map(record).collect())
    }

    /// Cursor, and samples of each request, of every delivery.
    fn delivered(page: &Page, limits: Limits) -> Vec<(Option<Cursor>, Vec<usize>)> {
        let options = Translation::default();
        let export = Export::new(page, &options);
        let samples = |d: Delivery<Outgoing>| d.items.iter().map(|item| item.request.samples).collect();
        let mut ends = Ends::default();
        export
            .metrics(None, true, limits, Version::V1, &mut ends)
            .map(|d| (d.completes.through, samples(d)))
            .collect()
    }

    #[test]
    fn as_many_records_as_fit_one_request_share_a_cursor() {
        let limits = |samples| Limits { samples, ..Limits::default() };
        let through = |n| Some(Cursor(n));
        assert_eq!(delivered(&page(5), limits(40)), [(through(15), vec![40])]);
        assert_eq!(
            delivered(&page(5), limits(17)),
            [(through(12), vec![16]), (through(14), vec![16]), (through(15), vec![8])]
        );
        let bytes = Limits { body_bytes: 3000, ..Limits::default() };
        assert!(delivered(&page(40), bytes).iter().all(|(_, requests)| requests.len() == 1), "by bytes too");
        assert!(delivered(&page(40), bytes).len() > 1);
    }

    #[test]
    fn a_record_that_needs_several_requests_has_them_under_one_cursor() {
        let limits = Limits { samples: 5, ..Limits::default() };
        let want = [(Some(Cursor(11)), vec![5, 3]), (Some(Cursor(12)), vec![5, 3])];
        assert_eq!(delivered(&page(2), limits), want);
    }

    #[test]
    fn the_last_page_of_a_stopping_agent_ends_its_series_under_the_last_cursor() {
        let limits = |samples| Limits { samples, ..Limits::default() };
        let mut last = page(3);
        last.head.stopping = true;
        let through = |n| Some(Cursor(n));
        assert_eq!(delivered(&last, limits(100)), [(through(13), vec![32])]);
        let want = [(through(12), vec![16]), (through(13), vec![16])];
        assert_eq!(delivered(&last, limits(17)), want, "with the last record's own");
        assert_eq!(
            delivered(&last, limits(8)).last(),
            Some(&(through(13), vec![8, 8])),
            "whatever the limits"
        );

        last.head.metrics.remaining_records = 1;
        assert_eq!(delivered(&last, limits(100)), [(through(13), vec![24])], "more is to come");
        assert_eq!(delivered(&page(3), limits(100)), [(through(13), vec![24])], "it goes on");
    }

    #[test]
    fn what_is_repeated_goes_apart_from_what_is_new() {
        let through = |n| Some(Cursor(n));
        let mut again = page(3);
        again.head.stopping = true;
        again.head.counts = vec![Count::new("accepted_records", "ecs", "", 3)];
        again.head.metrics.handed_out_before = Cursor(13);
        let options = Translation::default();
        let export = Export::new(&again, &options);
        let mut ends = Ends::default();
        let limits = Limits { samples: 17, ..Limits::default() };
        let sent: Vec<_> = export.metrics(None, true, limits, Version::V1, &mut ends).collect();
        let items = |d: &Delivery<Outgoing>| -> Vec<(usize, bool)> {
            d.items.iter().map(|item| (item.request.samples, item.may_be_stored)).collect()
        };
        assert_eq!((sent[0].completes.through, items(&sent[0])), (through(12), vec![(16, true)]));
        let end = "the last record's, then its counter and the markers of nine series";
        assert_eq!(
            (sent[1].completes.through, items(&sent[1])),
            (through(13), vec![(8, true), (10, false)]),
            "{end}"
        );
    }

    #[test]
    fn a_delivery_that_is_taken_apart_comes_again_record_by_record_with_what_was_added() {
        let through = |n| Some(Cursor(n));
        let items = |d: Delivery<Outgoing>| -> (Option<Cursor>, Vec<(usize, bool, usize)>) {
            let items = d.items.iter().map(|item| (item.request.samples, item.may_be_stored, item.records));
            (d.completes.through, items.collect())
        };
        let mut last = page(5);
        last.head.stopping = true;
        let options = Translation::default();
        for is_repeat in [false, true] {
            last.head.metrics.handed_out_before = Cursor(if is_repeat { 15 } else { 10 });
            let export = Export::new(&last, &options);
            let mut ends = Ends::default();
            let limits = Limits { samples: 25, ..Limits::default() };
            let mut deliveries = export.metrics(None, true, limits, Version::V1, &mut ends);
            assert_eq!(deliveries.next().map(items), Some((through(13), vec![(24, is_repeat, 3)])));
            deliveries.take_apart();
            let alone: Vec<_> = deliveries.by_ref().take(3).map(items).collect();
            let want = [11, 12, 13].map(|n| (through(n), vec![(8, true, 1)]));
            assert_eq!(alone, want);

            let together = if is_repeat { vec![(16, true, 2), (8, false, 1)] } else { vec![(24, false, 2)] };
            assert_eq!(deliveries.next().map(items), Some((through(15), together)), "with eight markers");
            deliveries.take_apart();
            let alone: Vec<_> = deliveries.map(items).collect();
            let markers = (8, !is_repeat, 1);
            let want = [(through(14), vec![(8, true, 1)]), (through(15), vec![(8, true, 1), markers])];
            assert_eq!(alone, want, "the markers went with the others the first time, but for a repeat");
        }
    }

    /// One request of so many points, each of a series of its own, whose resource has seven kilobytes.
    fn heavy(points: usize) -> Record {
        let attribute = |key: &str, text: String| {
            let value = Some(otlp::AnyValue { value: Some(otlp::Value::String(text)) });
            otlp::KeyValue { key: key.to_owned(), value }
        };
        let point = |n: usize| otlp::NumberPoint {
            time_unix_nano: 1_000_000_000,
            attributes: vec![attribute("n", n.to_string())],
            ..otlp::NumberPoint::default()
        };
        let data = otlp::MetricData::Gauge(otlp::Gauge { points: (0..points).map(point).collect() });
        let metric = otlp::Metric { name: "g".to_owned(), data: Some(data), ..otlp::Metric::default() };
        let resource = Some(otlp::Resource { attributes: vec![attribute("heavy", "x".repeat(7_000))] });
        let scope_metrics = vec![otlp::ScopeMetrics { scope: None, metrics: vec![metric] }];
        let resource_metrics = vec![otlp::ResourceMetrics { resource, scope_metrics }];
        let payload = otlp::MetricsRequest { resource_metrics }.encode_to_vec().into();
        Record { kind: Kind::OtlpMetrics, sequence: 20, arrived: UnixMillis(1000), payload }
    }

    #[test]
    fn a_request_that_makes_very_much_is_translated_in_parts_under_one_cursor() {
        let mut page = page(3);
        page.records.insert(2, heavy(5_000));
        page.records[3].sequence = 21;
        let parts = delivered(&page, Limits::default());
        let cursors: Vec<_> = parts.iter().map(|(cursor, _)| cursor.map(|cursor| cursor.0)).collect();
        assert_eq!(cursors[..2], [Some(12), None]);
        assert_eq!(cursors[cursors.len() - 1], Some(22));
        let samples: Vec<usize> = parts.iter().map(|(_, samples)| samples.iter().sum()).collect();
        assert_eq!(samples.iter().sum::<usize>(), 3 * 8 + 5_000);
        assert!(samples.iter().all(|samples| *samples <= PART_BYTES / 7_000 + 1), "{samples:?}");
        assert_eq!(delivered(&page, Limits::default()), parts, "the same each time");
    }

    /// Should a later part fail, the first comes again: it must not count with the records before it.
    #[test]
    fn a_part_shares_no_delivery_with_records_before_it_even_if_they_hold_nothing() {
        let nothing = Record { sequence: 19, payload: Bytes::new(), ..heavy(0) };
        let parts = delivered(&page_of(vec![nothing, heavy(5_000)]), Limits::default());
        assert_eq!(parts[0], (Some(Cursor(20)), vec![]));
        assert_eq!(parts[1].0, None);
    }

    #[test]
    fn a_page_without_records_is_no_delivery() {
        assert!(delivered(&page(0), Limits::default()).is_empty());
    }
}
