//! Python's tracebacks: the innermost frame last, an exception before the one it caused.

use std::ops::Range;

use super::{Exceptions, after_space, line_number};

/// Before a frame.
const FILE: &str = "  File ";

const CHAINED: &str = "During handling of the above exception, another exception occurred:";

/// The traceback from the line before its last, which repeats type and message, upwards. Where one exception was
/// thrown while another was handled, that other is the cause. A traceback that can't be read further ends there.
pub(super) fn parse<'a>(trace: &'a str, exceptions: &mut Exceptions<'a, '_>) {
    let traceback = Traceback::of(trace);
    let mut below = traceback.lines.len().saturating_sub(1);
    while let Some(at) = below.checked_sub(1) {
        below = at;
        let line = traceback.line(at);
        if let Some(frame) = line.strip_prefix(FILE) {
            if let Some((path, number, label)) = parse_frame(frame) {
                exceptions.frame(path, number, label);
            }
        } else if line.starts_with(CHAINED) {
            let Some((file, kind, message)) = traceback.handled(at) else { return };
            exceptions.push_cause(kind, message.into());
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

/// A traceback by lines.
struct Traceback<'a> {
    whole: &'a str,
    /// Where each line begins and ends.
    lines: Vec<Range<usize>>,
}

impl<'a> Traceback<'a> {
    fn of(whole: &'a str) -> Self {
        let line = |at: &mut usize, line: &str| {
            let start = *at;
            *at += line.len() + 1;
            Some(start..start + line.len())
        };
        Self { whole, lines: whole.split('\n').scan(0, line).collect() }
    }

    fn line(&self, at: usize) -> &'a str {
        self.lines.get(at).and_then(|line| self.whole.get(line.clone())).unwrap_or_default()
    }

    /// The exception that ends two lines above the marker in line `marker`: the line of its last frame, its type and its
    /// message. They begin two lines below that frame: where Python points at a part of the code, these marks belong to
    /// the type.
    fn handled(&self, marker: usize) -> Option<(usize, &'a str, &'a str)> {
        let file = (0..marker).rev().find(|at| self.line(*at).starts_with(FILE))?;
        let lines = self.lines.get(file + 2..marker.checked_sub(1)?)?;
        let text = self.whole.get(lines.first()?.start..lines.last()?.end)?;
        let (kind, message) = text.split_once(':')?;
        Some((file, kind, after_space(message)))
    }
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
        let marked = format!(
            "  File \"a.py\", line 1, in f\n    g()\n    ~^^~\nU:\nfirst\n\n{marker}\n\n  File \"b.py\", line 2, in h\nT: m"
        );
        let marked: &'static str = marked.leak();
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
            (marked, &["T: m", "  h|b.py|2", "    ~^^~\nU: first", "  f|a.py|1"]),
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
