//! Exemplars: examples of what a counter or histogram counted, with the trace in which it happened.

use super::{attributes::text, points::NANOS_PER_MILLI};
use crate::{
    otlp::{self, ExemplarValue},
    series::{Exemplar, Label},
    units::UnixMillis,
};

/// OpenMetrics allows this many characters in an exemplar's labels, names and values together.
const MAX_LABEL_CHARS: usize = 128;

/// One exemplar. Its attributes keep their keys, and are left out where there is no room for all of them.
pub(super) fn exemplar(given: &otlp::Exemplar) -> Exemplar {
    let mut labels: Vec<Label> =
        [id_label::<16>("trace_id", &given.trace_id), id_label::<8>("span_id", &given.span_id)]
            .into_iter()
            .flatten()
            .collect();
    let attributes: Vec<Label> = given
        .filtered_attributes
        .iter()
        .map(|a| Label { name: a.key.clone(), value: text(a.value()).into_owned() })
        .collect();
    let chars = |label: &Label| label.name.chars().count() + label.value.chars().count();
    if labels.iter().chain(&attributes).map(chars).sum::<usize>() <= MAX_LABEL_CHARS {
        labels.extend(attributes.into_iter().filter(|label| !label.name.is_empty()));
    }
    let (value, time_unix_nano) = match given.value {
        Some(ExemplarValue::Double(real)) => (real, given.time_unix_nano),
        Some(ExemplarValue::Int(whole)) => (whole as f64, given.time_unix_nano),
        None => (0.0, 0), // nothing was seen, at no time
    };
    Exemplar { labels, value, at: at(time_unix_nano) }
}

/// Whole milliseconds, rounded down. A point's time is rounded towards 1970, which differs beyond the year 2262.
const fn at(time_unix_nano: u64) -> UnixMillis {
    UnixMillis(time_unix_nano.cast_signed().div_euclid(NANOS_PER_MILLI))
}

/// An id in hex; none where it is all zeros or not as long as it should be.
fn id_label<const BYTES: usize>(name: &str, id: &[u8]) -> Option<Label> {
    let is_set = id.len() == BYTES && id.iter().any(|byte| *byte != 0);
    is_set.then(|| Label { name: name.to_owned(), value: hex::encode(id) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{AnyValue, KeyValue, Value};

    #[test]
    fn attributes_come_along_where_there_is_room_for_all() {
        let ids = (32 + 8) + (16 + 7);
        for (value_chars, comes_along) in
            [(1, true), (MAX_LABEL_CHARS - ids - 3, true), (MAX_LABEL_CHARS - ids - 2, false)]
        {
            let value = Some(AnyValue { value: Some(Value::String("é".repeat(value_chars))) });
            let given = otlp::Exemplar {
                time_unix_nano: 1_999_999,
                value: Some(ExemplarValue::Int(7)),
                span_id: vec![1; 8],
                trace_id: vec![2; 16],
                filtered_attributes: vec![KeyValue { key: "a.b".into(), value }],
            };
            let made = exemplar(&given);
            let names: Vec<_> = made.labels.iter().map(|l| l.name.as_str()).collect();
            assert_eq!(
                names,
                if comes_along { vec!["trace_id", "span_id", "a.b"] } else { vec!["trace_id", "span_id"] }
            );
            assert_eq!((made.value, made.at.0), (7.0, 1));
        }
    }

    #[test]
    fn attributes_need_a_key_but_no_value() {
        let attribute = |key: &str, value| KeyValue { key: key.into(), value };
        let text = |text: &str| Some(AnyValue { value: Some(Value::String(text.into())) });
        let given = otlp::Exemplar {
            time_unix_nano: 7_000_000,
            filtered_attributes: vec![
                attribute("", text("x")),
                attribute("a b", text("")),
                attribute("c", None),
            ],
            ..Default::default()
        };
        let label = |name: &str| Label { name: name.into(), value: String::new() };
        let made = exemplar(&given);
        assert_eq!(made.labels, [label("a b"), label("c")]);
        assert_eq!((made.value, made.at.0), (0.0, 0), "without a value it has no time");
    }

    #[test]
    fn a_time_is_rounded_down() {
        for (time_unix_nano, millis) in [(1_999_999, 1), (u64::MAX, -1), (1 << 63, i64::MIN / 1_000_000 - 1)]
        {
            let value = Some(ExemplarValue::Int(1));
            let given = otlp::Exemplar { time_unix_nano, value, ..Default::default() };
            assert_eq!(exemplar(&given).at.0, millis);
        }
    }

    #[test]
    fn an_id_that_is_none_has_no_label() {
        for (trace_id, span_id) in [(vec![], vec![]), (vec![0; 16], vec![0; 8]), (vec![1; 15], vec![1; 9])] {
            let given = otlp::Exemplar { trace_id, span_id, ..Default::default() };
            assert_eq!(exemplar(&given).labels, []);
        }
    }
}
