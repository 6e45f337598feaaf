//! The traces share -> segment documents.

use prost::Message;
use siphon_core::{
    otlp::TraceRequest,
    wire::{Record, Share},
    xray::{self, Document, MAX_DOCUMENTS},
};

use super::{BadRecord, Completes, Delivery, Export, pending::Pending};

/// See [`Export::segments`].
pub(super) fn deliveries(export: &Export<'_>) -> impl Iterator<Item = Delivery<Document>> {
    let mut records = export.page.share(Share::Traces);
    let mut pending = Pending::default();
    std::iter::from_fn(move || {
        while pending.len() < MAX_DOCUMENTS {
            let Some(record) = records.next() else { break };
            let (documents, record) = translate(export, record);
            pending.add(documents, record);
        }
        pending.take(|documents| xray::calls(documents).next().map_or(0, <[Document]>::len))
    })
}

fn translate(export: &Export<'_>, record: &Record) -> (Vec<Document>, Completes) {
    let mut own = Completes::one(record);
    match TraceRequest::decode(record.payload.clone()) {
        Ok(mut request) => {
            for spans in &mut request.resource_spans {
                export.identify(&mut spans.resource);
            }
            let translation = xray::documents(&request, &export.options.xray);
            own.drop_spans(translation.dropped);
            own.shortened = translation.shortened;
            (translation.documents, own)
        }
        Err(error) => {
            own.bad.push(BadRecord::new(record, &error));
            (Vec::new(), own)
        }
    }
}
