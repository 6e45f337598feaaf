//! What a Prometheus target exposes: the text format, version 0.0.4, and OpenMetrics, version 1.0.0
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! As strict as Prometheus: one bad line fails the scrape. Names in quotes, which newer formats have, are refused: the
//! agent doesn't ask for them, and Amazon Managed Prometheus doesn't take them.
//!
//! A [`Sample`] keeps its series as text, so that whoever knows the text needs no labels.

mod cursor;
mod labels;
mod openmetrics;
mod text;

use foldhash::HashMap;
pub(crate) use labels::unescaped;
pub use labels::{Labels, metric};

use crate::{scrapes::Format, series::MetricKind, units::UnixMillis};

/// A text, read.
#[derive(Debug, Default)]
pub struct Exposition<'a> {
    /// In the order in which they came.
    pub samples: Vec<Sample<'a>>,
    /// What is told of metrics, by name.
    pub families: HashMap<&'a str, Family<'a>>,
}

/// One line with a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The series as it is written: the metric's name, and its labels in braces if there are any.
    pub series: &'a str,
    /// The value.
    pub value: f64,
    /// When, if the target says so.
    pub at: Option<UnixMillis>,
    /// An example of what is counted. OpenMetrics alone has any.
    pub exemplar: Option<Exemplar<'a>>,
    /// The number of the line, from 1.
    pub line: usize,
}

/// An example of what is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// All of it as it is written.
    pub text: &'a str,
    /// Its labels in braces.
    pub labels: &'a str,
    /// The example.
    pub value: f64,
    /// When, if the target says so.
    pub at: Option<UnixMillis>,
}

/// What is told of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Family<'a> {
    /// `TYPE`; `None` where it is not told.
    pub kind: Option<MetricKind>,
    /// `HELP`, as it is written: escaped.
    pub help: &'a str,
    /// `UNIT`, which the name ends in.
    pub unit: &'a str,
}

/// A line is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
    /// How many samples came before.
    pub samples_before: usize,
}

/// What has been read, and where.
#[derive(Default)]
struct Reader<'a> {
    exposition: Exposition<'a>,
    line: usize,
}

/// Reads a text.
///
/// # Errors
/// [`SyntaxError`] names the first line that is wrong.
pub fn parse(text: &[u8], format: Format) -> Result<Exposition<'_>, SyntaxError> {
    let not_text = std::str::from_utf8(text).err().map(|error| error.valid_up_to());
    let good = text.get(..not_text.unwrap_or(text.len())).and_then(|good| std::str::from_utf8(good).ok());
    let good = good.unwrap_or_default();
    let mut reader = Reader::default();
    let read = match format {
        Format::Text => text::read(good, &mut reader),
        Format::OpenMetrics => openmetrics::read(good, &mut reader),
    };
    let fault = match (read, not_text) {
        (Err(what), None) => Some((reader.line, what)),
        (Ok(()), None) => None,
        (read, Some(_)) => {
            let line = 1 + good.matches('\n').count();
            let earlier = read.err().filter(|_| reader.line < line);
            Some(earlier.map_or((line, "the text is not UTF-8"), |what| (reader.line, what)))
        }
    };
    match fault {
        None => Ok(reader.exposition),
        Some((line, what)) => {
            let samples = reader.exposition.samples.iter().filter(|sample| sample.line < line);
            Err(SyntaxError { line, what, samples_before: samples.count() })
        }
    }
}

/// The kind of metric that `TYPE` names.
fn kind(word: &str, format: Format) -> Result<MetricKind, &'static str> {
    Ok(match (word, format) {
        ("counter", _) => MetricKind::Counter,
        ("gauge", _) => MetricKind::Gauge,
        ("histogram", _) => MetricKind::Histogram,
        ("summary", _) => MetricKind::Summary,
        ("untyped", Format::Text) | ("unknown", Format::OpenMetrics) => MetricKind::Unknown,
        ("gaugehistogram", Format::OpenMetrics) => MetricKind::GaugeHistogram,
        ("info", Format::OpenMetrics) => MetricKind::Info,
        ("stateset", Format::OpenMetrics) => MetricKind::StateSet,
        _ => return Err("TYPE names no type of metric"),
    })
}

#[cfg(test)]
mod tests {
    use super::{Format::*, *};

    fn error(text: &[u8], format: Format) -> (usize, &'static str, usize) {
        let SyntaxError { line, what, samples_before } = parse(text, format).unwrap_err();
        (line, what, samples_before)
    }

    #[test]
    fn a_text_that_is_not_utf8_fails_there_unless_an_earlier_line_does() {
        assert_eq!(error(b"a 1\nb{c=\"\xff\"} 1\n", Text), (2, "the text is not UTF-8", 1));
        assert_eq!(error(b"a 1\n\xff", OpenMetrics), (2, "the text is not UTF-8", 1));
        assert_eq!(error(b"a\nb \xff\n", Text), (1, "a value is missing", 0));
        assert_eq!(error(b"# HELP a \xc3\n", Text).0, 1);
    }

    #[test]
    fn each_format_has_its_types() {
        for (word, text, open_metrics) in [
            ("counter", true, true),
            ("untyped", true, false),
            ("unknown", false, true),
            ("info", false, true),
            ("Counter", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                (kind(word, Text).is_ok(), kind(word, OpenMetrics).is_ok()),
                (text, open_metrics),
                "{word}"
            );
        }
    }
}
