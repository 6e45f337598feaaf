//! The host of a database's connection string.

use std::{borrow::Cow, net::Ipv6Addr};

/// The host, if the string is a URL that names one, `jdbc:` before it or not.
///
/// Reads URLs as Go's `net/url` does, because the names of people's segments come from there: what is no proper
/// URL has no host, and neither has one whose scheme is not followed by `//`.
pub(super) fn host(connection: &str) -> Option<Cow<'_, str>> {
    let url = connection.strip_prefix("jdbc:").unwrap_or(connection);
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let (scheme, rest) = split_scheme(url)?;
    let rest = rest.split_once('?').map_or(rest, |(path, _query)| path);
    let authority = rest.strip_prefix("//").filter(|path| scheme || !path.starts_with('/'))?;
    let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
    let address = match authority.rsplit_once('@') {
        Some((user, address)) if is_user(user) => address,
        Some(_) => return None,
        None => authority,
    };
    let sound = is_escaped(path, |_| true) && is_escaped(fragment, |_| true);
    bare_host(address).filter(|host| sound && !host.is_empty())
}

/// Whether there is a scheme, and what follows it. None if the string begins with a colon.
fn split_scheme(url: &str) -> Option<(bool, &str)> {
    let Some((scheme, rest)) = url.split_once(':') else { return Some((false, url)) };
    let mut letters = scheme.bytes();
    let first = letters.next()?;
    let sound = first.is_ascii_alphabetic()
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    Some(if sound { (true, rest) } else { (false, url) })
}

/// Without port and brackets, which only an IPv6 address may have. None if either is malformed. Of several hosts, each
/// with a port, the last one's goes: databases know such lists.
fn bare_host(address: &str) -> Option<Cow<'_, str>> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.rsplit_once(']')?;
        return (is_port(port) && host.parse::<Ipv6Addr>().is_ok()).then_some(host.into());
    }
    let (host, port) = address.split_at(address.rfind(':').unwrap_or(address.len()));
    unescaped(host).filter(|_| is_port(port))
}

/// Reads the escapes that a host may have: of bytes that are no ASCII, and of `%` itself.
fn unescaped(host: &str) -> Option<Cow<'_, str>> {
    if !host.contains('%') {
        return host.bytes().all(is_host_byte).then_some(host.into());
    }
    let (mut rest, mut bytes) = (host.bytes(), Vec::with_capacity(host.len()));
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => escape(rest.next()?, rest.next()?).filter(|byte| !byte.is_ascii() || *byte == b'%')?,
            byte if is_host_byte(byte) => byte,
            _ => return None,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned().into())
}

/// The byte that two hexadecimal digits tell.
fn escape(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

fn is_port(port: &str) -> bool {
    port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_user(user: &str) -> bool {
    is_escaped(user, |byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%@".contains(&byte))
}

fn is_host_byte(byte: u8) -> bool {
    !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:]<>\"".contains(&byte)
}

/// Whether every `%` begins an escape and every other byte is allowed.
fn is_escaped(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            byte => allowed(byte),
        };
        if !sound {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_url_names_a_host_and_nothing_else_does() {
        for (connection, expected) in [
            ("mysql://db.example.com:3306", Some("db.example.com")),
            ("jdbc:postgresql://db.example.com/shop?ssl=true", Some("db.example.com")),
            ("postgresql://app:s3cret@db:5432/shop", Some("db")),
            ("postgresql://app@x:pw%40@db/shop", Some("db")),
            ("//db:5432/shop", Some("db")),
            ("http://[::1]:80/", Some("::1")),
            ("mysql://db:/shop#top", Some("db")),
            ("mysql://dé.example.com", Some("dé.example.com")),
            ("mongodb://a:27017,b:27018/shop", Some("a:27017,b")),
            ("mysql://db:/", Some("db")),
            ("mysql://db#\n", Some("db")),
            ("mysql://d%C3%A9%25:3306", Some("dé%")),
            ("mysql://d%C", None),
            ("mysql://a%7b/shop", None),
            ("mysql://%41 b/shop", None),
            ("mysql://[db]/", None),
            ("mysql://[10.0.0.1]/", None),
            ("mysql://a[b/", None),
            ("mysql://a]b/", Some("a]b")),
            ("", None),
            (":", None),
            ("jdbc:", None),
            ("db.example.com", None),
            ("db.example.com:3306", None),
            ("///etc/db", None),
            ("mysql:///shop", None),
            ("jdbc:oracle:thin:@db:1521:shop", None),
            ("jdbc:sqlserver://db:1433;databaseName=shop", None),
            ("mysql://a b/shop", None),
            ("mysql://a%20b/shop", None),
            ("mysql://db:http/shop", None),
            ("mysql://a{b}@db/shop", None),
            ("mysql://db/50%", None),
            ("http://[::1/", None),
            ("mysql://db\n", None),
            ("Server=db;Port=3306", None),
        ] {
            assert_eq!(host(connection).as_deref(), expected, "{connection}");
        }
    }
}
