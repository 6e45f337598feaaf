//! Image references: `[host[:port]/]path[:tag][@digest]`
//! (<https://pkg.go.dev/github.com/distribution/reference>).

/// The parts of an image reference that become labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageRef<'a> {
    /// With the registry's host and port.
    pub(super) repository: &'a str,
    /// `latest` where none is given, even beside a digest.
    pub(super) tag: &'a str,
}

impl<'a> ImageRef<'a> {
    /// `None` where the text is no reference.
    pub(super) fn parse(image: &'a str) -> Option<Self> {
        let (named, digest) = split_off(image, image.find('@'));
        let colon =
            named.rfind(':').filter(|colon| !named.get(*colon..).is_some_and(|rest| rest.contains('/')));
        let (repository, tag) = split_off(named, colon);
        let valid = is_name(repository) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
        valid.then(|| Self { repository, tag: tag.unwrap_or("latest") })
    }
}

/// The text before the one-byte separator `at`, and the text after it.
fn split_off(text: &str, at: Option<usize>) -> (&str, Option<&str>) {
    let parts = at.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)));
    parts.map_or((text, None), |(before, after)| (before, Some(after)))
}

/// `[host[:port]/]path`: only a first component before a slash may be a host, and so in upper case.
fn is_name(name: &str) -> bool {
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => name,
    };
    path.len() <= 255 && is_path(path)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if is_all(address, |c| c.is_ascii_hexdigit() || c == ':') => match rest {
            "" => return true,
            port => ("v6", port.strip_prefix(':')),
        },
        Some(_) => return false,
        None => split_off(host, host.find(':')),
    };
    let has_port =
        host.ends_with(']') || !host.contains(':') || port.is_some_and(|p| is_all(p, |c| c.is_ascii_digit()));
    has_port && name.split('.').all(is_host_component)
}

fn is_host_component(component: &str) -> bool {
    is_all(component, |c| c.is_ascii_alphanumeric() || c == '-')
        && !component.starts_with('-')
        && !component.ends_with('-')
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_component)
}

/// Runs of `a-z0-9`, between them one of `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator = |s: &str| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    component.starts_with(is_alphanumeric)
        && component.ends_with(is_alphanumeric)
        && component.split(is_alphanumeric).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128 && tag.starts_with(is_word) && is_all(tag, |c| is_word(c) || c == '.' || c == '-')
}

/// `sha256:`, `sha384:` or `sha512:`, and all of its hex digits in lower case.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let bits = match algorithm {
        "sha256" => 256,
        "sha384" => 384,
        "sha512" => 512,
        _ => return false,
    };
    hex.len() * 4 == bits && is_all(hex, |c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn is_all(text: &str, is: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_gives_repository_and_tag() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (image, repository, tag) in [
            ("busybox", "busybox", "latest"),
            ("busybox:1.9", "busybox", "1.9"),
            ("library/busybox:V1_a-b.c", "library/busybox", "V1_a-b.c"),
            ("registry.example.com:5000/shop/app:2.1", "registry.example.com:5000/shop/app", "2.1"),
            ("localhost:5000/team/app", "localhost:5000/team/app", "latest"),
            ("host:5000", "host", "5000"),
            ("Registry/app", "Registry/app", "latest"),
            ("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000/app", "1"),
            ("[::1]/app", "[::1]/app", "latest"),
            ("a__b/c---d/e.f_g", "a__b/c---d/e.f_g", "latest"),
        ] {
            assert_eq!(ImageRef::parse(image), Some(ImageRef { repository, tag }), "{image}");
            let pinned = format!("{image}@{digest}");
            assert_eq!(ImageRef::parse(&pinned), Some(ImageRef { repository, tag }), "{pinned}");
        }
    }

    #[test]
    fn anything_else_is_no_reference() {
        for image in [
            "",
            "Busybox",
            "a/B",
            "a:",
            ":1",
            "a b",
            "a:b c",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a@",
            "a@sha256:12",
            "a:1:2",
            "ho_st:1/A",
            "host:/a",
            "host:x/a",
            "-host/A",
            "[g]/a",
            "[::1]x/a",
            "ä",
            "a:-tag",
            "[::1]:/a",
            "[::1",
        ] {
            assert_eq!(ImageRef::parse(image), None, "{image}");
        }
        let hex = "ab".repeat(32);
        for image in [
            format!("a:{}", "t".repeat(129)),
            "p".repeat(256),
            format!("host/{}", "p".repeat(256)),
            format!("a@md5:{hex}"),
            format!("a@sha256:{}", hex.to_uppercase()),
            format!("a@sha256:{hex}00"),
            format!("a@sha512:{hex}"),
        ] {
            assert_eq!(ImageRef::parse(&image), None, "{image}");
        }
        assert!(ImageRef::parse(&format!("{}/{}", "host".repeat(64), "p".repeat(255))).is_some());
    }
}
