//! Go's stack traces.

use super::{Exceptions, line_number};

/// The trace after its first line, which repeats type and message: pairs of lines, the function and where it is.
/// A place that can't be read is taken to be the one before.
pub(super) fn parse<'a>(trace: &'a str, exceptions: &mut Exceptions<'a, '_>) {
    let mut lines = trace.lines().skip(1);
    let (mut path, mut number) = ("", 0);
    while let Some(line) = lines.next() {
        let label = if is_goroutine(line) { lines.next().unwrap_or_default() } else { line };
        if let Some(place) = place(lines.next().unwrap_or_default()) {
            (path, number) = place;
        }
        exceptions.frame(path, number, label);
    }
}

/// `goroutine 1 [running]:`
fn is_goroutine(line: &str) -> bool {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    line.starts_with("goroutine")
        && line.ends_with(':')
        && line.match_indices("running").any(|(at, word)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            let after = line.get(at + word.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// The first `path:line`, where the path holds neither space nor colon.
fn place(line: &str) -> Option<(&str, i64)> {
    let is_space = |char: char| matches!(char, ' ' | '\t' | '\n' | '\r' | '\x0c');
    line.match_indices(':').find_map(|(colon, _)| {
        let (before, after) = (line.get(..colon)?, line.get(colon + 1..)?);
        let path = before.rsplit(|char| char == ':' || is_space(char)).next()?;
        let digits = after.get(..after.find(|char: char| !char.is_ascii_digit()).unwrap_or(after.len()))?;
        (!path.is_empty() && !digits.is_empty()).then(|| (path, line_number(digits)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::parse;

    #[test]
    fn frames() {
        for (trace, expected) in [
            ("T: m", &["T: m"][..]),
            (
                "T: m\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/app/a.go:7 +0x1d\nmain.main()\n\t/app/b.go:9",
                &["T: m", "  main.f(0x1)|/app/a.go|7", "  main.main()|/app/b.go|9"],
            ),
            (
                "T: m\nf()\n\ta.go:7\ng()\n\tnowhere\nh()",
                &["T: m", "  f()|a.go|7", "  g()|a.go|7", "  h()|a.go|7"],
            ),
            ("T: m\ngoroutine 1 [running]:", &["T: m", "  ||0"]),
            ("T: m\ngoroutine 1 [outrunning]:\n\ta.go:7", &["T: m", "  goroutine 1 [outrunning]:|a.go|7"]),
            ("T: m\nf()\n\tx::y z:q C:/a.go:12:5", &["T: m", "  f()|/a.go|12"]),
        ] {
            assert_eq!(parsed(parse, trace), expected, "{trace}");
        }
    }
}
