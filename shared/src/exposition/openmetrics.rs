//! OpenMetrics, version 1.0.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use super::{
    Exemplar, Reader, Sample,
    cursor::{Cursor, Style, number},
    kind,
};
use crate::{scrapes::Format, units::UnixMillis};

pub(super) fn read<'a>(text: &'a str, reader: &mut Reader<'a>) -> Result<(), &'static str> {
    let mut rest = text;
    loop {
        reader.line += 1;
        let Some((line, after)) = rest.split_once('\n') else {
            return if rest == "# EOF" { Ok(()) } else { Err("the text does not end with # EOF") };
        };
        rest = after;
        match line.strip_prefix("# ") {
            Some("EOF") if rest.is_empty() => return Ok(()),
            Some("EOF") => {
                reader.line += 1;
                return Err("something comes after # EOF");
            }
            Some(comment) => reader.metadata(Cursor(comment))?,
            None => {
                let sample = sample(Cursor(line), reader.line)?;
                reader.exposition.samples.push(sample);
            }
        }
    }
}

impl<'a> Reader<'a> {
    fn metadata(&mut self, mut line: Cursor<'a>) -> Result<(), &'static str> {
        let word = line.until(|c| c == ' ');
        if !["HELP", "TYPE", "UNIT"].contains(&word) {
            return Err("a comment is none of HELP, TYPE, UNIT and EOF");
        }
        line.take(" ");
        let name = line.metric_name().ok_or("a metric name is missing after HELP, TYPE or UNIT")?;
        if !line.is_at_end() && !line.take(" ") {
            return Err("a metric name in HELP, TYPE or UNIT has a character that none can have");
        }
        let family = self.exposition.families.entry(name).or_default();
        match word {
            "TYPE" => family.kind = Some(kind(line.0, Format::OpenMetrics)?),
            "UNIT" => family.unit = unit(name, line.0)?,
            _ => family.help = line.0,
        }
        Ok(())
    }
}

/// A name ends in its unit.
fn unit<'a>(name: &str, unit: &'a str) -> Result<&'a str, &'static str> {
    let before = name.strip_suffix(unit).and_then(|before| before.strip_suffix('_'));
    if unit.is_empty() || before.is_some() { Ok(unit) } else { Err("a metric name does not end in its UNIT") }
}

fn sample(mut line: Cursor<'_>, number_of_line: usize) -> Result<Sample<'_>, &'static str> {
    let series = line.series(Style::Strict)?;
    let value = word(&mut line).ok_or("a value is missing").and_then(number)?;
    let mut at = None;
    if !line.0.starts_with(" # {") {
        at = word(&mut line).map(seconds).transpose()?;
    }
    let exemplar = line.take(" # ").then(|| exemplar(&mut line)).transpose()?;
    if line.is_at_end() {
        Ok(Sample { series, value, at, exemplar, line: number_of_line })
    } else {
        Err("something comes after the timestamp")
    }
}

fn exemplar<'a>(line: &mut Cursor<'a>) -> Result<Exemplar<'a>, &'static str> {
    let text = line.0;
    let labels = line.labels(Style::Strict)?;
    let value = word(line).ok_or("an exemplar's value is missing").and_then(number)?;
    let at = word(line).map(seconds).transpose()?;
    Ok(Exemplar { text, labels, value, at })
}

/// What comes after one blank.
fn word<'a>(line: &mut Cursor<'a>) -> Option<&'a str> {
    let mut after = *line;
    let word = Some(after.take(" ").then(|| after.until(|c| c == ' '))?).filter(|word| !word.is_empty())?;
    *line = after;
    Some(word)
}

#[expect(clippy::cast_possible_truncation, reason = "a time that no receiver takes stays one")]
fn seconds(word: &str) -> Result<UnixMillis, &'static str> {
    let seconds = number(word).ok().filter(|seconds| seconds.is_finite());
    seconds.map(|seconds| UnixMillis((seconds * 1000.0) as i64)).ok_or("a timestamp is no number")
}

#[cfg(test)]
mod tests {
    use super::super::{Exemplar, Family, Format::OpenMetrics, SyntaxError, parse};
    use crate::{series::MetricKind, units::UnixMillis};

    #[test]
    fn samples_exemplars_and_what_is_told_of_them() {
        let text = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Some help.\n\
            a_seconds_total{b=\"c\\\\\"} 5 1520879607.789 # {trace_id=\"1\",} 0.5 1520879607.1\n"
            .replace(",}", "}")
            + "x 1 # {} 2\n# TYPE e info\n# HELP e\n# EOF";
        let read = parse(text.as_bytes(), OpenMetrics).unwrap();
        let exemplar = Exemplar {
            text: "{trace_id=\"1\"} 0.5 1520879607.1",
            labels: "{trace_id=\"1\"}",
            value: 0.5,
            at: Some(UnixMillis(1_520_879_607_100)),
        };
        assert_eq!((read.samples[0].series, read.samples[0].value), ("a_seconds_total{b=\"c\\\\\"}", 5.0));
        assert_eq!(
            (read.samples[0].at, read.samples[0].exemplar),
            (Some(UnixMillis(1_520_879_607_789)), Some(exemplar))
        );
        let second = read.samples[1].exemplar.unwrap();
        assert_eq!((second.labels, second.value, second.at, read.samples[1].line), ("{}", 2.0, None, 5));
        let seconds = Family { kind: Some(MetricKind::Counter), help: "Some help.", unit: "seconds" };
        assert_eq!(read.families["a_seconds"], seconds);
        assert_eq!(read.families["e"], Family { kind: Some(MetricKind::Info), ..Family::default() });
        assert!(parse(b"# EOF\n", OpenMetrics).unwrap().samples.is_empty());
    }

    #[test]
    fn the_first_bad_line_is_named() {
        for (line, want) in [
            ("", "a metric name is missing"),
            (" a 1", "a metric name is missing"),
            ("a", "a value is missing"),
            ("a  1", "a value is missing"),
            ("a\t1", "a value is missing"),
            ("a {b=\"c\"} 1", "a value is no number"),
            ("a{b=\"c\",} 1", "a label name is missing"),
            ("a{b=\"c\", d=\"e\"} 1", "a label name is missing"),
            ("a 1 x", "a timestamp is no number"),
            ("a 1 NaN", "a timestamp is no number"),
            ("a 1 2 3", "something comes after the timestamp"),
            ("a 1 ", "something comes after the timestamp"),
            ("a 1 # {} ", "an exemplar's value is missing"),
            ("a 1 # {} 1 x", "a timestamp is no number"),
            ("a 1 # {b=\"c\" 1", "a comma or } is missing after a label"),
            ("a 1 2 # 3", "{ is missing before labels"),
            ("# a comment", "a comment is none of HELP, TYPE, UNIT and EOF"),
            ("#", "a metric name is missing"),
            ("# TYPE a untyped", "TYPE names no type of metric"),
            ("# UNIT a seconds", "a metric name does not end in its UNIT"),
            ("# UNIT aseconds seconds", "a metric name does not end in its UNIT"),
            ("# HELP  a", "a metric name is missing after HELP, TYPE or UNIT"),
        ] {
            let text = format!("first 1\n{line}\nlast\n");
            let error = parse(text.as_bytes(), OpenMetrics).unwrap_err();
            assert_eq!(error, SyntaxError { line: 2, what: want, samples_before: 1 }, "{line}");
        }
    }

    #[test]
    fn the_end_is_marked() {
        for (text, line, what) in [
            ("", 1, "the text does not end with # EOF"),
            ("a 1\n", 2, "the text does not end with # EOF"),
            ("a 1\n# EOF \n", 2, "a comment is none of HELP, TYPE, UNIT and EOF"),
            ("a 1\n# EOF\na 2\n", 3, "something comes after # EOF"),
            ("a 1\n# EOF\n\n", 3, "something comes after # EOF"),
            ("a 1", 1, "the text does not end with # EOF"),
        ] {
            let error = parse(text.as_bytes(), OpenMetrics).unwrap_err();
            assert_eq!((error.line, error.what), (line, what), "{text:?}");
        }
    }
}
