//! The traces share -> segment documents: those that spans become, and those that X-Ray SDKs made.

use std::error::Error;

use siphon_core::{
    wire::{Kind, Record},
    xray::{self, Document, MAX_DOCUMENTS, Rest, Translator},
};

use super::{BadRecord, Completes, Delivery, Export, PART_BYTES, pending::Pending};

/// See [`Export::segments`].
pub(super) fn deliveries<'a>(
    export: &'a Export<'_>,
    mut records: impl Iterator<Item = &'a Record>,
) -> impl Iterator<Item = Delivery<Document>> {
    let mut translator = Translator::new(&export.options.xray, export.identity.as_ref());
    let mut pending = Pending::default();
    let mut begun = None;
    std::iter::from_fn(move || {
        while pending.len() < MAX_DOCUMENTS {
            let Some((record, rest)) =
                begun.take().or_else(|| records.next().map(|record| (record, Rest::default())))
            else {
                break;
            };
            let Part { documents, completes, left } = translate(&mut translator, record, rest);
            begun = left.map(|rest| (record, rest));
            pending.add(documents, completes);
        }
        pending.take(|documents| xray::calls(documents).next().map_or(0, <[Document]>::len))
    })
}

/// What a record became, or a part of it: one that makes very much is translated in parts.
struct Part {
    documents: Vec<Document>,
    completes: Completes,
    left: Option<Rest>,
}

fn translate<'a>(translator: &mut Translator<'a>, record: &'a Record, rest: Rest) -> Part {
    let translation: Result<_, Box<dyn Error>> = match record.kind {
        Kind::XraySegment => xray::received(&record.payload).map(|all| (all, None)).map_err(Into::into),
        _ => translator.translate_part(&record.payload, rest, PART_BYTES).map_err(Into::into),
    };
    match translation {
        Ok((mut translation, left)) => {
            let mut completes = if left.is_some() { Completes::default() } else { Completes::one(record) };
            completes.drop_spans(translation.dropped);
            completes.shortened = translation.shortened;
            xray::group_by_trace(&mut translation.documents);
            Part { documents: translation.documents, completes, left }
        }
        Err(error) => {
            let mut completes = Completes::one(record);
            completes.bad.push(BadRecord::new(record, &*error));
            Part { documents: Vec::new(), completes, left: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use siphon_core::{otlp, units::UnixMillis};

    use super::{super::testing::page_of, *};
    use crate::settings::Translation;

    /// One request of so many spans, whose resource has fifty kilobytes.
    fn heavy(sequence: u64, spans: u64) -> Record {
        let value = Some(otlp::AnyValue { value: Some(otlp::Value::String("x".repeat(50_000))) });
        let attributes = vec![otlp::KeyValue { key: "heavy".to_owned(), value }];
        let span = |n: u64| otlp::Span {
            trace_id: [&1_700_000_000u32.to_be_bytes()[..], &[9; 12]].concat(),
            span_id: (n + 1).to_be_bytes().to_vec(),
            name: "GET /".to_owned(),
            kind: 2,
            start_time_unix_nano: 1_700_000_000_000_000_000,
            end_time_unix_nano: 1_700_000_000_500_000_000,
            ..otlp::Span::default()
        };
        let scope_spans = vec![otlp::ScopeSpans { scope: None, spans: (0..spans).map(span).collect() }];
        let resource = Some(otlp::Resource { attributes });
        let resource_spans = vec![otlp::ResourceSpans { resource, scope_spans }];
        let payload = otlp::TraceRequest { resource_spans }.encode_to_vec().into();
        Record { kind: Kind::OtlpTraces, sequence, arrived: UnixMillis(1000), payload }
    }

    #[test]
    fn a_request_that_makes_very_much_is_translated_in_parts_under_one_cursor() {
        let page = page_of(vec![heavy(4, 400), heavy(5, 3)]);
        let options = Translation::default();
        let export = Export::new(&page, &options);
        let all: Vec<_> = export.segments().collect();
        let documents = all.iter().flat_map(|delivery| &delivery.items);
        let ids: BTreeSet<_> = documents.map(|document| format!("{:?}", document.id)).collect();
        assert_eq!(ids.len(), 400, "the second record has the ids of the first");
        assert_eq!(all.iter().map(|d| d.items.len()).sum::<usize>(), 403);
        let cursors: Vec<_> = all.iter().filter_map(|d| d.completes.through).map(|cursor| cursor.0).collect();
        assert_eq!(cursors.last(), Some(&6));
        assert!(all.len() > 10 && cursors.len() <= 2, "most deliveries complete no record: {cursors:?}");
        assert_eq!(all.iter().map(|d| d.completes.arrived.len()).sum::<usize>(), 2);
    }
}
