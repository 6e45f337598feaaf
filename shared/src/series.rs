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

    /// The same set with `value` under `name`, in place of what was there.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut labels = Vec::with_capacity(self.0.len() + 1);
        let (before, rest) = self.0.split_at(self.0.partition_point(|l| l.name.as_str() < name));
        labels.extend_from_slice(before);
        labels.push(Label { name: name.to_owned(), value: value.into() });
        labels.extend(rest.iter().filter(|l| l.name != name).cloned());
        labels.retain(|label| !label.value.is_empty());
        Self(labels)
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

/// An example of what a counter or bucket counted.
#[derive(Clone, Debug)]
pub struct Exemplar {
    /// `trace_id` and `span_id` first, then attributes under the names that the application gave them.
    pub labels: Vec<Label>,
    /// The example itself, not the counter's value.
    pub value: f64,
    /// When it was seen.
    pub at: UnixMillis,
}

impl PartialEq for Exemplar {
    fn eq(&self, other: &Self) -> bool {
        self.labels == other.labels && self.value.to_bits() == other.value.to_bits() && self.at == other.at
    }
}

/// A native histogram of whole counts at one time
/// (<https://prometheus.io/docs/specs/native_histograms/>).
#[derive(Clone, Debug, Default)]
pub struct NativeHistogram {
    /// When it was measured.
    pub at: UnixMillis,
    /// How many were counted; the bits of [`STALE`] end the series.
    pub count: u64,
    /// Their sum; [`STALE`] ends the series.
    pub sum: f64,
    /// Resolution: bucket bounds are powers of 2^(2^-schema), -4 to 8.
    pub schema: i32,
    /// Half the width of the zero bucket.
    pub zero_threshold: f64,
    /// How many were within the zero threshold.
    pub zero_count: u64,
    /// Buckets of values below zero.
    pub negative: Buckets,
    /// Buckets of values above zero.
    pub positive: Buckets,
}

impl PartialEq for NativeHistogram {
    fn eq(&self, other: &Self) -> bool {
        let whole = |h: &Self| (h.at, h.count, h.schema, h.zero_count);
        let bits = |h: &Self| (h.sum.to_bits(), h.zero_threshold.to_bits());
        whole(self) == whole(other)
            && bits(self) == bits(other)
            && self.negative == other.negative
            && self.positive == other.positive
    }
}

/// The populated buckets of one side of a native histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Runs of consecutive buckets.
    pub spans: Vec<BucketSpan>,
    /// The first bucket's count, then each bucket's difference from the one before.
    pub deltas: Vec<i64>,
}

/// Consecutive buckets of a native histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSpan {
    /// Index of the first span's first bucket; for later spans the gap to the one before.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// Samples under one label set, ascending in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Includes [`NAME`].
    pub labels: LabelSet,
    /// Ascending in time; equal times are the receiver's affair.
    pub samples: Vec<Sample>,
    /// Examples of what the samples count.
    pub exemplars: Vec<Exemplar>,
    /// Native histograms, ascending in time. A series has samples or histograms, not both.
    pub histograms: Vec<NativeHistogram>,
}

impl Series {
    /// A series of one sample.
    #[must_use]
    pub fn sample(labels: LabelSet, at: UnixMillis, value: f64) -> Self {
        Self { labels, samples: vec![Sample { at, value }], ..Self::default() }
    }
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

    #[test]
    fn a_label_is_put_in_its_place_or_replaced() {
        let labels: LabelSet = [("b", "1"), ("d", "2")].into_iter().collect();
        for (name, value, want) in [
            ("a", "x", vec![("a", "x"), ("b", "1"), ("d", "2")]),
            ("c", "x", vec![("b", "1"), ("c", "x"), ("d", "2")]),
            ("d", "x", vec![("b", "1"), ("d", "x")]),
            ("b", "", vec![("d", "2")]),
        ] {
            assert_eq!(labels.with(name, value), want.into_iter().collect());
        }
    }

    #[test]
    fn a_stale_histogram_equals_itself() {
        let stale = NativeHistogram { sum: STALE, count: STALE.to_bits(), ..Default::default() };
        assert_eq!(stale, stale.clone());
        assert_ne!(stale, NativeHistogram { sum: f64::NAN, ..stale.clone() });
    }
}
