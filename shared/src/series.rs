//! Series: samples under one label set, the shape of everything that goes to Prometheus.

use crate::units::UnixMillis;

/// The label that holds a series' metric name.
pub const NAME: &str = "__name__";

/// The NaN that ends a series. An ordinary NaN must never carry these bits, and arithmetic on this one may lose them:
/// copy it, never compute with it.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// One name-value pair of a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: String,
    /// Any UTF-8, never empty: in Prometheus an empty value means that the label is absent.
    pub value: String,
}

/// A label set: sorted by name in byte order, names unique, no empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSet(Vec<Label>);

impl LabelSet {
    /// Sorts the pairs and drops empty values. Of several pairs with one name the last one stays.
    #[must_use]
    pub fn new(mut labels: Vec<Label>) -> Self {
        labels.retain(|label| !label.value.is_empty());
        labels.sort_by(|a, b| a.name.cmp(&b.name)); // stable: equal names keep their order
        labels.dedup_by(|later, kept| {
            let same = later.name == kept.name;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        Self(labels)
    }

    /// The pairs, sorted by name.
    #[must_use]
    pub fn as_slice(&self) -> &[Label] {
        &self.0
    }

    /// The value under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .binary_search_by(|l| l.name.as_str().cmp(name))
            .ok()
            .and_then(|i| self.0.get(i))
            .map(|l| l.value.as_str())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        Self::new(pairs.into_iter().map(|(n, v)| Label { name: n.into(), value: v.into() }).collect())
    }
}

/// One value at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it was measured.
    pub at: UnixMillis,
    /// Compare by bits: [`STALE`] is a NaN.
    pub value: f64,
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.value.to_bits() == other.value.to_bits()
    }
}

/// Samples under one label set, ascending in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Includes [`NAME`].
    pub labels: LabelSet,
    /// Ascending in time; equal times are the receiver's affair.
    pub samples: Vec<Sample>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_set_is_sorted_unique_and_has_no_empty_value() {
        let labels: LabelSet =
            [("b", "1"), ("a", "2"), ("b", "3"), ("c", ""), ("B", "4")].into_iter().collect();
        let pairs: Vec<_> = labels.as_slice().iter().map(|l| (l.name.as_str(), l.value.as_str())).collect();
        assert_eq!(pairs, [("B", "4"), ("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
    }
}
