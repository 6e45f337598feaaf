//! Labels that many label sets have in common.

use super::{
    LabelSet,
    labels::{label_len, put_label},
};

/// A label set that others are made from, by adding a few labels: what is between them is copied as it is.
pub(crate) struct Base {
    labels: LabelSet,
    places: Vec<Place>,
}

/// Where a label of the base lies.
struct Place {
    name: String,
    start: usize,
    end: usize,
}

impl Base {
    pub(crate) fn new(labels: LabelSet) -> Self {
        let mut end = 0;
        let place = |(name, value): (&str, &str)| {
            let start = end;
            end += label_len(name, value);
            Place { name: name.to_owned(), start, end }
        };
        let places = labels.iter().map(place).collect();
        Self { labels, places }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// The base with `more`, in place of what was there under the same names. `more` is as [`super::settled`] leaves it.
    pub(crate) fn with(&self, more: &[(&str, &str)]) -> LabelSet {
        let base = self.labels.encoded();
        let added: usize = more.iter().map(|(name, value)| label_len(name, value)).sum();
        let mut encoded = Vec::with_capacity(base.len() + added);
        let mut copied = 0;
        for (name, value) in more {
            let (before, after) = match self.place(name) {
                Ok(same) => (same.start, same.end),
                Err(next) => (next, next),
            };
            encoded.extend_from_slice(base.get(copied..before).unwrap_or_default());
            put_label(name, value, &mut encoded);
            copied = after;
        }
        encoded.extend_from_slice(base.get(copied..).unwrap_or_default());
        LabelSet(encoded.into_boxed_slice())
    }

    /// The label of this name, or where it would begin.
    fn place(&self, name: &str) -> Result<&Place, usize> {
        let next = self.places.partition_point(|place| place.name.as_str() < name);
        match self.places.get(next) {
            Some(place) if place.name == name => Ok(place),
            Some(place) => Err(place.start),
            None => Err(self.labels.encoded().len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_put_in_its_place_or_replaced() {
        let base = |pairs: &[(&str, &str)]| Base::new(pairs.iter().copied().collect());
        for (more, want) in [
            (vec![], vec![("b", "1"), ("d", "2")]),
            (vec![("a", "x")], vec![("a", "x"), ("b", "1"), ("d", "2")]),
            (
                vec![("a", "x"), ("c", "y"), ("e", "z")],
                vec![("a", "x"), ("b", "1"), ("c", "y"), ("d", "2"), ("e", "z")],
            ),
            (vec![("c", "x"), ("ca", "y")], vec![("b", "1"), ("c", "x"), ("ca", "y"), ("d", "2")]),
            (vec![("b", "x"), ("d", "y")], vec![("b", "x"), ("d", "y")]),
        ] {
            assert_eq!(base(&[("b", "1"), ("d", "2")]).with(&more), want.into_iter().collect());
            assert_eq!(base(&[]).with(&more), more.into_iter().collect());
        }
    }
}
