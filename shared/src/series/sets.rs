//! The table of the label sets in use.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::{LabelSet, Metadata};

/// A series, by its label set's place in [`LabelSets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(usize);

impl SeriesId {
    pub(crate) const fn place(self) -> usize {
        self.0
    }
}

/// Label sets, each once, under an id, and what their metrics mean. Ids grow in the order in which the sets first came.
#[derive(Clone, Debug, Default)]
pub struct LabelSets {
    sets: IndexSet<LabelSet, RandomState>,
    /// By place in `sets`; as long as the last set that has any.
    metadata: Vec<Option<Arc<Metadata>>>,
    bytes: usize,
}

/// What a label set takes in memory besides its labels, about; with what translators remember of it.
const SET_BYTES: usize = 128;

impl LabelSets {
    /// The id of `labels`, now and from now on.
    pub fn id(&mut self, labels: LabelSet) -> SeriesId {
        let bytes = SET_BYTES + labels.bytes();
        let (place, is_new) = self.sets.insert_full(labels);
        if is_new {
            self.bytes += bytes;
        }
        SeriesId(place)
    }

    /// The same, with what the series' metric means. Where two metrics make one series, the first one that came tells.
    pub fn id_of(&mut self, labels: LabelSet, metadata: &Arc<Metadata>) -> SeriesId {
        let id = self.id(labels);
        if self.metadata.len() <= id.0 {
            self.metadata.resize(id.0 + 1, None);
        }
        if let Some(place) = self.metadata.get_mut(id.0) {
            place.get_or_insert_with(|| Arc::clone(metadata));
        }
        id
    }

    /// How many bytes of memory they take, about.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The label set of a series; `None` for an id that another table gave.
    #[must_use]
    pub fn get(&self, id: SeriesId) -> Option<&LabelSet> {
        self.sets.get_index(id.0)
    }

    /// What the metric of a series means, if anyone told.
    #[must_use]
    pub fn metadata(&self, id: SeriesId) -> Option<&Arc<Metadata>> {
        self.metadata.get(id.0)?.as_ref()
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

    #[test]
    fn the_first_metric_of_a_series_tells_what_it_means() {
        let set = |value: &str| [("a", value)].into_iter().collect::<LabelSet>();
        let told = |help: &str| Arc::new(Metadata { help: help.to_owned(), ..Metadata::default() });
        let mut sets = LabelSets::default();
        let untold = sets.id(set("1"));
        let series = sets.id_of(set("2"), &told("first"));
        assert_eq!(sets.id_of(set("2"), &told("second")), series);
        assert_eq!((sets.metadata(untold), sets.metadata(series)), (None, Some(&told("first"))));
        sets.id_of(set("1"), &told("late"));
        assert_eq!(sets.metadata(untold), Some(&told("late")));
    }
}
