//! The rules for labels.

use siphon_core::{remote_write::v1::Label, series::NAME};

use super::Reason;

/// AMP's quotas.
const MAX_LABELS: usize = 150;
const MAX_LABEL_BYTES: usize = 7 * 1024;
/// Cortex's defaults, on which AMP is built.
const MAX_NAME_BYTES: usize = 1024;
const MAX_VALUE_BYTES: usize = 2048;

/// A label set that keeps every rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a>(&'a [Label]);

impl<'a> Labels<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|label| label.name == name).map(|label| label.value.as_str())
    }

    pub(crate) fn metric(&self) -> &'a str {
        self.get(NAME).unwrap_or_default()
    }

    pub(super) fn key(&self) -> Vec<(String, String)> {
        self.0.iter().map(|label| (label.name.clone(), label.value.clone())).collect()
    }

    #[cfg(test)]
    pub(crate) fn unchecked(labels: &'a [Label]) -> Self {
        Self(labels)
    }
}

/// Checks a label set; the reason is that of the first rule it breaks.
pub(super) fn check(labels: &[Label]) -> Result<Labels<'_>, Reason> {
    let metric = labels.iter().find(|label| label.name == NAME).ok_or(Reason::MissingMetricName)?;
    if !is_metric_name(&metric.value) {
        return Err(Reason::InvalidMetricName);
    }
    if labels.len() > MAX_LABELS {
        return Err(Reason::TooManyLabels);
    }
    labels.iter().try_for_each(check_one)?;
    for (before, after) in labels.iter().zip(labels.iter().skip(1)) {
        match before.name.cmp(&after.name) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Err(Reason::DuplicateLabelName),
            std::cmp::Ordering::Greater => return Err(Reason::LabelsNotSorted),
        }
    }
    if labels.iter().map(|label| label.name.len() + label.value.len()).sum::<usize>() > MAX_LABEL_BYTES {
        return Err(Reason::LabelsTooLong);
    }
    Ok(Labels(labels))
}

fn check_one(label: &Label) -> Result<(), Reason> {
    match label {
        Label { name, .. } if name.len() > MAX_NAME_BYTES => Err(Reason::LabelNameTooLong),
        Label { value, .. } if value.len() > MAX_VALUE_BYTES => Err(Reason::LabelValueTooLong),
        Label { value, .. } if value.is_empty() => Err(Reason::EmptyLabelValue),
        Label { name, .. } if name == NAME => Ok(()),
        Label { name, .. } if name.starts_with("__") => Err(Reason::ReservedLabelName),
        Label { name, .. } if !is_label_name(name) => Err(Reason::InvalidLabelName),
        Label { .. } => Ok(()),
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn is_metric_name(text: &str) -> bool {
    fits(text, |byte| byte == b':')
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn is_label_name(text: &str) -> bool {
    fits(text, |_| false)
}

fn fits(text: &str, extra: impl Fn(u8) -> bool) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || extra(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
        pairs.iter().map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect()
    }

    #[test]
    fn good_labels_pass() {
        for pairs in [
            &[("__name__", "a:b_total")][..],
            &[("A", "1"), ("__name__", "up"), ("_x", "é"), ("job", "t")],
            &[("__name__", "x"), ("b", &"v".repeat(2048))],
        ] {
            assert!(check(&labels(pairs)).is_ok(), "{pairs:?}");
        }
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        let long_name = "n".repeat(1025);
        let long_value = "v".repeat(2049);
        let value = "v".repeat(2000);
        let cases: [(&[(&str, &str)], Reason); 14] = [
            (&[], Reason::MissingMetricName),
            (&[("job", "x")], Reason::MissingMetricName),
            (&[("__name__", "")], Reason::InvalidMetricName),
            (&[("__name__", "1up")], Reason::InvalidMetricName),
            (&[("__name__", "cpu.used")], Reason::InvalidMetricName),
            (&[("__name__", "up"), ("a", "")], Reason::EmptyLabelValue),
            (&[("", "x"), ("__name__", "up")], Reason::InvalidLabelName),
            (&[("__name__", "up"), ("a:b", "x")], Reason::InvalidLabelName),
            (&[("__name__", "up"), ("__replica__", "x")], Reason::ReservedLabelName),
            (&[("__name__", "up"), ("b", "x"), ("a", "x")], Reason::LabelsNotSorted),
            (&[("__name__", "up"), ("a", "x"), ("a", "y")], Reason::DuplicateLabelName),
            (&[("__name__", "up"), (&long_name, "x")], Reason::LabelNameTooLong),
            (&[("__name__", "up"), ("a", &long_value)], Reason::LabelValueTooLong),
            (
                &[("__name__", "up"), ("a", &value), ("b", &value), ("c", &value), ("d", &value)],
                Reason::LabelsTooLong,
            ),
        ];
        for (pairs, reason) in cases {
            assert_eq!(check(&labels(pairs)).err(), Some(reason), "{pairs:?}");
        }
    }

    #[test]
    fn a_hundred_and_fifty_labels_are_the_most() {
        let names: Vec<_> = (0..150).map(|n| format!("n{n:03}")).collect();
        let mut pairs = vec![("__name__", "up")];
        pairs.extend(names.iter().take(149).map(|name| (name.as_str(), "x")));
        assert!(check(&labels(&pairs)).is_ok());
        pairs.push((&names[149], "x"));
        assert_eq!(check(&labels(&pairs)).err(), Some(Reason::TooManyLabels));
    }
}
