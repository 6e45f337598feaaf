//! .NET's stack traces.

use super::{Exceptions, line_number};

/// The trace after its first line, which repeats type and message.
pub(super) fn parse<'a>(trace: &'a str, exceptions: &mut Exceptions<'a, '_>) {
    for line in trace.lines().skip(1) {
        if let Some((path, number, label)) = line.trim().strip_prefix("at ").and_then(parse_frame) {
            exceptions.frame(path, number, label);
        }
    }
}

/// `label in path:line 7` or `label`, which ends with `)`
fn parse_frame(frame: &str) -> Option<(&str, i64, &str)> {
    let mut parts = frame.split(" in ");
    match (parts.next(), parts.next()) {
        (Some(label), Some(place)) => Some(match place.rsplit_once(':') {
            Some((path, number)) => {
                // The word and whatever letter comes after it.
                let digits =
                    number.strip_prefix("line").map_or(number, |rest| rest.get(1..).unwrap_or_default());
                (path, line_number(digits), label)
            }
            None => (place, 0, label),
        }),
        _ => Some(("", 0, frame.get(..=frame.rfind(')')?)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::parse;

    #[test]
    fn frames() {
        for (line, expected) in [
            ("   at A.B(String c) in C:\\src\\B.cs:line 7", Some("  A.B(String c)|C:\\src\\B.cs|7")),
            ("at A.B() in /src/B.cs:7", Some("  A.B()|/src/B.cs|7")),
            ("   at A.B() in /src/B.cs", Some("  A.B()|/src/B.cs|0")),
            ("   at A.B() in /src/B.cs:lineé7", Some("  A.B()|/src/B.cs|0")),
            ("   at A.B() in /src/B.cs:line:7", Some("  A.B()|/src/B.cs:line|7")),
            ("   at A.B() in /src/B.cs:line\t7", Some("  A.B()|/src/B.cs|7")),
            ("   at A.B() in /src/B.cs:line", Some("  A.B()|/src/B.cs|0")),
            ("   at A.B(Object c) more", Some("  A.B(Object c)||0")),
            ("   at A.B", None),
            ("   --- End of stack trace ---", None),
        ] {
            let trace: &'static str = format!("T: m\n{line}").leak();
            let found = parsed(parse, trace);
            assert_eq!(found.get(1).map(String::as_str), expected, "{line}");
        }
    }
}
