//! A place in a line, and the words that both formats have.

/// What is left of a line.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a str);

/// How labels are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Blanks between words, and a comma after the last label.
    Loose,
    /// Neither.
    Strict,
}

impl<'a> Cursor<'a> {
    pub(super) const fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    pub(super) fn take(&mut self, expected: &str) -> bool {
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// What comes before the first character that `ends`; may be empty.
    pub(super) fn until(&mut self, ends: impl FnMut(char) -> bool) -> &'a str {
        let (word, rest) = self.0.split_at(self.0.find(ends).unwrap_or(self.0.len()));
        self.0 = rest;
        word
    }

    pub(super) fn metric_name(&mut self) -> Option<&'a str> {
        self.name(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
    }

    fn name(&mut self, is_part: impl Fn(u8) -> bool) -> Option<&'a str> {
        let length = self.0.bytes().position(|byte| !is_part(byte)).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at_checked(length)?;
        if name.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        Some(name)
    }

    /// A metric's name, and labels in braces if they follow: all of it as it is written.
    pub(super) fn series(&mut self, style: Style) -> Result<&'a str, &'static str> {
        let begin = self.0;
        if begin.starts_with(['{', '"']) {
            return Err("a name in braces or quotes is not taken");
        }
        self.metric_name().ok_or("a metric name is missing")?;
        let mut length = begin.len() - self.0.len();
        if style == Style::Loose {
            self.skip_blanks();
        }
        if self.0.starts_with('{') {
            self.labels(style)?;
            length = begin.len() - self.0.len();
        }
        Ok(begin.get(..length).unwrap_or_default())
    }

    /// Labels in braces, as they are written.
    pub(super) fn labels(&mut self, style: Style) -> Result<&'a str, &'static str> {
        let begin = self.0;
        if !self.take("{") {
            return Err("{ is missing before labels");
        }
        let mut is_first = true;
        loop {
            self.blanks(style);
            if self.take("}") {
                return Ok(begin.get(..begin.len() - self.0.len()).unwrap_or_default());
            }
            if !is_first {
                if !self.take(",") {
                    return Err("a comma or } is missing after a label");
                }
                self.blanks(style);
                if style == Style::Loose && self.0.starts_with('}') {
                    continue;
                }
            }
            is_first = false;
            self.label(style)?;
        }
    }

    fn label(&mut self, style: Style) -> Result<(), &'static str> {
        if self.0.starts_with('"') {
            return Err("a name in braces or quotes is not taken");
        }
        self.name(|byte| byte.is_ascii_alphanumeric() || byte == b'_').ok_or("a label name is missing")?;
        self.blanks(style);
        if !self.take("=") {
            return Err("= is missing after a label name");
        }
        self.blanks(style);
        if !self.take("\"") {
            return Err("a label value is not in quotes");
        }
        let mut escaped = false;
        let end = self.0.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        });
        self.0 = end.and_then(|end| self.0.get(end + 1..)).ok_or("a label value has no end")?;
        Ok(())
    }

    fn blanks(&mut self, style: Style) {
        if style == Style::Loose {
            self.skip_blanks();
        }
    }
}

/// A value, as Go reads it. Ordinary NaNs are one.
pub(super) fn number(word: &str) -> Result<f64, &'static str> {
    const WHAT: &str = "a value is no number";
    if word.is_empty() {
        return Err("a value is missing");
    }
    let number: f64 = word.parse().map_err(|_| WHAT)?;
    let letters = word.trim_start_matches(['+', '-']);
    let is_named = letters.starts_with(|first: char| first.is_ascii_alphabetic());
    if number.is_nan() {
        return if letters.len() == word.len() { Ok(f64::NAN) } else { Err(WHAT) };
    }
    // Beyond the range.
    if number.is_infinite() && !is_named { Err(WHAT) } else { Ok(number) }
}
