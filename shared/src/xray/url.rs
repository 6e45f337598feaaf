//! The URL of a request, put together from the attributes of the HTTP conventions where none is given whole
//! (<https://github.com/open-telemetry/semantic-conventions/blob/main/docs/http/http-spans.md>).

use std::borrow::Cow;

use super::attributes::{int, text};
use crate::otlp::SpanKind;
use crate::otlp::view::values::Attribute;

/// The parts; one that is there but empty still counts.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) full: Option<&'a str>,
    pub(super) scheme: Option<&'a str>,
    pub(super) target: Option<&'a str>,
    pub(super) path: Option<&'a str>,
    pub(super) query: Option<&'a str>,
    pub(super) http_host: Option<&'a str>,
    // of this side
    pub(super) server_name: Option<&'a str>,
    pub(super) net_host_name: Option<&'a str>,
    pub(super) host_name: Option<&'a str>,
    pub(super) server_address: Option<&'a str>,
    pub(super) host_port: Option<Port<'a>>,
    pub(super) server_port: Option<Port<'a>>,
    // of the other side
    pub(super) peer_name: Option<&'a str>,
    pub(super) peer_ip: Option<&'a str>,
    pub(super) peer_port: Option<Port<'a>>,
}

/// A port as text or as number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Port<'a> {
    Text(&'a str),
    Number(i64),
}

impl<'a> Port<'a> {
    /// An attribute that is no text, or an empty one, is a number; 0 if it is none either.
    pub(super) fn of(attribute: &Attribute<'a>) -> Self {
        match text(attribute) {
            "" => Self::Number(int(attribute)),
            text => Self::Text(text),
        }
    }

    fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Number(number) => number.to_string().into(),
        }
    }
}

impl<'a> Parts<'a> {
    /// `scheme://host[:port]` and the path; a server's host is its own, any other span's the peer's.
    pub(super) fn url(&self, kind: SpanKind) -> Cow<'a, str> {
        if let Some(full) = self.full {
            return full.into();
        }
        let scheme = self.scheme.unwrap_or("http");
        let (host, port) = self.authority(kind);
        let mut url = String::with_capacity(64);
        for part in [scheme, "://", host] {
            url.push_str(part);
        }
        if let Some(port) = port.map(Port::text).filter(|port| !is_default(scheme, port)) {
            url.push(':');
            url.push_str(&port);
        }
        match self.target {
            Some(target) => url.push_str(target),
            None => self.push_path(&mut url),
        }
        url.into()
    }

    fn authority(&self, kind: SpanKind) -> (&'a str, Option<Port<'a>>) {
        if let Some(host) = self.http_host {
            return (host, None); // carries its own port
        }
        let (host, port) = match kind {
            SpanKind::Server => (
                self.server_name.or(self.net_host_name).or(self.host_name).or(self.server_address),
                self.host_port.or(self.server_port),
            ),
            _ => (self.peer_name.or(self.peer_ip), self.peer_port),
        };
        (host.unwrap_or_default(), port)
    }

    fn push_path(&self, url: &mut String) {
        url.push_str(self.path.unwrap_or("/"));
        if let Some(query) = self.query {
            if !query.starts_with('?') {
                url.push('?');
            }
            url.push_str(query);
        }
    }
}

fn is_default(scheme: &str, port: &str) -> bool {
    matches!((scheme, port), (_, "") | ("http", "80") | ("https", "443"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_put_together_from_what_is_there() {
        use SpanKind::{Client, Internal, Server};
        let none = Parts::default;
        let host = || Parts { http_host: Some("h:8080"), host_port: Some(Port::Number(9)), ..none() };
        let server = || Parts { net_host_name: Some("n"), host_name: Some("m"), ..none() };
        let peer = || Parts { peer_name: Some("p"), peer_ip: Some("10.0.0.1"), ..none() };
        let https = Some("https");
        for (parts, kind, expected) in [
            (Parts { full: Some("x:y"), ..host() }, Client, "x:y"),
            (host(), Client, "http://h:8080/"),
            (
                Parts { scheme: https, target: Some("/a?b"), path: Some("/c"), ..host() },
                Server,
                "https://h:8080/a?b",
            ),
            (Parts { path: Some("/c"), query: Some("d=e"), ..host() }, Server, "http://h:8080/c?d=e"),
            (Parts { path: Some("/c"), query: Some("?d=e"), ..host() }, Server, "http://h:8080/c?d=e"),
            (Parts { query: Some(""), ..host() }, Server, "http://h:8080/?"),
            (server(), Server, "http://n/"),
            (Parts { server_name: Some("s"), ..server() }, Server, "http://s/"),
            (Parts { net_host_name: None, ..server() }, Server, "http://m/"),
            (
                Parts { server_address: Some("a"), server_port: Some(Port::Number(80)), ..none() },
                Server,
                "http://a/",
            ),
            (Parts { host_port: Some(Port::Text("443")), scheme: https, ..server() }, Server, "https://n/"),
            (Parts { host_port: Some(Port::Text("443")), ..server() }, Server, "http://n:443/"),
            (Parts { host_port: Some(Port::Number(0)), ..server() }, Server, "http://n:0/"),
            (server(), Client, "http:///"),
            (peer(), Client, "http://p/"),
            (Parts { peer_port: Some(Port::Number(81)), ..peer() }, Internal, "http://p:81/"),
            (Parts { peer_name: None, ..peer() }, Client, "http://10.0.0.1/"),
            (Parts { peer_name: Some(""), ..peer() }, Client, "http:///"),
            // A client's `server.address` counts for nothing, as in the exporter whose names people's groups use.
            (
                Parts { server_address: Some("a"), path: Some("/b"), scheme: https, ..none() },
                Client,
                "https:///b",
            ),
        ] {
            assert_eq!(parts.url(kind), expected, "{kind:?} {parts:?}");
        }
    }
}
