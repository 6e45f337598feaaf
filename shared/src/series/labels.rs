//! Labels and label sets.

use std::{fmt, str};

use crate::protobuf::write;

/// The label that holds a series' metric name.
pub const NAME: &str = "__name__";

/// One name-value pair of an exemplar, or of a series in the making.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: String,
    /// Any UTF-8. Never empty in a series: to Prometheus an empty value means that the label is absent.
    pub value: String,
}

impl Label {
    /// The same as a pair.
    #[must_use]
    pub fn as_pair(&self) -> (&str, &str) {
        (&self.name, &self.value)
    }
}

/// A label set: sorted by name in byte order, names unique, no empty value.
///
/// It is held as it is sent, as the field `labels` of a remote-write `TimeSeries`: encoded once, copied from then on.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct LabelSet(pub(super) Box<[u8]>);

impl LabelSet {
    /// The pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs()
            .map_while(|(name, value)| Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?)))
    }

    /// As [`Self::iter`], without a look at whether it is text: it is.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (label, after) = field(rest)?;
            rest = after;
            let (name, value) = field(label)?;
            Some((name, field(value)?.0))
        })
    }

    /// The value under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs().find(|(other, _)| *other == name.as_bytes())?;
        str::from_utf8(value).ok()
    }

    /// How many bytes it has, encoded.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The pairs as a `TimeSeries` of remote write 1.0 has them.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    /// Sorts the pairs and leaves out empty values. Of several pairs with one name the last one stays.
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        settled(&mut pairs);
        let length = pairs.iter().map(|(name, value)| label_len(name.as_ref(), value.as_ref())).sum();
        let mut encoded = Vec::with_capacity(length);
        for (name, value) in &pairs {
            put_label(name.as_ref(), value.as_ref(), &mut encoded);
        }
        Self(encoded.into_boxed_slice())
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Sorts pairs and leaves out empty values. Of several pairs with one name the last one stays.
pub(crate) fn settled<N: AsRef<str>, V: AsRef<str>>(pairs: &mut Vec<(N, V)>) {
    pairs.retain(|(_, value)| !value.as_ref().is_empty());
    pairs.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref())); // stable: equal names keep their order
    pairs.dedup_by(|later, kept| {
        let same = later.0.as_ref() == kept.0.as_ref();
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

/// Bytes of the message `Label`.
fn pair_len(name: &str, value: &str) -> usize {
    write::delimited_len(name.len()) + write::delimited_len(value.len())
}

/// Bytes of the field `labels` of one label.
pub(crate) fn label_len(name: &str, value: &str) -> usize {
    write::delimited_len(pair_len(name, value))
}

/// One label as the field `labels`, which has number 1 in `TimeSeries` and `Exemplar`.
pub(crate) fn put_label(name: &str, value: &str, out: &mut Vec<u8>) {
    write::delimited(1, pair_len(name, value), out);
    write::bytes(1, name.as_bytes(), out);
    write::bytes(2, value.as_bytes(), out);
}

/// The content of the field in front, and what comes after it: the reverse of [`put_label`], whose keys are of one byte.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes.get(1..)?;
    let length = match rest.split_first()? {
        (short, after) if *short < 0x80 => {
            rest = after;
            usize::from(*short)
        }
        _ => prost::decode_length_delimiter(&mut rest).ok()?,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_set_is_sorted_unique_and_has_no_empty_value() {
        let labels: LabelSet =
            [("b", "1"), ("a", "2"), ("b", "3"), ("c", ""), ("B", "4")].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("B", "4"), ("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
        assert_eq!(format!("{labels:?}"), r#"{"B": "4", "a": "2", "b": "3"}"#);
    }

    #[test]
    fn long_labels_come_back_whole() {
        let long = "ä".repeat(100_000);
        let labels: LabelSet = [(long.as_str(), long.as_str())].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [(long.as_str(), long.as_str())]);
        assert_eq!(labels.encoded().len(), label_len(&long, &long));
    }
}
