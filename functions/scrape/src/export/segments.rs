//! The traces share -> segment documents: those that spans become, and those that X-Ray SDKs made.

use std::error::Error;

use siphon_core::{
    wire::{Kind, Record},
    xray::{self, Document, MAX_DOCUMENTS, Translator},
};

use super::{BadRecord, Completes, Delivery, Export, pending::Pending};

/// See [`Export::segments`].
pub(super) fn deliveries<'a>(
    export: &'a Export<'_>,
    mut records: impl Iterator<Item = &'a Record>,
) -> impl Iterator<Item = Delivery<Document>> {
    let mut translator = Translator::new(&export.options.xray, export.identity.as_ref());
    let mut pending = Pending::default();
    std::iter::from_fn(move || {
        while pending.len() < MAX_DOCUMENTS {
            let Some(record) = records.next() else { break };
            let (documents, record) = translate(&mut translator, record);
            pending.add(documents, record);
        }
        pending.take(|documents| xray::calls(documents).next().map_or(0, <[Document]>::len))
    })
}

fn translate<'a>(translator: &mut Translator<'a>, record: &'a Record) -> (Vec<Document>, Completes) {
    let mut own = Completes::one(record);
    let translation: Result<_, Box<dyn Error>> = match record.kind {
        Kind::XraySegment => xray::received(&record.payload).map_err(Into::into),
        _ => translator.translate(&record.payload).map_err(Into::into),
    };
    match translation {
        Ok(mut translation) => {
            own.drop_spans(translation.dropped);
            own.shortened = translation.shortened;
            xray::group_by_trace(&mut translation.documents);
            (translation.documents, own)
        }
        Err(error) => {
            own.bad.push(BadRecord::new(record, &*error));
            (Vec::new(), own)
        }
    }
}
