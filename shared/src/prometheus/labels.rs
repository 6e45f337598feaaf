//! Label names: an attribute's key to a Prometheus label name, as prometheus/otlptranslator v1.0.0 builds it
//! (`label_namer.go`, `strconv.go`).

use std::borrow::Cow;

/// The label name of an attribute, or `None` where nothing is left of its key.
///
/// Each run of characters that a label can't hold, `_` among them, becomes one `_`. A key that is reserved (`__x__`)
/// stays so.
pub(super) fn label_name(key: &str) -> Option<Cow<'_, str>> {
    if is_label_name(key) {
        return Some(Cow::Borrowed(key));
    }
    let reserved = key.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    let name = match reserved {
        Some(inside) => format!("__{}__", collapsed(inside)),
        None => collapsed(key),
    };
    if name.starts_with('_') && !name.starts_with("__") {
        return accepted(format!("key{name}")).map(Cow::Owned);
    }
    accepted(name).map(Cow::Owned)
}

/// The label name of an attribute in `target_info`, where runs stay as long as they are and a leading `_` stays first.
pub(super) fn target_label_name(key: &str) -> Option<String> {
    accepted(key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect())
}

/// Whether a key is its own label name, as those without dots are.
fn is_label_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn collapsed(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}

fn accepted(name: String) -> Option<String> {
    if name.bytes().all(|b| b == b'_') {
        return None;
    }
    Some(if name.starts_with(|c: char| c.is_ascii_digit()) { format!("key_{name}") } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_a_label_name_in_two_ways() {
        for (key, label, target) in [
            ("http.method", Some("http_method"), Some("http_method")),
            ("a..b", Some("a_b"), Some("a__b")),
            ("a__b", Some("a_b"), Some("a__b")),
            ("_private", Some("key_private"), Some("_private")),
            ("__foo", Some("key_foo"), Some("__foo")),
            ("__foo__", Some("__foo__"), Some("__foo__")),
            ("__a..b__", Some("__a_b__"), Some("__a__b__")),
            ("___", Some("key_"), None),
            ("____", None, None),
            ("__.__", None, None),
            ("123abc", Some("key_123abc"), Some("key_123abc")),
            ("é.x", Some("key_x"), Some("__x")),
            ("with space", Some("with_space"), Some("with_space")),
            ("Upper", Some("Upper"), Some("Upper")),
            ("a:b", Some("a_b"), Some("a_b")),
            ("a.", Some("a_"), Some("a_")),
            ("...", Some("key_"), None),
            ("", None, None),
        ] {
            assert_eq!(label_name(key).as_deref(), label, "{key:?}");
            assert_eq!(target_label_name(key).as_deref(), target, "{key:?} in target_info");
        }
    }
}
