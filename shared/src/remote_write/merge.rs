//! Brings samples of the same series together.

use std::collections::HashMap;

use crate::series::{LabelSet, Series};

/// One series a label set, in the order in which the label sets first came; samples ascending in time, those of equal
/// time in the order in which they came. Nothing is dropped.
pub fn merge(series: impl IntoIterator<Item = Series>) -> Vec<Series> {
    let series = series.into_iter();
    let mut merged: HashMap<LabelSet, Merged> = HashMap::with_capacity(series.size_hint().0);
    for one in series {
        let order = merged.len();
        let into = merged.entry(one.labels).or_insert_with(|| Merged { order, series: Series::default() });
        append(&mut into.series.samples, one.samples);
        append(&mut into.series.exemplars, one.exemplars);
        append(&mut into.series.histograms, one.histograms);
    }
    let mut merged: Vec<(LabelSet, Merged)> = merged.into_iter().collect();
    merged.sort_unstable_by_key(|(_, m)| m.order);
    merged.into_iter().map(|(labels, m)| sorted(Series { labels, ..m.series })).collect()
}

struct Merged {
    order: usize,
    series: Series,
}

/// Moves the whole vector where it can: most series come once.
fn append<T>(to: &mut Vec<T>, mut from: Vec<T>) {
    if to.is_empty() {
        *to = from;
    } else {
        to.append(&mut from);
    }
}

fn sorted(mut series: Series) -> Series {
    series.samples.sort_by_key(|s| s.at);
    series.exemplars.sort_by_key(|e| e.at);
    series.histograms.sort_by_key(|h| h.at);
    series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::UnixMillis;

    fn series(name: &str, at: i64, value: f64) -> Series {
        Series::sample([("__name__", name)].into_iter().collect(), UnixMillis(at), value)
    }

    #[test]
    fn a_label_set_becomes_one_series_in_time_order_and_nothing_is_lost() {
        let merged =
            merge([series("b", 3, 1.0), series("a", 1, 2.0), series("b", 2, 3.0), series("b", 3, 4.0)]);
        let flat: Vec<_> = merged
            .iter()
            .map(|s| {
                (s.labels.get("__name__"), s.samples.iter().map(|s| (s.at.0, s.value)).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(flat, [(Some("b"), vec![(2, 3.0), (3, 1.0), (3, 4.0)]), (Some("a"), vec![(1, 2.0)])]);
    }
}
