//! Names of metrics and labels.

use siphon_core::otlp::{Metric, MetricData};

/// The units that the generator draws: what they are before the slash, and after it.
const UNITS: [(&str, &str, &str); 12] = [
    ("", "", ""),
    ("1", "", ""),
    ("s", "seconds", ""),
    ("By/s", "bytes", "per_second"),
    ("m/m", "meters", "per_minute"),
    ("{thing}", "", ""),
    ("{thing}/min", "", "per_min"),
    ("%", "percent", ""),
    (" Odd-Unit / a.b ", "Odd_Unit", "per_a_b"),
    ("°C", "C", ""),
    ("a°", "a_", ""),
    ("a°/°", "a_", ""),
];

/// Any of them.
pub(crate) fn units() -> Vec<&'static str> {
    UNITS.iter().map(|(unit, ..)| *unit).collect()
}

/// `None` where nothing is left of it.
pub(super) fn metric(metric: &Metric) -> Option<String> {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut tokens: Vec<&str> =
        metric.name.split(|c| !is_kept(c)).filter(|token| !token.is_empty()).collect();
    let (_, main, per) = UNITS.into_iter().find(|(unit, ..)| *unit == metric.unit).unwrap();
    let is_new = |token: &str| !token.is_empty() && !tokens.contains(&token);
    let more: Vec<&str> = [main, per].into_iter().filter(|token| is_new(token)).collect();
    tokens.extend(more);
    let last = match &metric.data {
        Some(MetricData::Sum(sum)) if sum.monotonic => Some("total"),
        Some(MetricData::Gauge(_)) if metric.unit == "1" => Some("ratio"),
        _ => None,
    };
    if let Some(last) = last {
        tokens.retain(|token| *token != last);
        tokens.push(last);
    }
    let name = tokens.join("_");
    let before = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    (!name.trim_matches('_').is_empty()).then(|| format!("{before}{name}"))
}

/// Of an attribute; `None` where nothing is left of it.
pub(super) fn label(key: &str) -> Option<String> {
    let in_runs = |text: &str| {
        let mut out = target_text(text);
        while out.contains("__") {
            out = out.replace("__", "_");
        }
        out
    };
    let is_reserved = key.len() >= 4 && key.starts_with("__") && key.ends_with("__");
    let name = if is_reserved { format!("__{}__", in_runs(&key[2..key.len() - 2])) } else { in_runs(key) };
    let before = match name.as_bytes() {
        [b'0'..=b'9', ..] => "key_",
        [b'_', b'_', ..] => "",
        [b'_', ..] => "key",
        _ => "",
    };
    Some(format!("{before}{name}")).filter(|name| !name.trim_matches('_').is_empty())
}

/// Of an attribute of a resource, in `target_info`.
pub(super) fn target_label(key: &str) -> Option<String> {
    let name = target_text(key);
    let before = if name.starts_with(|c: char| c.is_ascii_digit()) { "key_" } else { "" };
    Some(format!("{before}{name}")).filter(|name| !name.trim_matches('_').is_empty())
}

fn target_text(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A bound or quantile.
pub(super) fn number(number: f64) -> String {
    match number {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        other => other.to_string(),
    }
}
