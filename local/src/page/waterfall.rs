//! Segment documents to what a waterfall draws: spans in the order of the tree, each with its depth.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use crate::store::Trace;

/// A document or one of its subsegments.
struct Span<'a> {
    id: &'a str,
    parent: Option<&'a str>,
    start: f64,
    end: f64,
    document: &'a Value,
}

/// The list of traces, latest first.
pub(super) fn list(traces: &[(String, Trace)]) -> Value {
    let mut lines: Vec<_> = traces.iter().filter_map(|(id, trace)| line(id, trace)).collect();
    let start = |line: &Value| line.get("start").and_then(Value::as_f64).unwrap_or_default();
    lines.sort_by(|a, b| start(b).total_cmp(&start(a)));
    lines.into()
}

/// One line of the list of traces. `None` if the trace has nothing to show.
fn line(id: &str, trace: &Trace) -> Option<Value> {
    let spans = flatten(trace);
    let first = spans.iter().min_by(|a, b| a.start.total_cmp(&b.start))?;
    let end = spans.iter().map(|span| span.end).fold(first.end, f64::max);
    let flag = |name: &str| spans.iter().any(|span| span.document.get(name) == Some(&Value::Bool(true)));
    Some(json!({
        "id": id,
        "name": title(first),
        "service": service(first.document),
        "start": first.start,
        "duration_ms": (end - first.start) * 1000.0,
        "spans": spans.len(),
        "services": spans.iter().filter_map(|span| service(span.document)).collect::<HashSet<_>>().len(),
        "fault": flag("fault"),
        "error": flag("error"),
        "throttle": flag("throttle"),
    }))
}

/// All spans, parents before children, children by time.
pub(super) fn spans(trace: &Trace) -> Value {
    let spans = flatten(trace);
    let known: HashSet<_> = spans.iter().map(|span| span.id).collect();
    let mut children: BTreeMap<Option<&str>, Vec<&Span<'_>>> = BTreeMap::new();
    for span in &spans {
        children.entry(span.parent.filter(|parent| known.contains(parent))).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by(|a, b| a.start.total_cmp(&b.start));
    }
    let mut services = HashMap::new();
    let mut rows = Vec::new();
    // Documents are outside data: a span that is its own ancestor is never reached from the top, so this ends.
    let mut stack: Vec<_> = tops(&children).into_iter().rev().map(|span| (span, 0)).collect();
    while let Some((span, depth)) = stack.pop() {
        let inherited = span.parent.and_then(|parent| services.get(parent).cloned());
        let service = service(span.document).map(str::to_owned).or(inherited);
        services.insert(span.id.to_owned(), service.clone().unwrap_or_default());
        rows.push(row(span, depth, service));
        let below = children.get(&Some(span.id)).map(Vec::as_slice).unwrap_or_default();
        stack.extend(below.iter().rev().map(|child| (*child, depth + 1)));
    }
    Value::Array(rows)
}

fn tops<'a>(children: &BTreeMap<Option<&str>, Vec<&'a Span<'a>>>) -> Vec<&'a Span<'a>> {
    children.get(&None).cloned().unwrap_or_default()
}

fn row(span: &Span<'_>, depth: usize, service: Option<String>) -> Value {
    let Span { id, parent, start, end, document } = span;
    let field = |name: &str| document.get(name).cloned().unwrap_or_default();
    json!({
        "id": id,
        "parent": parent,
        "depth": depth,
        "name": title(span),
        "service": service,
        "kind": kind(document),
        "start": start,
        "duration_ms": (end - start) * 1000.0,
        "error": field("error"),
        "fault": field("fault"),
        "throttle": field("throttle"),
        "http": field("http"),
        "sql": field("sql"),
        "aws": field("aws"),
        "cause": field("cause"),
        "annotations": field("annotations"),
        "metadata": field("metadata"),
    })
}

fn flatten(trace: &Trace) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut stack: Vec<(&Value, Option<&str>)> = trace.values().map(|document| (document, None)).collect();
    while let Some((document, above)) = stack.pop() {
        let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
        let start = document.get("start_time").and_then(Value::as_f64).unwrap_or_default();
        let end = document.get("end_time").and_then(Value::as_f64).unwrap_or(start);
        let parent = document.get("parent_id").and_then(Value::as_str).or(above);
        let below = document.get("subsegments").and_then(Value::as_array);
        stack.extend(below.into_iter().flatten().map(|document| (document, Some(id))));
        spans.push(Span { id, parent, start, end, document });
    }
    spans
}

/// What a person calls it: a request by method and path, else the document's name.
fn title(span: &Span<'_>) -> String {
    let name = span.document.get("name").and_then(Value::as_str).unwrap_or_default();
    let request = span.document.pointer("/http/request");
    let text = |field: &str| request.and_then(|request| request.get(field)).and_then(Value::as_str);
    match (text("method"), text("url")) {
        (Some(method), Some(url)) => format!("{method} {}", path(url)),
        (Some(method), None) => format!("{method} {name}"),
        _ => {
            let deep = |pointer| span.document.pointer(pointer).and_then(Value::as_str);
            let verb = deep("/sql/sanitized_query").and_then(|query| query.split_whitespace().next());
            match (verb, deep("/aws/operation")) {
                (Some(verb), _) => format!("{verb} {name}"),
                (None, Some(operation)) => format!("{name}.{operation}"),
                (None, None) => name.to_owned(),
            }
        }
    }
}

/// `http://host/a/b?c` → `/a/b`
fn path(url: &str) -> &str {
    let rest = url
        .split_once("://")
        .map_or(url, |(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"));
    rest.split('?').next().unwrap_or(rest)
}

/// The service that a document tells; a subsegment's is otherwise its parent's.
fn service(document: &Value) -> Option<&str> {
    let told = document.pointer("/metadata/default/otel.resource.service.name").and_then(Value::as_str);
    let is_segment = document.get("type").is_none() && document.get("namespace").is_none();
    told.or_else(|| document.get("name").and_then(Value::as_str).filter(|_| is_segment))
}

fn kind(document: &Value) -> &'static str {
    let has = |field: &str| document.get(field).is_some();
    match document.get("namespace").and_then(Value::as_str) {
        Some("aws") => "aws",
        _ if has("sql") => "sql",
        Some("remote") => "client",
        _ if document.get("type").is_some() => "internal",
        _ => "server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(documents: &[Value]) -> Trace {
        documents.iter().map(|d| (d["id"].as_str().unwrap().to_owned(), d.clone())).collect()
    }

    #[test]
    fn spans_come_in_the_order_of_the_tree() {
        let trace = trace(&[
            json!({ "id": "c", "parent_id": "a", "name": "db", "start_time": 3.0, "end_time": 4.0, "type": "subsegment", "sql": { "sanitized_query": "SELECT 1" } }),
            json!({ "id": "a", "name": "shop", "start_time": 1.0, "end_time": 5.0,
                    "http": { "request": { "method": "GET", "url": "http://h/x?y" } },
                    "subsegments": [{ "id": "b", "name": "inner", "start_time": 2.0, "end_time": 2.5, "fault": true }] }),
            json!({ "id": "d", "parent_id": "gone", "name": "late", "start_time": 6.0, "end_time": 7.0 }),
        ]);
        let rows = spans(&trace);
        let rows: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|r| {
                format!(
                    "{} {} {} {}",
                    r["depth"],
                    r["id"].as_str().unwrap(),
                    r["name"].as_str().unwrap(),
                    r["kind"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(rows, ["0 a GET /x server", "1 b inner server", "1 c SELECT db sql", "0 d late server"]);
        let line = line("t", &trace).unwrap();
        assert_eq!(
            (&line["name"], &line["spans"], &line["fault"]),
            (&json!("GET /x"), &json!(4), &json!(true))
        );
        assert_eq!(line["duration_ms"], 6000.0);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let trace = trace(&[
            json!({ "id": "a", "parent_id": "b", "name": "a", "start_time": 1.0, "end_time": 2.0 }),
            json!({ "id": "b", "parent_id": "a", "name": "b", "start_time": 1.0, "end_time": 2.0 }),
        ]);
        assert_eq!(spans(&trace), json!([]));
        assert!(line("t", &trace).is_some());
    }
}
