//! Python's tracebacks: the innermost frame last, an exception before the one it caused.

use std::borrow::Cow;

use super::{Exceptions, line_number};

const CHAINED: &str = "During handling of the above exception, another exception occurred:";

/// The traceback from the line before its last, which repeats type and message, upwards. Where one exception was
/// thrown while another was handled, that other is the cause. A traceback that can't be read further ends there.
pub(super) fn parse<'a>(trace: &'a str, exceptions: &mut Exceptions<'a, '_>) {
    let lines: Vec<&str> = trace.split('\n').collect();
    let mut below = lines.len().saturating_sub(1);
    while let Some(at) = below.checked_sub(1) {
        below = at;
        let Some(line) = lines.get(at) else { return };
        if let Some(frame) = line.strip_prefix("  File ") {
            if let Some((path, number, label)) = parse_frame(frame) {
                exceptions.frame(path, number, label);
            }
        } else if line.starts_with(CHAINED) {
            let Some((file, kind, message)) = handled(&lines, at) else { return };
            exceptions.push_cause(kind, message);
            below = file + 1; // the frame itself is next
        }
    }
}

/// `"path", line 7, in label`
fn parse_frame(frame: &str) -> Option<(&str, i64, &str)> {
    let mut parts = frame.split(',');
    let (path, number, label) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let number = number.strip_prefix(" line ").map_or(0, line_number);
    Some((unquoted(path), number, label.strip_prefix(" in ").unwrap_or_default()))
}

/// Without the first and the last character, which are quotes.
fn unquoted(path: &str) -> &str {
    let mut inside = path.chars();
    inside.next();
    inside.next_back();
    inside.as_str()
}

/// The exception that ends two lines above the marker in line `marker`: the line of its last frame, its type and its
/// message, which begins two lines below that frame.
fn handled<'a>(lines: &[&'a str], marker: usize) -> Option<(usize, &'a str, Cow<'a, str>)> {
    let file = lines.get(..marker)?.iter().rposition(|line| line.starts_with("  File "))?;
    let (first, rest) = lines.get(file + 2..marker.checked_sub(1)?)?.split_first()?;
    // A type on a line of its own with the colon further down is no traceback of Python's.
    let (kind, message) = first.split_once(':')?;
    let message = message.strip_prefix(' ').unwrap_or(message);
    if rest.is_empty() {
        return Some((file, kind, message.into()));
    }
    Some((file, kind, format!("{message}\n{}", rest.join("\n")).into()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::parse;

    #[test]
    fn frames_and_causes() {
        let marker = super::CHAINED;
        let chained = format!(
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nU: first\nsecond\n\n{marker}\n\n\
             Traceback (most recent call last):\n  File \"b.py\", line 2, in h\n    i()\nT: m"
        );
        let chained: &'static str = chained.leak();
        for (trace, expected) in [
            ("", &["T: m"][..]),
            ("T: m", &["T: m"]),
            ("  File \"a.py\", line 1, in f\nT: m", &["T: m", "  f|a.py|1"]),
            (
                "  File \"a.py\", line 1, in f\n    g()\n  File \"b.py\", line 2, in g\nT: m",
                &["T: m", "  g|b.py|2", "  f|a.py|1"],
            ),
            ("  File \"a,b.py\", line 1, in f\nT: m", &["T: m"]),
            ("  File \"a.py\", row 1, at f\nT: m", &["T: m", "  |a.py|0"]),
            ("  File ,,\nT: m", &["T: m", "  ||0"]),
            (chained, &["T: m", "  h|b.py|2", "U: first\nsecond", "  f|a.py|1"]),
        ] {
            assert_eq!(parsed(parse, trace), expected, "{trace}");
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_traceback() {
        let marker = super::CHAINED;
        for above in [
            "",
            "U: n\n\n",
            "  File \"a.py\", line 1, in f\n",
            "  File \"a.py\", line 1, in f\n    g()\nU\n\n",
        ] {
            let trace = format!("{above}{marker}\n  File \"b.py\", line 2, in h\nT: m");
            assert_eq!(parsed(parse, trace.leak()), ["T: m", "  h|b.py|2"], "{above:?}");
        }
    }
}
