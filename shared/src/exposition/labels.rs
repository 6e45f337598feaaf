//! The labels of a series, out of its text.

use std::borrow::Cow;

use super::cursor::Cursor;

/// The metric's name: what is before the labels.
#[must_use]
pub fn metric(series: &str) -> &str {
    series.split(['{', ' ', '\t']).next().unwrap_or_default()
}

/// The pairs of labels that are in braces at the end of a text, as a [`super::Sample`] or [`super::Exemplar`] has them.
#[derive(Clone, Copy)]
pub struct Labels<'a>(Cursor<'a>);

impl<'a> Labels<'a> {
    /// Of a series, or of labels in braces.
    #[must_use]
    pub fn of(series: &'a str) -> Self {
        Self(Cursor(series.split_once('{').map_or("", |(_, labels)| labels)))
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = &mut self.0;
        line.0 = line.0.trim_start_matches([' ', '\t', ',']);
        let name = line.until(|c| matches!(c, '=' | ' ' | '\t' | '}'));
        line.0 = line.0.split_once('"')?.1;
        let mut escaped = false;
        let value = line.until(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        });
        line.take("\"");
        Some((name, unescaped(value)))
    }
}

/// `\\`, `\"` and `\n` are a backslash, a quote and a line's end; other backslashes are themselves.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (character, taken) = match after.as_bytes().first() {
            Some(b'n') => ('\n', 1),
            Some(b'"') => ('"', 1),
            Some(b'\\') => ('\\', 1),
            _ => ('\\', 0),
        };
        plain.push(character);
        rest = after.get(taken..).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_apart_and_lose_their_escapes() {
        for (series, want) in [
            ("a", vec![]),
            ("a{}", vec![]),
            ("a { }", vec![]),
            (r#"a{b="c",d="}e{"}"#, vec![("b", "c"), ("d", "}e{")]),
            ("a { b = \"c\" ,\td=\"\" , }", vec![("b", "c"), ("d", "")]),
            (r#"{b="\\\"\n\x\\n"}"#, vec![("b", "\\\"\n\\x\\n")]),
        ] {
            let labels: Vec<_> = Labels::of(series).collect();
            let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(labels, want, "{series}");
            assert!(metric(series) == "a" || series.starts_with('{'), "{series}");
        }
    }
}
