//! The traces share -> spans for an OTLP endpoint.

use siphon_core::{
    wire::{Record, Share},
    xray::otlp::{self, Limits, Span, first_request},
};

use super::{BadRecord, Completes, Delivery, Export, pending::Pending};

/// See [`Export::spans`]. All records are read at once: a span is little more than a place in the page.
pub(super) fn deliveries(export: &Export<'_>) -> impl Iterator<Item = Delivery<Span>> {
    let limits = Limits::default();
    let mut pending = Pending::default();
    for record in export.page.share(Share::Traces) {
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
