//! The table of the label sets in use.

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::LabelSet;

/// A series, by its label set's place in [`LabelSets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(usize);

impl SeriesId {
    pub(crate) const fn place(self) -> usize {
        self.0
    }
}

/// Label sets, each once, under an id. Ids grow in the order in which the sets first came.
#[derive(Clone, Debug, Default)]
pub struct LabelSets(IndexSet<LabelSet, RandomState>);

impl LabelSets {
    /// The id of `labels`, now and from now on.
    pub fn id(&mut self, labels: LabelSet) -> SeriesId {
        SeriesId(self.0.insert_full(labels).0)
    }

    /// The label set of a series; `None` for an id that another table gave.
    #[must_use]
    pub fn get(&self, id: SeriesId) -> Option<&LabelSet> {
        self.0.get_index(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_label_sets_share_an_id() {
        let set = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<LabelSet>();
        let mut sets = LabelSets::default();
        let first = sets.id(set(&[("a", "1"), ("b", "2")]));
        let second = sets.id(set(&[("a", "1")]));
        assert_eq!(sets.id(set(&[("b", "2"), ("a", "1"), ("c", "")])), first);
        assert!(first < second);
        assert_eq!(sets.get(second), Some(&set(&[("a", "1")])));
        assert_eq!(LabelSets::default().get(first), None);
    }
}
