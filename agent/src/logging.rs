//! The log: one line a record, to standard error. The container runtime adds the time.

use std::{
    fmt::{Display, Write as _},
    io::Write as _,
    str::FromStr,
    time::{Duration, Instant},
};

use log::{LevelFilter, Log, Metadata, Record, kv};
use serde_json::json;

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `INFO  message key=value`
    #[default]
    Text,
    /// `{"level":"INFO","message":"message","key":"value"}`
    Json,
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

struct Stderr(Format);

/// Sends log records of `level` and above to standard error.
pub fn init(level: LevelFilter, format: Format) {
    if log::set_boxed_logger(Box::new(Stderr(format))).is_ok() {
        log::set_max_level(level);
    }
}

/// Writes a line for people to standard error. A closed standard error is no reason to fail.
pub fn print_error(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        print_error(&match self.0 {
            Format::Text => text(record),
            Format::Json => json(record),
        });
    }

    fn flush(&self) {}
}

fn text(record: &Record<'_>) -> String {
    let mut line = format!("{:5} {}", record.level(), record.args());
    let _ = record.key_values().visit(&mut Fields(&mut line));
    line
}

fn json(record: &Record<'_>) -> String {
    let mut members = Members(String::new());
    members.add("level", record.level());
    members.add("message", record.args());
    let _ = record.key_values().visit(&mut members);
    format!("{{{}}}", members.0)
}

/// The members of a JSON object, all of them texts.
struct Members(String);

impl Members {
    fn add(&mut self, name: &str, value: impl Display) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{}:{}", json!(name), json!(value.to_string()));
    }
}

impl<'kvs> kv::VisitSource<'kvs> for Members {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.add(key.as_str(), value);
        Ok(())
    }
}

/// Appends ` key=value` for each field; a value with spaces or control characters is quoted, so that a line stays one.
struct Fields<'a>(&'a mut String);

impl<'kvs> kv::VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let value = value.to_string();
        let quote =
            value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
        let _ = if quote { write!(self.0, " {key}={value:?}") } else { write!(self.0, " {key}={value}") };
        Ok(())
    }
}

/// Lets through one line in a while, so that a flood of events is no flood of lines.
#[derive(Debug)]
pub struct Throttle {
    every: Duration,
    open_at: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Lets through one line in each `every`.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, open_at: None, suppressed: 0 }
    }

    /// If a line may be written now: how many were suppressed since the last.
    pub fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.open_at.is_some_and(|open_at| now < open_at) {
            self.suppressed += 1;
            return None;
        }
        self.open_at = Some(now + self.every);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_with_a_count() {
        let (mut throttle, start) = (Throttle::new(Duration::from_secs(10)), Instant::now());
        assert_eq!(throttle.pass(start), Some(0));
        assert_eq!(throttle.pass(start), None);
        assert_eq!(throttle.pass(start + Duration::from_secs(9)), None);
        assert_eq!(throttle.pass(start + Duration::from_secs(10)), Some(2));
    }

    #[test]
    fn a_record_is_one_line_of_text_or_json() {
        let fields = [("address", "127.0.0.1:4318"), ("why", "a \"b\"\n")];
        let record = |format: fn(&Record<'_>) -> String| {
            format(
                &Record::builder()
                    .level(log::Level::Warn)
                    .args(format_args!("it's \"so\""))
                    .key_values(&fields)
                    .build(),
            )
        };
        assert_eq!(record(text), r#"WARN  it's "so" address=127.0.0.1:4318 why="a \"b\"\n""#);
        let want = r#"{"level":"WARN","message":"it's \"so\"","address":"127.0.0.1:4318","why":"a \"b\"\n"}"#;
        assert_eq!(record(json), want);
    }

    #[test]
    fn a_field_never_breaks_the_line() {
        let fields = [("peer", "127.0.0.1:9"), ("error", "two words\nand a break")];
        let mut line = "refused".to_owned();
        kv::Source::visit(&fields, &mut Fields(&mut line)).unwrap();
        assert_eq!(line, "refused peer=127.0.0.1:9 error=\"two words\\nand a break\"");
    }
}
