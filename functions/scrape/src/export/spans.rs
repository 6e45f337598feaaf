//! The traces share -> spans for an OTLP endpoint. What X-Ray SDKs made are no spans: they stay documents.

use siphon_core::{
    wire::{Kind, Record, Share},
    xray::otlp::{self, Limits, Span, first_request},
};

use super::{BadRecord, Completes, Delivery, Export, SpansOrSegments, pending::Pending, segments};

/// See [`Export::spans`].
pub(super) fn deliveries(export: &Export<'_>) -> impl Iterator<Item = (SpansOrSegments, Completes)> {
    let records: Vec<&Record> = export.page.share(Share::Traces).collect();
    let is_segment = |record: &&Record| record.kind == Kind::XraySegment;
    let runs: Vec<Vec<&Record>> =
        records.chunk_by(|one, next| is_segment(one) == is_segment(next)).map(<[_]>::to_vec).collect();
    runs.into_iter().flat_map(move |run| -> Box<dyn Iterator<Item = _> + '_> {
        if run.first().is_some_and(is_segment) {
            let segments = segments::deliveries(export, run.into_iter());
            Box::new(segments.map(|made| (SpansOrSegments::Segments(made.items), made.completes)))
        } else {
            Box::new(spans(export, &run).map(|made| (SpansOrSegments::Spans(made.items), made.completes)))
        }
    })
}

/// All records are read at once: a span is little more than a place in the page.
fn spans(export: &Export<'_>, records: &[&Record]) -> impl Iterator<Item = Delivery<Span>> + use<> {
    let limits = Limits::default();
    let mut pending = Pending::default();
    for record in records {
        let (spans, record) = read(export, record, &limits);
        pending.add(spans, record);
    }
    std::iter::from_fn(move || pending.take(|spans| first_request(spans, &limits)))
}

fn read(export: &Export<'_>, record: &Record, limits: &Limits) -> (Vec<Span>, Completes) {
    let mut own = Completes::one(record);
    match otlp::read(&record.payload, export.identity.as_ref(), limits) {
        Ok(read) => {
            own.drop_spans(read.dropped);
            (read.spans, own)
        }
        Err(error) => {
            own.bad.push(BadRecord::new(record, &error));
            (Vec::new(), own)
        }
    }
}
