//! Reads settings from any look-up of names (the environment in `main`, a map in tests), and reports every bad one
//! at once, each with what is accepted.

use std::{fmt, time::Duration};

/// Collects values and complaints while a configuration is read.
///
/// ```
/// use siphon_core::settings::{Settings, whole};
/// let mut s = Settings::new(|name| (name == "SIPHON_SAMPLE_SECONDS").then(|| "0".to_owned()));
/// let seconds = s.read("SIPHON_SAMPLE_SECONDS", 20, whole(1..=3600));
/// assert_eq!(seconds, 20); // the default stands in until `finish` reports
/// let errors = s.finish(()).unwrap_err().to_string();
/// assert!(errors.contains("SIPHON_SAMPLE_SECONDS") && errors.contains("a whole number from 1 to 3600"));
/// ```
pub struct Settings<L> {
    look_up: L,
    errors: Vec<SettingError>,
}

/// What a parser accepts, in words that complete "accepted: …".
pub struct Accepted(pub String);

impl<L: Fn(&str) -> Option<String>> Settings<L> {
    /// Reads from `look_up`, which gives the text under a name or `None`.
    pub const fn new(look_up: L) -> Self {
        Self { look_up, errors: Vec::new() }
    }

    /// The setting `name`, or `default` when it is unset or empty. A text that `parse` refuses is noted for
    /// [`Self::finish`] and `default` stands in.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, Accepted>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// The setting `name`, or `None` when it is unset, empty or (noted for [`Self::finish`]) refused by `parse`.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, Accepted>,
    ) -> Option<T> {
        let text = (self.look_up)(name)?;
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        parse(text).map_err(|Accepted(what)| self.refuse(name, format!("accepted: {what}"))).ok()
    }

    /// As [`Self::optional`], but unset is an error too.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, Accepted>,
    ) -> Option<T> {
        let before = self.errors.len();
        let value = self.optional(name, &parse);
        if value.is_none() && self.errors.len() == before {
            let what = parse("").err().map_or_else(|| "any text".to_owned(), |Accepted(what)| what);
            self.refuse(name, format!("is required; accepted: {what}"));
        }
        value
    }

    /// Notes a complaint that only several settings together give. Never quote a secret here.
    pub fn refuse(&mut self, name: &'static str, why: String) {
        self.errors.push(SettingError { name, why });
    }

    /// `value`, if no setting was refused.
    ///
    /// # Errors
    /// All refused settings.
    pub fn finish<T>(self, value: T) -> Result<T, SettingErrors> {
        if self.errors.is_empty() { Ok(value) } else { Err(SettingErrors(self.errors)) }
    }

    /// As [`Self::finish`], for a value that needs a [`Self::required`] setting: `None` only if that was refused.
    ///
    /// # Errors
    /// All refused settings.
    pub fn finish_required<T>(self, value: Option<T>) -> Result<T, SettingErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(SettingErrors(self.errors)),
        }
    }
}

/// Parses a whole number within `range`.
pub fn whole<T>(range: std::ops::RangeInclusive<T>) -> impl Fn(&str) -> Result<T, Accepted>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|n| range.contains(n))
            .ok_or_else(|| Accepted(format!("a whole number from {} to {}", range.start(), range.end())))
    }
}

/// Parses `true` or `false`.
///
/// # Errors
/// Any other text.
pub fn flag(text: &str) -> Result<bool, Accepted> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Accepted("true or false".to_owned())),
    }
}

/// Parses a duration within `range`: a whole number with a unit of `ms`, `s`, `m` or `h`.
pub fn duration(range: std::ops::RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Accepted> {
    move |text| {
        parse_duration(text).filter(|d| range.contains(d)).ok_or_else(|| {
            Accepted(format!(
                "a duration from {:?} to {:?}, such as 500ms, 20s or 1m",
                range.start(),
                range.end()
            ))
        })
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

/// Parses anything that is `FromStr`; `what` says what that is.
pub fn parsed<T: std::str::FromStr>(what: &'static str) -> impl Fn(&str) -> Result<T, Accepted> {
    move |text| text.parse().map_err(|_| Accepted(what.to_owned()))
}

/// Every setting that was refused.
#[derive(Debug)]
pub struct SettingErrors(Vec<SettingError>);

/// One refused setting. The refused text is not kept: it may be a secret.
#[derive(Debug)]
struct SettingError {
    name: &'static str,
    why: String,
}

impl fmt::Display for SettingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} setting(s) refused:", self.0.len())?;
        self.0.iter().try_for_each(|e| write!(f, "\n  {}: {}", e.name, e.why))
    }
}

impl std::error::Error for SettingErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &'static [(&'static str, &'static str)]) -> Settings<impl Fn(&str) -> Option<String>> {
        Settings::new(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn a_duration_has_a_unit_and_stays_in_range() {
        let parse = duration(Duration::from_millis(200)..=Duration::from_secs(3600));
        for (text, millis) in [("200ms", 200), ("20s", 20_000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse(text).ok(), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["199ms", "2h", "20", "s", "-1s", "1.5s", "20 s", "9999999999999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_bad_setting_is_reported_at_once_without_its_text() {
        let mut s = settings(&[("A", "no-number"), ("B", "7"), ("C", "perhaps"), ("D", "  ")]);
        s.read("A", 1u32, whole(1..=9));
        assert_eq!(s.read("B", 1u32, whole(1..=9)), 7);
        s.read("C", true, flag);
        assert_eq!(s.read("D", 5u32, whole(1..=9)), 5, "blank counts as unset");
        assert_eq!(s.required("E", whole(1..=9u32)), None);
        let text = s.finish(()).unwrap_err().to_string();
        assert_eq!(
            text,
            "3 setting(s) refused:\n  A: accepted: a whole number from 1 to 9\n  C: accepted: true or false\n  \
             E: is required; accepted: a whole number from 1 to 9"
        );
        assert!(!text.contains("no-number"));
    }
}
