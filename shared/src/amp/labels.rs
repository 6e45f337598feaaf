//! Label sets that AMP takes.
//!
//! A label set is trimmed by itself, whatever else is sent, so that a series has the same labels at all times and from
//! all tasks. And two series never become one: what was taken from each leaves a trace in its labels.
//!
//! 1. A value over 2,048 bytes is cut. Its last 17 bytes are `~` and 16 digits of a hash of the whole.
//! 2. A label whose name AMP doesn't take is taken out.
//! 3. While there are too many labels or bytes of them, more are taken out, in each group the largest first:
//!    1. what tells where and in what a program runs: process, host, SDK, logs and so on. `target_info` tells it too
//!    2. all others, but for
//!    3. [those that people group by](crate::prometheus::ResourceFilter)
//! 4. The label [`TRIMMED`] gets 16 digits of a hash of the labels that were taken out.
//!
//! The metric's name, `job`, `instance`, `le` and `quantile` always stay. All series of one histogram or summary lose
//! the same labels, or its buckets could no longer be brought together: in them there has to be room for the longest
//! name and bound that any of them has.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::reason;
use crate::{
    prometheus,
    series::{LabelSet, NAME},
};

/// AMP's quotas. It says 7 KB: the smaller of both kinds.
const MAX_LABELS: usize = 150;
const MAX_BYTES: usize = 7_000;

/// Cortex's defaults.
const MAX_NAME_BYTES: usize = 1_024;
const MAX_VALUE_BYTES: usize = 2_048;

/// The label of a series that lost labels: a hash of those, so that series which differ only there still differ.
///
/// First go labels whose names AMP doesn't take, then the largest of those that tell where and in what a program runs,
/// then the largest of the others, at last those that people group by. A label whose value is too long is cut instead.
pub const TRIMMED: &str = "siphon_trimmed";

/// Hex digits of a hash.
const DIGEST_BYTES: usize = 16;

/// Room for `le` or `quantile` with any number, written without exponent.
const BOUND_BYTES: usize = 350;

/// The longest of what names of histograms' and summaries' series end in.
const SUFFIX_BYTES: usize = "_bucket".len();

/// How the names of labels begin that tell where and in what a program runs.
const SURROUNDINGS: [&str; 14] = [
    "aws_",
    "cloud_",
    "container_",
    "device_",
    "faas_",
    "host_",
    "k8s_",
    "os_",
    "otel_scope_",
    "process_",
    "service_instance_",
    "telemetry_",
    "thread_",
    "webengine_",
];

/// What becomes of a series.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Kept,
    /// It goes on under these labels.
    Trimmed(LabelSet, &'static str),
    Refused(&'static str),
}

/// Judges a label set.
pub(super) fn verdict(labels: &LabelSet) -> Verdict {
    if is_far_from_limits(labels) {
        return Verdict::Kept;
    }
    let metric = labels.get(NAME).unwrap_or_default();
    if !is_metric_name(metric.as_bytes()) {
        return Verdict::Refused(reason::INVALID_METRIC_NAME);
    }
    let room = Size::taken_by_name_and_bound(metric, labels);
    match fault(labels, room) {
        None => Verdict::Kept,
        Some(reason) => trimmed(labels, room)
            .map_or(Verdict::Refused(reason::LABEL_BYTES), |trimmed| Verdict::Trimmed(trimmed, reason)),
    }
}

/// Whether a label set keeps every limit by far, as nearly all do: told with one look at each byte.
fn is_far_from_limits(labels: &LabelSet) -> bool {
    let (mut count, mut has_metric) = (0, false);
    let mut is_good = |(name, value): (&[u8], &[u8])| {
        count += 1;
        if name == NAME.as_bytes() {
            has_metric = is_metric_name(value);
            return has_metric;
        }
        value.len() <= MAX_VALUE_BYTES && is_label_name(name)
    };
    labels.encoded().len() < MAX_BYTES / 2
        && labels.pairs().all(&mut is_good)
        && has_metric
        && count < MAX_LABELS / 2
}

/// The first thing that is wrong.
fn fault(labels: &LabelSet, mut size: Size) -> Option<&'static str> {
    for (name, value) in labels.iter() {
        if !is_label_name(name.as_bytes()) {
            return Some(reason::LABEL_NAME);
        }
        if value.len() > MAX_VALUE_BYTES {
            return Some(reason::LABEL_VALUE_BYTES);
        }
        size.add(name, value);
    }
    size.fault()
}

/// What stays of a label set; `None` where too much has to.
fn trimmed(labels: &LabelSet, mut size: Size) -> Option<LabelSet> {
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    for (name, value) in labels.iter() {
        if is_label_name(name.as_bytes()) && name != TRIMMED {
            let sent = cut(value);
            size.add(name, &sent);
            kept.push((Worth::of(name, value), name, value, sent));
        } else {
            taken.push((name, value));
        }
    }
    kept.sort_unstable();
    while size.with_trace(!taken.is_empty()).fault().is_some() {
        let (_, name, value, sent) = kept.pop_if(|(worth, ..)| *worth != Worth::Stays)?;
        size.remove(name, &sent);
        taken.push((name, value));
    }
    taken.sort_unstable();
    let trace = digest(taken.iter().flat_map(|(name, value)| [*name, *value]));
    let trace = (!taken.is_empty()).then_some((TRIMMED, trace.into()));
    Some(kept.into_iter().map(|(_, name, _, sent)| (name, sent)).chain(trace).collect())
}

/// Why a label stays. The last ones go first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Stays,
    PeopleGroupByIt { bytes: usize },
    Other { bytes: usize },
    Surroundings { bytes: usize },
}

impl Worth {
    fn of(name: &str, value: &str) -> Self {
        let bytes = name.len() + value.len();
        if [NAME, "job", "instance", "le", "quantile"].contains(&name) {
            Self::Stays
        } else if prometheus::is_curated_label(name) {
            Self::PeopleGroupByIt { bytes }
        } else if SURROUNDINGS.iter().any(|start| name.starts_with(start)) {
            Self::Surroundings { bytes }
        } else {
            Self::Other { bytes }
        }
    }
}

/// How much labels take up.
#[derive(Clone, Copy, Default)]
struct Size {
    labels: usize,
    bytes: usize,
}

impl Size {
    /// The metric's name, and the label that tells a histogram's buckets or a summary's quantiles apart. For all series
    /// of one of these it is the same: that of the one that takes up most.
    fn taken_by_name_and_bound(metric: &str, labels: &LabelSet) -> Self {
        let suffixes: &[_] = match (labels.get("le"), labels.get("quantile")) {
            (Some(_), _) => &["_bucket"],
            (_, Some(_)) => &[],
            _ => &["_sum", "_count"],
        };
        let stem = suffixes.iter().find_map(|suffix| metric.strip_suffix(suffix));
        let bounds = || labels.iter().filter(|(name, _)| ["le", "quantile"].contains(name));
        if stem.is_none() && bounds().next().is_none() {
            return Self { labels: 1, bytes: NAME.len() + metric.len() };
        }
        let bound_bytes: usize =
            bounds().map(|(name, value)| name.len() + value.len().min(MAX_VALUE_BYTES)).sum();
        Self {
            labels: 1 + bounds().count().max(1),
            bytes: NAME.len() + stem.unwrap_or(metric).len() + SUFFIX_BYTES + bound_bytes.max(BOUND_BYTES),
        }
    }

    const fn is_counted_already(name: &str) -> bool {
        matches!(name.as_bytes(), b"__name__" | b"le" | b"quantile")
    }

    fn add(&mut self, name: &str, value: &str) {
        if !Self::is_counted_already(name) {
            self.labels += 1;
            self.bytes += name.len() + value.len();
        }
    }

    fn remove(&mut self, name: &str, value: &str) {
        self.labels -= 1;
        self.bytes -= name.len() + value.len();
    }

    /// With [`TRIMMED`], if there is one.
    fn with_trace(self, has_trace: bool) -> Self {
        let Self { labels, bytes } = self;
        if has_trace {
            Self { labels: labels + 1, bytes: bytes + TRIMMED.len() + DIGEST_BYTES }
        } else {
            self
        }
    }

    fn fault(self) -> Option<&'static str> {
        if self.labels > MAX_LABELS {
            Some(reason::LABEL_COUNT)
        } else if self.bytes > MAX_BYTES {
            Some(reason::LABEL_BYTES)
        } else {
            None
        }
    }
}

/// A value, or its beginning and a hash of the whole.
fn cut(value: &str) -> Cow<'_, str> {
    if value.len() <= MAX_VALUE_BYTES {
        return Cow::Borrowed(value);
    }
    let end = value.floor_char_boundary(MAX_VALUE_BYTES - DIGEST_BYTES - 1);
    let start = value.get(..end).unwrap_or_default();
    Cow::Owned(format!("{start}~{}", digest([value])))
}

/// The first half of a SHA-256 that never changes: a series' labels hang on it.
fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes()); // so that no two lists of texts read the same
        hash.update(text);
    }
    hash.finalize().iter().take(DIGEST_BYTES / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn is_metric_name(name: &[u8]) -> bool {
    name.len() <= MAX_VALUE_BYTES && is_classic(name, b':')
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, and not reserved: AMP deduplicates by `__replica__`.
fn is_label_name(name: &[u8]) -> bool {
    match name {
        [b'_', b'_', ..] => name == NAME.as_bytes(),
        _ => name.len() <= MAX_NAME_BYTES && is_classic(name, b'_'),
    }
}

/// Whether a name is of letters, digits, `_` and `and`, and doesn't begin with a digit.
fn is_classic(name: &[u8], and: u8) -> bool {
    let is_in = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == and;
    name.first().is_some_and(|first| !first.is_ascii_digit()) && name.iter().all(is_in)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(pairs: &[(&str, &str)]) -> LabelSet {
        pairs.iter().copied().collect()
    }

    /// A metric of so many labels, itself among them.
    fn of_labels(n: usize) -> Vec<(String, String)> {
        let name = (NAME.to_owned(), "m".to_owned());
        (1..n).map(|i| (format!("l{i:03}"), "v".to_owned())).chain([name]).collect()
    }

    fn trimmed_of(pairs: impl IntoIterator<Item = (String, String)>) -> (LabelSet, &'static str) {
        match verdict(&pairs.into_iter().collect()) {
            Verdict::Trimmed(labels, reason) => (labels, reason),
            other => panic!("{other:?}"),
        }
    }

    fn names(labels: &LabelSet) -> Vec<&str> {
        labels.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_keeps_the_limits_stays_as_it_is() {
        let value = "v".repeat(MAX_VALUE_BYTES);
        let name = "n".repeat(MAX_NAME_BYTES);
        for pairs in [
            vec![(NAME, "a:b_total"), ("A", "1"), ("_x", "é"), ("job", "test")],
            vec![(NAME, "up"), ("a", &value), ("b", &value), (&name, "v")],
            vec![(NAME, &value)],
            vec![(NAME, "up"), (TRIMMED, "by hand")],
        ] {
            assert_eq!(verdict(&set(&pairs)), Verdict::Kept, "{pairs:?}");
        }
        assert_eq!(verdict(&of_labels(150).into_iter().collect()), Verdict::Kept);
    }

    #[test]
    fn a_metric_needs_a_classic_name() {
        let long = "n".repeat(MAX_VALUE_BYTES + 1);
        for name in ["", "1up", "cpu.used", "ü", "a b", &long] {
            let labels = set(&[(NAME, name), ("job", "test")]);
            assert_eq!(verdict(&labels), Verdict::Refused(reason::INVALID_METRIC_NAME), "{name}");
        }
    }

    #[test]
    fn labels_with_names_that_amp_does_not_take_are_taken_out() {
        let long = "n".repeat(MAX_NAME_BYTES + 1);
        for name in ["a.b", "1a", "a:b", "ü", "__replica__", "__x", &long] {
            let (labels, reason) = trimmed_of(
                [(NAME, "up"), ("b", "x"), (name, "y")].map(|(n, v)| (n.to_owned(), v.to_owned())),
            );
            assert_eq!((names(&labels), reason), (vec![NAME, "b", TRIMMED], reason::LABEL_NAME), "{name}");
        }
    }

    #[test]
    fn a_long_value_is_cut_between_letters_and_bears_a_hash_of_the_whole() {
        let long = |end: &str| "ä".repeat(MAX_VALUE_BYTES) + end;
        let of = |value: String| {
            let (labels, reason) = trimmed_of([(NAME.to_owned(), "up".to_owned()), ("a".to_owned(), value)]);
            assert_eq!(reason, reason::LABEL_VALUE_BYTES);
            assert_eq!(names(&labels), [NAME, "a"], "none is taken out");
            labels.get("a").unwrap().to_owned()
        };
        let (one, other) = (of(long("1")), of(long("2")));
        assert_eq!(one.len(), MAX_VALUE_BYTES - 1, "an ä has two bytes");
        assert_eq!(one[..one.len() - DIGEST_BYTES], other[..other.len() - DIGEST_BYTES]);
        assert_ne!(one, other);
        assert!(one.starts_with("ää") && one.contains('~'));
        assert_eq!(digest(["a"]), "3b196fd4907bedf5", "series hang on it: it never changes");
    }

    #[test]
    fn of_too_many_labels_surroundings_go_first_then_the_largest_and_what_people_group_by_last() {
        let with = |n: usize, more: &[(&str, &str)]| {
            let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let (labels, reason) = trimmed_of(of_labels(n).into_iter().chain(more));
            assert_eq!(reason, reason::LABEL_COUNT);
            assert_eq!(labels.iter().count(), MAX_LABELS);
            assert!(labels.get(TRIMMED).is_some());
            labels
        };
        let labels = with(148, &[("process_pid", "1"), ("os_type", "linux"), ("large", "value")]);
        assert_eq!([labels.get("process_pid"), labels.get("os_type")], [None, None]);
        assert!(labels.get("large").is_some());

        let curated = [("service_name", "a long one"), ("aws_ecs_task_id", "0123456789abcdef")];
        let labels = with(148, &[curated[0], curated[1], ("large", "value")]);
        assert_eq!(labels.get("large"), None);
        assert!(labels.get("service_name").is_some() && labels.get("aws_ecs_task_id").is_some());
        assert_eq!(labels.get("l147"), None, "of equal size the last by name");

        let labels = with(151, &[("job", "a long one"), ("instance", "another"), ("le", "0.1")]);
        assert!(["job", "instance", "le", NAME].iter().all(|name| labels.get(name).is_some()));
    }

    #[test]
    fn too_many_bytes_go_by_the_largest_labels() {
        let sized = |name: &str, bytes| (name.to_owned(), "v".repeat(bytes));
        let name = (NAME.to_owned(), "up".to_owned());
        let (labels, reason) = trimmed_of(
            ["a", "b", "c", "process_x"]
                .into_iter()
                .zip([2000, 1900, 2000, 1500])
                .map(|(n, b)| sized(n, b))
                .chain([name]),
        );
        assert_eq!((names(&labels), reason), (vec![NAME, "a", "b", "c", TRIMMED], reason::LABEL_BYTES));
        let stays = [(NAME, 2048), ("job", 2048), ("instance", 2048), ("le", 2)].map(|(n, b)| sized(n, b));
        assert!(matches!(verdict(&stays.clone().into_iter().collect()), Verdict::Kept));
        let more = [sized("job", 2049), sized("aws_x", 2048)];
        let (labels, _) = trimmed_of(stays.into_iter().chain(more));
        assert_eq!(names(&labels), [NAME, "instance", "job", "le", TRIMMED]);
    }

    #[test]
    fn all_series_of_a_histogram_or_summary_lose_the_same() {
        let large = |i: usize| (format!("large{i}"), "v".repeat(i * 100));
        for padding in 0..800 {
            let labels: Vec<_> =
                (10..14).map(large).chain([("a".to_owned(), "v".repeat(1700 + padding))]).collect();
            let lost = |name: &str, bound: Option<(&str, &str)>| {
                let own = [(NAME, name)].into_iter().chain(bound).map(|(n, v)| (n.to_owned(), v.to_owned()));
                match verdict(&labels.iter().cloned().chain(own).collect()) {
                    Verdict::Trimmed(labels, _) => labels.get(TRIMMED).map(ToOwned::to_owned),
                    _ => None,
                }
            };
            let bounds = ["1", "+Inf", "-0.00000012345678901234"];
            let histogram = bounds.map(|le| lost("check_sum_bucket", Some(("le", le))));
            let rest = [lost("check_sum_sum", None), lost("check_sum_count", None)];
            let summary = lost("check_sum", Some(("quantile", "0.99")));
            assert!(histogram.iter().chain(&rest).all(|lost| *lost == summary), "{padding}");
        }
    }

    /// Labels that are often too many, too large, too long, or of a name that AMP doesn't take.
    fn any_labels() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = prop_oneof![
            6 => "[a-z]{1,3}",
            1 => prop::sample::select(vec!["job", "instance", "le", "__x", "a.b", "process_pid", "service_name", TRIMMED])
                .prop_map(str::to_owned),
        ];
        let value = prop_oneof![40 => 1usize..60, 1 => 1000usize..2500].prop_map(|n| "v".repeat(n));
        prop::collection::vec((name, value), 0..300)
    }

    fn with_name(pairs: Vec<(String, String)>) -> LabelSet {
        pairs.into_iter().chain([(NAME.to_owned(), "m".to_owned())]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// What comes out keeps every limit, is judged so, and nothing in it is made up but its trace.
        #[test]
        fn what_is_trimmed_keeps_every_limit(pairs in any_labels()) {
            let before = with_name(pairs);
            if let Verdict::Trimmed(after, _) = verdict(&before) {
                prop_assert_eq!(verdict(&after), Verdict::Kept);
                prop_assert!(after.iter().count() <= MAX_LABELS);
                prop_assert!(after.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() <= MAX_BYTES);
                prop_assert!(after.iter().all(|(n, v)| is_label_name(n.as_bytes()) && v.len() <= MAX_VALUE_BYTES));
                for (name, value) in after.iter().filter(|(name, _)| *name != TRIMMED) {
                    prop_assert_eq!(before.get(name).map(cut), Some(cut(value)));
                }
            }
        }

        /// The short look never lets through what the long one doesn't.
        #[test]
        fn what_is_far_from_limits_keeps_them(
            pairs in prop::collection::vec(("[a-c_.]{0,2}|le|quantile|__name__|[a-z]{1,40}", "[a-z.]{0,40}|v{0,3000}"), 0..90),
            metric in "[a-z]{1,3}(_sum|_count|_bucket)?",
        ) {
            let labels: LabelSet = pairs.into_iter().chain([(NAME.to_owned(), metric)]).collect();
            let name = labels.get(NAME).unwrap_or_default();
            if is_far_from_limits(&labels) {
                prop_assert_eq!(fault(&labels, Size::taken_by_name_and_bound(name, &labels)), None);
            }
        }

        /// Two series that differ anywhere differ afterwards.
        #[test]
        fn no_two_series_become_one(pairs in any_labels(), at in any::<prop::sample::Index>()) {
            let one = with_name(pairs.clone());
            let mut changed: Vec<_> = one.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let place = at.index(changed.len());
            changed[place].1.push('x');
            let other: LabelSet = changed.into_iter().collect();
            let sent = |labels: &LabelSet| match verdict(labels) {
                Verdict::Kept => Some(labels.clone()),
                Verdict::Trimmed(labels, _) => Some(labels),
                Verdict::Refused(_) => None,
            };
            prop_assert_ne!(sent(&one), sent(&other));
        }
    }
}
