//! JavaScript's stack traces, as V8 writes them.

use super::{Exceptions, line_number};

/// The trace after its first line, which repeats type and message.
pub(super) fn parse<'a>(trace: &'a str, exceptions: &mut Exceptions<'a, '_>) {
    for line in trace.lines().skip(1) {
        if let Some(frame) = line.strip_prefix("    at ") {
            let (path, number, label) = parse_frame(frame);
            if (path, number, label) != ("", 0, "") {
                exceptions.frame(path, number, label);
            }
        }
    }
}

/// `label (path:line:column)` or `path:line:column`; the label keeps its space.
fn parse_frame(frame: &str) -> (&str, i64, &str) {
    let (label, place) = match frame.split_once('(') {
        None => ("", frame),
        Some((label, place)) => match place.strip_suffix(')') {
            Some(place) => (label, place),
            None => return ("", 0, ""),
        },
    };
    let mut parts = place.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(path), Some(number), Some(_)) => (path, line_number(number), label),
        (_, None, _) if place.contains("native") => ("native", 0, label),
        _ => (place, 0, label),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::parse;

    #[test]
    fn frames() {
        for (line, expected) in [
            ("    at f (/app/a.js:7:5)", Some("  f |/app/a.js|7")),
            ("    at /app/a.js:7:5", Some("  |/app/a.js|7")),
            ("    at f (file:///app/a.js:10:5)", Some("  f |file|0")),
            ("    at f (native)", Some("  f |native|0")),
            ("    at Array.map (<anonymous>)", Some("  Array.map |<anonymous>|0")),
            ("    at f (a.js:7)", Some("  f |a.js:7|0")),
            ("    at f (a.js:7:5", None),
            ("    at ", None),
            ("   at f (a.js:7:5)", None),
        ] {
            let trace: &'static str = format!("T: m\n{line}").leak();
            let found = parsed(parse, trace);
            assert_eq!(found.get(1).map(String::as_str), expected, "{line}");
        }
    }
}
