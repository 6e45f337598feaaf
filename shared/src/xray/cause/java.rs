//! Java's stack traces, and PHP's, whose SDK writes the same form.

use super::{Exceptions, after_space, line_number};

/// The trace after its first line, which repeats type and message. Each `Caused by:` is an exception of its own.
/// Lines of `Suppressed:` blocks and `... 7 more` are passed over.
pub(super) fn parse<'a>(trace: &'a str, exceptions: &mut Exceptions<'a, '_>) {
    let mut lines = trace.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some((path, number, label)) = frame(line) {
            exceptions.frame(path, number, label);
        } else if let Some(header) = line.strip_prefix("Caused by: ") {
            let (kind, first) = match header.split_once(':') {
                Some((kind, message)) => (kind, after_space(message)),
                None => (header, ""),
            };
            // A message goes on over the lines up to the first frame.
            let mut message = std::borrow::Cow::Borrowed(first);
            while let Some(more) = lines.next_if(|line| frame(line).is_none()) {
                message += more;
            }
            exceptions.push_cause(kind, message);
        }
    }
}

/// `TAB at [loader/]label(path[:line])`
fn frame(line: &str) -> Option<(&str, i64, &str)> {
    let (label, place) = line.strip_prefix("\tat ")?.split_once('(')?;
    let place = place.strip_suffix(')')?;
    let label = label.split_once('/').map_or(label, |(_, label)| label);
    let (path, number) = place.split_once(':').unwrap_or((place, ""));
    Some((path, line_number(number), label))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::parse;

    #[test]
    fn frames_and_causes() {
        for (trace, expected) in [
            ("", &["T: m"][..]),
            ("T: m", &["T: m"]),
            ("T: m\r\n\tat a.B.c(B.java:7)\r\n", &["T: m", "  a.B.c|B.java|7"]),
            ("T: m\n\tat app//a.b/C.d(Native Method)", &["T: m", "  /a.b/C.d|Native Method|0"]),
            ("T: m\n\tat a.B.c(B.java:7\n\tat d", &["T: m"]),
            ("T: m\n\tat ()", &["T: m", "  ||0"]),
            (
                "T: m\n\tat a(A:1)\nCaused by: U: n\n\tat b(B:2)\n\t... 3 more\nCaused by: V\n\tat c(C:3)",
                &["T: m", "  a|A|1", "U: n", "  b|B|2", "V: ", "  c|C|3"],
            ),
            ("T: m\nCaused by: U: n\nsecond\n\tat b(B:2)", &["T: m", "U: nsecond", "  b|B|2"]),
            ("T: m\nCaused by: Z: msg\n\t... 3 more", &["T: m", "Z: msg\t... 3 more"]),
            ("T: m\nCaused by: Z:", &["T: m", "Z: "]),
            (
                "T: m\n\tat a(A:1)\n\tSuppressed: U: n\n\t\tat b(B:2)\n\tat c(C:3)",
                &["T: m", "  a|A|1", "  c|C|3"],
            ),
        ] {
            assert_eq!(parsed(parse, trace), expected, "{trace}");
        }
    }
}
