//! The traces share -> segment documents.

use std::collections::VecDeque;

use prost::Message;
use siphon_core::{
    otlp::TraceRequest,
    wire::{Record, Share},
    xray::{self, Document, MAX_DOCUMENTS},
};

use super::{BadRecord, Completes, Delivery, Export};

/// See [`Export::traces`].
pub(super) fn deliveries(export: &Export<'_>) -> impl Iterator<Item = Delivery<Document>> {
    let mut records = export.page.share(Share::Traces);
    let mut pending = Pending::default();
    std::iter::from_fn(move || {
        while pending.documents.len() < MAX_DOCUMENTS {
            let Some(record) = records.next() else { break };
            pending.add(export, record);
        }
        pending.take()
    })
}

/// Translated records that are not all delivered.
#[derive(Default)]
struct Pending {
    documents: VecDeque<Document>,
    /// In order, each with how many of `documents` must go before it is done.
    records: VecDeque<(usize, Completes)>,
}

impl Pending {
    fn add(&mut self, export: &Export<'_>, record: &Record) {
        let mut own = Completes::one(record);
        match TraceRequest::decode(record.payload.clone()) {
            Ok(mut request) => {
                for spans in &mut request.resource_spans {
                    export.identify(&mut spans.resource);
                }
                let translation = xray::documents(&request, &export.options.xray);
                for drop in &translation.dropped {
                    own.dropped.add(drop.reason, drop.spans);
                }
                own.dropped_spans = translation.dropped;
                own.shortened = translation.shortened;
                self.documents.extend(translation.documents);
            }
            Err(error) => own.bad.push(BadRecord::new(record, &error)),
        }
        self.records.push_back((self.documents.len(), own));
    }

    /// The documents of one call with the records that end with it; `None` when nothing is pending.
    fn take(&mut self) -> Option<Delivery<Document>> {
        let first = xray::calls(self.documents.make_contiguous()).next();
        let sent = first.map_or(0, <[Document]>::len);
        let items: Vec<_> = self.documents.drain(..sent).collect();
        let mut completes = Completes::default();
        while let Some((_, record)) = self.records.pop_front_if(|(end, _)| *end <= sent) {
            completes.extend(record);
        }
        for (end, _) in &mut self.records {
            *end -= sent;
        }
        (!items.is_empty() || completes.through.is_some()).then_some(Delivery { items, completes })
    }
}
