//! The metrics share -> remote-write requests.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use prost::Message;
use siphon_core::{
    ecs,
    otlp::MetricsRequest,
    prometheus,
    remote_write::{self, Limits, Request},
    series::{Buckets, Label, LabelSet, NativeHistogram, Series},
    units::UnixMillis,
    wire::{Kind, Reading, Record, Share},
};

use super::{BadRecord, Completes, Delivery, Export, counts};
use crate::report::Reasons;

/// Encoded bytes of one sample, at most: field and length (2), value (9), time (11).
const SAMPLE_BYTES: usize = 22;

/// Encoded bytes of a native histogram without its buckets, at most.
const HISTOGRAM_BYTES: usize = 100;

/// Encoded bytes of one of its spans or buckets, at most.
const BUCKET_BYTES: usize = 14;

/// Encoded bytes of one label beside its texts, at most: three fields with their lengths.
const LABEL_BYTES: usize = 12;

/// See [`Export::metrics`].
pub(super) fn deliveries(
    export: &Export<'_>,
    oldest: UnixMillis,
    counts: bool,
    limits: Limits,
) -> impl Iterator<Item = Delivery<Request>> {
    let mut records = export.page.share(Share::Metrics);
    let mut own = counts.then(|| counts::series(&export.page.head, export.identity.as_ref()));
    let mut left_over = None;
    std::iter::from_fn(move || {
        let mut group = Group::default();
        if let Some(own) = own.take().filter(|_| !export.page.records.is_empty()) {
            group.add_series(own);
        }
        while let Some(translated) =
            left_over.take().or_else(|| records.next().map(|record| translate(export, record, oldest)))
        {
            if !group.has_room(&translated.series, &limits) {
                left_over = Some(translated);
                break;
            }
            group.add(translated);
        }
        group.close(&limits)
    })
}

/// What one record holds.
struct Translated {
    series: Vec<Series>,
    completes: Completes,
}

fn translate(export: &Export<'_>, record: &Record, oldest: UnixMillis) -> Translated {
    let mut completes = Completes::one(record);
    let mut series = series(export, record, &mut completes.dropped).unwrap_or_else(|error| {
        completes.bad.push(BadRecord::new(record, error.as_ref()));
        Vec::new()
    });
    completes.dropped.add("expired", expire(&mut series, oldest));
    Translated { series, completes }
}

fn series(
    export: &Export<'_>,
    record: &Record,
    dropped: &mut Reasons,
) -> Result<Vec<Series>, Box<dyn std::error::Error>> {
    match record.kind {
        Kind::Ecs => {
            let reading = Reading::decode(record.payload.clone())?;
            Ok(ecs::series(&reading, record.arrived, &export.options.ecs)?)
        }
        Kind::OtlpMetrics => {
            let mut request = MetricsRequest::decode(record.payload.clone())?;
            for metrics in &mut request.resource_metrics {
                export.identify(&mut metrics.resource);
            }
            let translation = prometheus::series(&request, &export.options.prometheus);
            for drop in translation.dropped {
                dropped.add(drop.reason, drop.points);
            }
            Ok(translation.series)
        }
        Kind::OtlpTraces => Ok(Vec::new()), // of the other share
    }
}

/// Takes out what was measured before `oldest`; gives how many samples that was.
fn expire(series: &mut Vec<Series>, oldest: UnixMillis) -> u64 {
    let mut expired = 0;
    for one in series.iter_mut() {
        let before = one.samples.len() + one.histograms.len();
        one.samples.retain(|sample| sample.at >= oldest);
        one.histograms.retain(|histogram| histogram.at >= oldest);
        one.exemplars.retain(|exemplar| exemplar.at >= oldest);
        expired += before - one.samples.len() - one.histograms.len();
    }
    series.retain(|one| !one.samples.is_empty() || !one.histograms.is_empty());
    expired as u64
}

/// Consecutive records whose series fit one request.
#[derive(Default)]
struct Group {
    completes: Completes,
    /// At most twice as many as there are label sets.
    series: Vec<Series>,
    /// Hashes of the label sets in `series`.
    labels: HashSet<u64>,
    bytes: usize,
    samples: usize,
}

impl Group {
    fn has_room(&self, series: &[Series], limits: &Limits) -> bool {
        let (mut bytes, mut samples) = (self.bytes, self.samples);
        for one in series {
            bytes += self.cost(one);
            samples += one.samples.len() + one.histograms.len();
        }
        self.series.is_empty() || (bytes <= limits.body_bytes && samples <= limits.samples)
    }

    /// An upper bound of what `series` adds to the request. Should it be wrong, the group becomes two requests under
    /// one cursor, and nothing else happens.
    fn cost(&self, series: &Series) -> usize {
        let known = self.labels.contains(&hash(&series.labels));
        let labels = if known { 0 } else { label_bytes(series.labels.as_slice()) };
        let exemplars = series.exemplars.iter().map(|one| SAMPLE_BYTES + label_bytes(&one.labels));
        let histograms = series.histograms.iter().map(histogram_bytes);
        labels + series.samples.len() * SAMPLE_BYTES + exemplars.sum::<usize>() + histograms.sum::<usize>()
    }

    fn add(&mut self, record: Translated) {
        self.completes.extend(record.completes);
        self.add_series(record.series);
    }

    fn add_series(&mut self, series: Vec<Series>) {
        for one in &series {
            self.bytes += self.cost(one);
            self.samples += one.samples.len() + one.histograms.len();
            self.labels.insert(hash(&one.labels));
        }
        self.series.extend(series);
        if self.series.len() > 2 * self.labels.len() {
            self.series = remote_write::merge(std::mem::take(&mut self.series)); // each label set is held once
        }
    }

    /// `None` if there is nothing in it, not even a record.
    fn close(mut self, limits: &Limits) -> Option<Delivery<Request>> {
        if self.series.is_empty() && self.completes.through.is_none() {
            return None;
        }
        let (items, drops) = remote_write::requests(&remote_write::merge(self.series), limits);
        for drop in drops {
            self.completes.dropped.add(drop.reason, drop.samples);
        }
        Some(Delivery { items, completes: self.completes })
    }
}

fn hash(labels: &LabelSet) -> u64 {
    let mut hasher = DefaultHasher::new();
    labels.hash(&mut hasher);
    hasher.finish()
}

fn label_bytes(labels: &[Label]) -> usize {
    labels.iter().map(|label| label.name.len() + label.value.len() + LABEL_BYTES).sum()
}

fn histogram_bytes(histogram: &NativeHistogram) -> usize {
    let buckets = |side: &Buckets| (side.spans.len() + side.deltas.len()) * BUCKET_BYTES;
    HISTOGRAM_BYTES + buckets(&histogram.positive) + buckets(&histogram.negative)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use siphon_core::wire::{BootId, Cursor, Page, PageHead, ShareHead};

    use super::*;
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
        let head = PageHead {
            version: String::new(),
            boot: BootId([0; 16]),
            now: UnixMillis(2000),
            container: String::new(),
            stopping: false,
            metrics: ShareHead::default(),
            traces: ShareHead::default(),
            counts: Vec::new(),
        };
        Page { head, task: Bytes::from_static(b"{}"), records: (10..10 + readings).map(record).collect() }
    }

    /// Cursor, and samples of each request, of every delivery.
    fn delivered(page: &Page, limits: Limits) -> Vec<(Option<Cursor>, Vec<usize>)> {
        let options = Translation::default();
        let export = Export::new(page, &options);
        let samples = |d: Delivery<Request>| d.items.iter().map(|request| request.samples).collect();
        export.metrics(UnixMillis(0), true, limits).map(|d| (d.completes.through, samples(d))).collect()
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
    fn a_page_without_records_is_no_delivery() {
        assert!(delivered(&page(0), Limits::default()).is_empty());
    }
}
