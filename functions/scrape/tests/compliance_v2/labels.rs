//! The suite's table `TestLabelValidation`.

use siphon_core::series::NAME;

use crate::support::{capture, page};

/// Letters, digits and `others`, and no digit first.
fn is_name(text: &str, others: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    text.chars().all(is_good) && text.starts_with(|c: char| !c.is_ascii_digit())
}

fn assert_text(case: &str) {
    let (_, want) = page::texts().into_iter().find(|(name, _)| *name == case).unwrap();
    assert_eq!(capture().case("labelled", case).get("text"), Some(want.as_str()));
}

#[test]
fn label_lexicographic_ordering() {
    let order = capture().case("labelled", "order");
    let names: Vec<_> = order.labels.iter().map(|(name, _)| name.as_str()).collect();
    let own: Vec<_> = names.iter().filter(|name| ["z", "a", "M", "b_c"].contains(*name)).collect();
    assert_eq!(own, [&"M", &"a", &"b_c", &"z"]);
    for series in capture().series() {
        assert!(series.labels.is_sorted_by(|(a, _), (b, _)| a.as_bytes() < b.as_bytes()));
    }
}

#[test]
fn metric_name_label_present() {
    capture().series().for_each(|series| assert!(series.get(NAME).is_some()));
}

#[test]
fn metric_name_format_valid() {
    capture().series().for_each(|series| assert!(is_name(series.name(), "_:"), "{}", series.name()));
}

#[test]
fn label_name_format_valid() {
    for (name, _) in capture().series().flat_map(|series| &series.labels) {
        assert!(is_name(name, "_"), "{name}");
    }
}

#[test]
fn no_duplicate_label_names() {
    for series in capture().series() {
        assert!(series.labels.windows(2).all(|two| two[0].0 != two[1].0));
    }
}

#[test]
fn label_names_not_empty() {
    capture().series().flat_map(|series| &series.labels).for_each(|(name, _)| assert!(!name.is_empty()));
}

/// They may; Siphon leaves such a label out, which means the same.
#[test]
fn label_values_may_be_empty() {
    assert_eq!(capture().case("labelled", "empty").get("absent"), None);
    capture().series().flat_map(|series| &series.labels).for_each(|(_, value)| assert!(!value.is_empty()));
}

#[test]
fn reserved_label_prefix() {
    assert_eq!(capture().case("labelled", "reserved").get("key_private"), Some("1"));
    for (name, _) in capture().series().flat_map(|series| &series.labels) {
        assert!(name == NAME || !name.starts_with("__"), "{name}");
    }
}

#[test]
fn unicode_in_label_values() {
    assert_text("unicode");
}

#[test]
fn special_chars_in_label_values() {
    assert_text("special");
}

#[test]
fn very_long_label_names() {
    assert_eq!(capture().case("labelled", "long_name").get(&page::long_name()), Some("1"));
}

#[test]
fn very_long_label_values() {
    assert_text("long");
}

#[test]
fn many_labels_per_series() {
    let many = capture().case("labelled", "many");
    assert_eq!(many.labels.iter().filter(|(name, _)| name.starts_with("label")).count(), 60);
}
