//! One line: `name:value|type`, then any of `|@rate`, `|#tags`, `|c:container`, `|Tseconds`.

use super::{
    Refusal,
    tags::{Tags, cut},
};

/// What a container id is called among the tags, as the collector has it.
const CONTAINER: &str = "container.id";

/// A heavier line couldn't be counted exactly.
const MAX_WEIGHT: f64 = 9_007_199_254_740_992.0;

/// What a line's value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `c`: adds to a sum.
    Counter,
    /// `g`: is the value, or changes it.
    Gauge,
    /// `ms`: one of many, in milliseconds.
    Timer,
    /// `h` and `d`: one of many, in any unit.
    Distribution,
    /// `s`: a member of a set.
    Set,
}

/// A line that is well formed.
#[derive(Debug)]
pub struct Line<'a> {
    /// What is measured.
    pub name: &'a str,
    /// What its values do.
    pub kind: Type,
    /// For how many events each value stands: one divided by the sample rate.
    pub weight: f64,
    pub(super) tags: Tags<'a>,
    value: &'a str,
    first: Value,
}

/// A number of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// It is finite.
    pub number: f64,
    /// It was sent with a sign, so a gauge changes by it.
    pub is_relative: bool,
}

/// The lines of a datagram, without what ends them; those that are empty are passed over.
pub fn lines(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    datagram.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty())
}

impl<'a> Line<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// Why it can't be taken.
    pub fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        Self::parse_into(line, Tags::default())
    }

    /// As [`Self::parse`], with memory for tags.
    pub(super) fn parse_into(line: &'a [u8], tags: Tags<'a>) -> Result<Self, Refusal> {
        let text = str::from_utf8(line).map_err(|_| Refusal::Encoding)?;
        let (head, Some(rest)) = cut(text, b'|') else { return Err(unlike_a_metric(text)) };
        let (name, Some(value)) = cut(head, b':') else { return Err(unlike_a_metric(text)) };
        if name.is_empty() || value.is_empty() {
            return Err(Refusal::Malformed("its name or its value is empty"));
        }
        if text.starts_with("_e{") {
            return Err(Refusal::Event);
        }
        let (kind_text, mut rest) = cut(rest, b'|');
        let kind = kind(kind_text)?;
        let mut line = Self { name, kind, weight: 1.0, tags, value, first: Value::ZERO };
        while let Some(parts) = rest {
            let (part, others) = cut(parts, b'|');
            line.extend(part)?;
            rest = others;
        }
        line.check_values()?;
        Ok(line)
    }

    /// Takes one of the parts after the type.
    fn extend(&mut self, part: &'a str) -> Result<(), Refusal> {
        if let Some(rate) = part.strip_prefix('@') {
            self.weight = weight(rate)?;
        } else if let Some(tags) = part.strip_prefix('#') {
            self.tags.read(tags)?;
        } else if let Some(container) = part.strip_prefix("c:") {
            self.tags.set(CONTAINER, container)?;
        } else if let Some(seconds) = part.strip_prefix('T') {
            let is_whole = seconds.parse::<u64>().is_ok();
            if !is_whole || !matches!(self.kind, Type::Counter | Type::Gauge) {
                return Err(Refusal::Timestamp);
            }
        } else if !(part.is_empty() || part.starts_with("e:") || part.starts_with("card:")) {
            return Err(Refusal::Malformed(
                "one of its parts is neither @rate, #tags, c:container nor Tseconds",
            ));
        }
        Ok(())
    }

    /// Checks all values, so that a line counts as a whole or not at all.
    fn check_values(&mut self) -> Result<(), Refusal> {
        if self.kind == Type::Set {
            return Ok(());
        }
        let (first, others) = cut(self.value, b':');
        self.first = self.checked(first)?;
        others.map_or(Ok(()), |others| others.split(':').try_for_each(|text| self.checked(text).map(|_| ())))
    }

    fn checked(&self, text: &str) -> Result<Value, Refusal> {
        let value = Value::parse(text).ok_or(Refusal::Value)?;
        if self.kind == Type::Counter && value.number < 0.0 {
            return Err(Refusal::NegativeCounter);
        }
        if !(value.number * self.weight).is_finite() {
            return Err(Refusal::Value);
        }
        Ok(value)
    }

    /// The numbers of a line, in order; none of a set.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        let has_numbers = self.kind != Type::Set;
        let others = if has_numbers { cut(self.value, b':').1 } else { None };
        let others = others.into_iter().flat_map(|others| others.split(':').filter_map(Value::parse));
        has_numbers.then_some(self.first).into_iter().chain(others)
    }

    /// The member of a set.
    #[must_use]
    pub const fn member(&self) -> &'a str {
        self.value
    }
}

impl Value {
    const ZERO: Self = Self { number: 0.0, is_relative: false };

    fn parse(text: &str) -> Option<Self> {
        let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
        Some(Self { number, is_relative: text.starts_with(['+', '-']) })
    }
}

fn kind(text: &str) -> Result<Type, Refusal> {
    match text {
        "c" => Ok(Type::Counter),
        "g" => Ok(Type::Gauge),
        "ms" => Ok(Type::Timer),
        "h" | "d" => Ok(Type::Distribution),
        "s" => Ok(Type::Set),
        _ => Err(Refusal::Type),
    }
}

/// A rate outside of 0 to 1 says nothing, as in the collector.
fn weight(rate: &str) -> Result<f64, Refusal> {
    let rate: f64 = rate.parse().map_err(|_| Refusal::Rate)?;
    let weight = if rate > 0.0 && rate < 1.0 { 1.0 / rate } else { 1.0 };
    if rate.is_finite() && weight <= MAX_WEIGHT { Ok(weight) } else { Err(Refusal::Rate) }
}

/// What `text` is, if it has no `name:value|`.
fn unlike_a_metric(text: &str) -> Refusal {
    if text.starts_with("_e{") {
        Refusal::Event
    } else if text.starts_with("_sc|") {
        Refusal::ServiceCheck
    } else {
        Refusal::Malformed("it does not begin with name:value|type")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Line<'_>, &'static str> {
        Line::parse(text.as_bytes()).map_err(Refusal::name)
    }

    fn numbers(text: &str) -> Vec<(f64, bool)> {
        parse(text).unwrap().values().map(|value| (value.number, value.is_relative)).collect()
    }

    fn tags<'a>(line: &'a Line<'_>) -> Vec<(&'a str, &'a str)> {
        line.tags.as_slice().iter().map(|tag| (tag.name, tag.value)).collect()
    }

    #[test]
    fn a_line_says_name_values_type_weight_and_tags() {
        let line = parse("shop.orders:2|c|@0.5|#payment:card,env:prod|c:abc|T1700000000").unwrap();
        assert_eq!((line.name, line.kind, line.weight), ("shop.orders", Type::Counter, 2.0));
        assert_eq!(tags(&line), [("container.id", "abc"), ("env", "prod"), ("payment", "card")]);
        for (kind, want) in [
            ("c", Type::Counter),
            ("g", Type::Gauge),
            ("ms", Type::Timer),
            ("h", Type::Distribution),
            ("d", Type::Distribution),
            ("s", Type::Set),
        ] {
            assert_eq!(parse(&format!("n:1|{kind}")).unwrap().kind, want);
        }
    }

    #[test]
    fn values_come_in_many_forms_and_several_at_once() {
        assert_eq!(numbers("n:0.25|ms"), [(0.25, false)]);
        assert_eq!(numbers("n:1e3|c"), [(1000.0, false)]);
        assert_eq!(numbers("n:+2|g"), [(2.0, true)]);
        assert_eq!(numbers("n:1:-2:3.5|g"), [(1.0, false), (-2.0, true), (3.5, false)]);
        let set = parse("users:a:b|s").unwrap();
        assert_eq!((set.member(), set.values().count()), ("a:b", 0), "a set's value is text");
    }

    #[test]
    fn a_rate_outside_of_0_to_1_says_nothing() {
        for (rate, weight) in [("0.1", 10.0), ("1", 1.0), ("2", 1.0), ("0", 1.0), ("-0.5", 1.0)] {
            assert_eq!(parse(&format!("n:1|c|@{rate}")).unwrap().weight, weight, "{rate}");
        }
    }

    #[test]
    fn what_newer_clients_add_is_passed_over() {
        let line = parse("n:1|c||e:it-false,cn-web|card:low|#a:1").unwrap();
        assert_eq!(tags(&line), [("a", "1")]);
    }

    #[test]
    fn every_fault_has_its_reason() {
        for (text, reason) in [
            ("n", "malformed"),
            ("n:1", "malformed"),
            ("n|c", "malformed"),
            (":1|c", "malformed"),
            ("n:|c", "malformed"),
            ("n:|s", "malformed"),
            ("a|b:1|c", "malformed"),
            ("n:1|c|x", "malformed"),
            ("n:1|c|0.1", "malformed"),
            ("n:1|", "type"),
            ("n:1|C", "type"),
            ("n:1|x", "type"),
            ("n:one|g", "value"),
            ("n:nan|g", "value"),
            ("n:inf|ms", "value"),
            ("n:-Infinity|g", "value"),
            ("n:1e999|g", "value"),
            ("n:1:x|ms", "value"),
            ("n:1:|ms", "value"),
            ("n:1e308|h|@0.01", "value"),
            ("n:-1|c", "negative_counter"),
            ("n:1:-1|c", "negative_counter"),
            ("n:1|c|@", "rate"),
            ("n:1|c|@x", "rate"),
            ("n:1|c|@nan", "rate"),
            ("n:1|c|@1e-300", "rate"),
            ("n:1|c|#:x", "tag"),
            ("n:1|c|Tsoon", "timestamp"),
            ("n:1|ms|T1700000000", "timestamp"),
            ("_e{5,4}:title|text", "event"),
            ("_e{5,4}:title|c", "event"),
            ("_sc|db|0", "service_check"),
        ] {
            assert_eq!(parse(text).err(), Some(reason), "{text}");
        }
        assert_eq!(Line::parse(b"n\xff:1|c").unwrap_err(), Refusal::Encoding);
    }

    #[test]
    fn a_datagram_is_cut_into_lines_without_their_ends() {
        let got: Vec<_> = lines(b"a:1|c\r\n\n  \nb:2|c \t\r\n c").collect();
        assert_eq!(got, [&b"a:1|c"[..], b"b:2|c", b" c"]);
        assert_eq!(lines(b"").count(), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in "[a-z_.]{1,12}",
            value in -1e12..1e12f64,
            rate in prop::option::of(0.001..1.0f64),
            names in prop::collection::btree_map("[a-z]{1,4}", "[a-z0-9:/]{1,8}", 0..6),
        ) {
            let written: Vec<String> = names.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            let rate_part = rate.map(|rate| format!("|@{rate}")).unwrap_or_default();
            let text = format!("{name}:{value}|ms{rate_part}|#{}", written.join(","));
            let line = parse(&text).unwrap();
            prop_assert_eq!(line.name, name);
            prop_assert_eq!(line.weight, rate.map_or(1.0, |rate| 1.0 / rate));
            prop_assert_eq!(line.values().map(|value| value.number).collect::<Vec<_>>(), [value]);
            let want: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(tags(&line), want);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b":|@#cgmshd,\n01T_e{"[..])], 0..60)) {
            for line in lines(&bytes) {
                if let Ok(line) = Line::parse(line) {
                    prop_assert!(line.values().all(|value| value.number.is_finite()));
                    prop_assert!(line.kind == Type::Set || line.values().next().is_some());
                }
            }
        }
    }
}
