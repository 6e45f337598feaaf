//! The text format, version 0.0.4.

use super::{
    Reader, Sample,
    cursor::{Cursor, Style, number},
    kind,
};
use crate::{scrapes::Format, units::UnixMillis};

pub(super) fn read<'a>(text: &'a str, reader: &mut Reader<'a>) -> Result<(), &'static str> {
    for (index, line) in text.split('\n').enumerate() {
        reader.line = index + 1;
        let mut line = Cursor(line);
        line.skip_blanks();
        if line.is_at_end() {
        } else if line.take("#") {
            reader.comment(line)?;
        } else {
            let sample = sample(line, reader.line)?;
            reader.exposition.samples.push(sample);
        }
    }
    Ok(())
}

impl<'a> Reader<'a> {
    /// `HELP` and `TYPE` tell of a metric; all other comments mean nothing.
    fn comment(&mut self, mut line: Cursor<'a>) -> Result<(), &'static str> {
        let begin = line.0.len();
        line.skip_blanks();
        let is_apart = line.0.len() < begin;
        let word = line.until(|c| c == ' ' || c == '\t');
        if !is_apart || line.is_at_end() || !["HELP", "TYPE"].contains(&word) {
            return Ok(());
        }
        line.skip_blanks();
        let name = line.metric_name().ok_or("a metric name is missing after HELP or TYPE")?;
        let family = self.exposition.families.entry(name).or_default();
        let text = match line.0.strip_prefix([' ', '\t']) {
            Some(text) => text,
            None if line.is_at_end() => "",
            None => return Err("a metric name in HELP or TYPE has a character that none can have"),
        };
        match word {
            "TYPE" => family.kind = Some(kind(text, Format::Text)?),
            _ => family.help = text,
        }
        Ok(())
    }
}

fn sample(mut line: Cursor<'_>, number_of_line: usize) -> Result<Sample<'_>, &'static str> {
    let series = line.series(Style::Loose)?;
    line.skip_blanks();
    let value = number(line.until(|c| matches!(c, ' ' | '\t' | '{')))?;
    line.skip_blanks();
    let time = line.until(|c| c == ' ' || c == '\t');
    line.skip_blanks();
    if !line.is_at_end() {
        return Err("something comes after the timestamp");
    }
    let at = match time {
        "" => None,
        time => Some(UnixMillis(time.parse().map_err(|_| "a timestamp is no whole number")?)),
    };
    Ok(Sample { series, value, at, exemplar: None, line: number_of_line })
}

#[cfg(test)]
mod tests {
    use super::super::{Family, Format::Text, SyntaxError, parse};
    use crate::series::MetricKind;

    #[test]
    fn samples_and_what_is_told_of_them() {
        let text = "# HELP a.b\n# a comment\n#TYPE a nonsense\n\n# HELP http_total The \\\\ and \\n.\n\
            # TYPE http_total counter\nhttp_total{code=\"200\",path=\"/\\\"\"} 1027 1395066363000\n \t x\t{ } -Inf\n\
            { = \"";
        let text = text.replace("# HELP a.b\n", "").replace("{ = \"", "y{ a = \"b\" , } .5e1 -7 ");
        let read = parse(text.as_bytes(), Text).unwrap();
        let samples: Vec<_> =
            read.samples.iter().map(|s| (s.series, s.value, s.at.map(|at| at.0), s.line)).collect();
        assert_eq!(
            samples,
            [
                (r#"http_total{code="200",path="/\""}"#, 1027.0, Some(1_395_066_363_000), 6),
                ("x\t{ }", f64::NEG_INFINITY, None, 7),
                (r#"y{ a = "b" , }"#, 5.0, Some(-7), 8),
            ]
        );
        let want = Family { kind: Some(MetricKind::Counter), help: r"The \\ and \n.", unit: "" };
        assert_eq!(read.families.into_iter().collect::<Vec<_>>(), [("http_total", want)]);
        assert!(parse(b"", Text).unwrap().samples.is_empty());
    }

    #[test]
    fn a_value_is_what_go_takes_for_one() {
        for (word, want) in [
            ("1", Some(1.0)),
            ("+1.", Some(1.0)),
            ("1e3", Some(1000.0)),
            ("+Inf", Some(f64::INFINITY)),
            ("-infinity", Some(f64::NEG_INFINITY)),
            ("1e-999", Some(0.0)),
            ("1e999", None),
            ("0x1p3", None),
            ("1_000", None),
            ("+NaN", None),
            ("one", None),
            ("1\r", None),
        ] {
            let read = parse(format!("a {word}\n").as_bytes(), Text).map(|read| read.samples[0].value);
            assert_eq!(read.ok(), want, "{word}");
        }
        let nan = parse(b"a NaN", Text).unwrap().samples[0].value;
        assert_eq!(nan.to_bits(), f64::NAN.to_bits());
    }

    #[test]
    fn the_first_bad_line_is_named() {
        for (line, want) in [
            ("a", "a value is missing"),
            ("a{b=\"c\"}", "a value is missing"),
            ("a 1 2 3", "something comes after the timestamp"),
            ("a 1 x", "a timestamp is no whole number"),
            ("a 1 1.5", "a timestamp is no whole number"),
            ("9a 1", "a metric name is missing"),
            ("a-b 1", "a value is no number"),
            ("{a=\"b\"} 1", "a name in braces or quotes is not taken"),
            ("{\"a.b\"} 1", "a name in braces or quotes is not taken"),
            ("a{\"b.c\"=\"d\"} 1", "a name in braces or quotes is not taken"),
            ("a{b=\"c\" d=\"e\"} 1", "a comma or } is missing after a label"),
            ("a{b=\"c\"", "a comma or } is missing after a label"),
            ("a{,} 1", "a label name is missing"),
            ("a{b=\"c\",,} 1", "a label name is missing"),
            ("a{b} 1", "= is missing after a label name"),
            ("a{b=c} 1", "a label value is not in quotes"),
            ("a{b=\"c\\\"} 1", "a label value has no end"),
            ("a{b:c=\"d\"} 1", "= is missing after a label name"),
            ("# TYPE a count", "TYPE names no type of metric"),
            ("# TYPE a  counter", "TYPE names no type of metric"),
            ("# TYPE a", "TYPE names no type of metric"),
            ("# HELP 9a text", "a metric name is missing after HELP or TYPE"),
            ("# HELP a-b text", "a metric name in HELP or TYPE has a character that none can have"),
        ] {
            let text = format!("first 1\n{line}\nlast\n");
            let error = parse(text.as_bytes(), Text).unwrap_err();
            assert_eq!(error, SyntaxError { line: 2, what: want, samples_before: 1 }, "{line}");
        }
    }
}
