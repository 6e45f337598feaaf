//! Span links.

use super::document::Link;
use super::ids::{fixed, segment_id, trace_id};
use super::json::NativeMap;
use crate::otlp;

/// The links; one whose ids have a wrong length refers to nothing and is left out.
pub(super) fn links(links: &[otlp::Link]) -> Vec<Link<'_>> {
    links.iter().filter_map(link).collect()
}

fn link(link: &otlp::Link) -> Option<Link<'_>> {
    let span = fixed::<8>(&link.span_id)?;
    Some(Link {
        trace_id: trace_id(&fixed(&link.trace_id)?),
        id: if span == [0; 8] { String::new() } else { segment_id(&span) },
        attributes: (!link.attributes.is_empty()).then_some(NativeMap(&link.attributes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_broken_ids_costs_only_itself() {
        let link = |trace: usize, span: usize| otlp::Link {
            trace_id: vec![1; trace],
            span_id: vec![2; span],
            attributes: vec![],
        };
        let request = [link(16, 8), link(15, 8), link(16, 9), link(0, 0)];
        let ids: Vec<String> = links(&request).into_iter().map(|link| link.id).collect();
        assert_eq!(ids, ["0202020202020202", ""]);
    }
}
