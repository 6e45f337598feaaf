//! Span links.

use super::document::Link;
use super::ids::{SegmentId, SpanIds, TraceId};
use super::json::NativeMap;
use crate::otlp::view::traces;

/// The links; one whose ids have a wrong length, or that names no span, refers to nothing and is left out.
pub(super) fn links<'a>(links: &'a [traces::Link<'a>]) -> Vec<Link<'a>> {
    links.iter().filter_map(link).collect()
}

fn link<'a>(link: &'a traces::Link<'a>) -> Option<Link<'a>> {
    let ids = SpanIds::check(link.trace_id, link.span_id, &[])?;
    Some(Link {
        trace_id: TraceId::new(ids.trace),
        id: SegmentId::new(ids.span),
        attributes: (!link.attributes.is_empty()).then_some(NativeMap(&link.attributes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_broken_ids_costs_only_itself() {
        let link = |trace: usize, span: usize| traces::Link {
            trace_id: &[1; 20][..trace],
            span_id: &[2; 20][..span],
            attributes: vec![],
        };
        let request = [link(16, 8), link(15, 8), link(16, 9), link(0, 0)];
        let links = links(&request);
        let ids: Vec<&str> = links.iter().map(|link| link.id.as_str()).collect();
        assert_eq!(ids, ["0202020202020202"]);
    }
}
