//! The `http` block, from both generations of the HTTP conventions.

use std::net::IpAddr;

use super::attributes::{Attributes, find, int, text};
use super::document::{Http, HttpRequest, HttpResponse};
use super::keys::{Key, KeySet};
use super::url::{Parts, Port};
use crate::otlp::SpanKind;
use crate::otlp::view::{traces::Event, values::Attribute};

/// The block, if an attribute speaks of HTTP. Of an old and a new attribute with one meaning the later one counts.
pub(super) fn http<'a>(attributes: Attributes<'a>, kind: SpanKind, events: &[Event<'_>]) -> Option<Http<'a>> {
    if !attributes.has_any(HTTP_ALONE) {
        return None;
    }
    let mut seen = Seen::default();
    for (key, attribute) in attributes.known() {
        seen.read(key, attribute);
    }
    let is_addressed = seen.addressed || attributes.has_any(OTHER_SIDE);
    Some(Http {
        request: HttpRequest {
            x_forwarded_for: seen.client_ip.is_some() && !seen.peer,
            method: seen.method,
            url: is_addressed.then(|| seen.url.url(kind)).filter(|url| !url.is_empty()),
            user_agent: seen.user_agent,
            client_ip: seen.client_ip,
        },
        response: HttpResponse { status: seen.status, content_length: received_bytes(attributes, events) },
    })
}

/// What names the other side: without any of it there is no URL.
const OTHER_SIDE: KeySet = KeySet::of(&[
    Key::HttpUrl,
    Key::UrlFull,
    Key::HttpHost,
    Key::HttpServerName,
    Key::HostName,
    Key::NetHostName,
    Key::NetPeerName,
    Key::ServerAddress,
    Key::NetPeerIp,
]);

/// What only HTTP has: without any of it there is no block.
const HTTP_ALONE: KeySet = KeySet::HTTP.without(KeySet::of(&[
    Key::HostName,
    Key::NetHostName,
    Key::NetPeerName,
    Key::ServerAddress,
    Key::NetPeerPort,
    Key::ServerPort,
    Key::NetPeerIp,
    Key::NetworkPeerAddress,
    Key::ClientAddress,
]));

/// What the attributes told so far.
#[derive(Default)]
struct Seen<'a> {
    /// The other side's address by a key that may as well hold something else.
    addressed: bool,
    /// The network peer's own address.
    peer: bool,
    method: Option<&'a str>,
    user_agent: Option<&'a str>,
    client_ip: Option<&'a str>,
    status: Option<i64>,
    url: Parts<'a>,
}

impl<'a> Seen<'a> {
    fn read(&mut self, key: Key, attribute: &Attribute<'a>) {
        let value = text(attribute);
        let some = Some(value).filter(|value| !value.is_empty());
        match key {
            Key::HttpMethod | Key::HttpRequestMethod => self.method = some,
            Key::HttpUserAgent | Key::UserAgentOriginal => self.user_agent = some,
            Key::HttpStatusCode | Key::HttpResponseStatusCode => self.status = Some(int(attribute)),
            Key::HttpUrl | Key::UrlFull => self.url.full = Some(value),
            Key::HttpScheme | Key::UrlScheme => self.url.scheme = Some(value),
            Key::HttpHost => self.url.http_host = Some(value),
            Key::HttpTarget => self.url.target = Some(value),
            Key::HttpServerName => self.url.server_name = Some(value),
            Key::NetHostPort => self.url.host_port = Some(Port::of(attribute)),
            Key::UrlPath => self.url.path = Some(value),
            Key::UrlQuery => self.url.query = Some(value),
            Key::HostName => self.url.host_name = Some(value),
            Key::NetHostName => self.url.net_host_name = Some(value),
            Key::NetPeerName => self.url.peer_name = Some(value),
            Key::ServerAddress => self.url.server_address = Some(value),
            Key::NetPeerPort => self.url.peer_port = Some(Port::of(attribute)),
            Key::ServerPort => self.url.server_port = Some(Port::of(attribute)),
            Key::HttpClientIp => self.client_ip = some,
            Key::NetPeerIp => {
                self.client_ip = self.client_ip.or(some);
                self.url.peer_ip = Some(value);
                self.peer = true;
            }
            Key::NetworkPeerAddress if is_ip(value) => {
                self.client_ip = self.client_ip.or(some);
                self.peer = true;
                self.addressed = true;
            }
            Key::ClientAddress if is_ip(value) => self.client_ip = some,
            _ => {}
        }
    }
}

fn is_ip(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok()
}

/// The size of the first message marked as received: the span's own, else an event's; else 0.
fn received_bytes(attributes: Attributes<'_>, events: &[Event<'_>]) -> i64 {
    let size = |kind: Option<&Attribute<'_>>, size: Option<&Attribute<'_>>| match (kind, size) {
        (Some(kind), Some(size)) if text(kind) == "RECEIVED" => int(size),
        _ => 0,
    };
    let own = size(attributes.first(Key::MessageType), attributes.first(Key::MessagePayloadSize));
    let of_event = |event: &Event<'_>| {
        let find = |key| find(&event.attributes, key);
        size(find("message.type"), find("messaging.message_payload_size_bytes"))
    };
    std::iter::once(own).chain(events.iter().map(of_event)).find(|size| *size != 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{attributes, pair, pairs};
    use super::*;
    use std::borrow::Cow;

    fn request<'a>(pairs: &'a [Attribute<'a>], kind: SpanKind) -> Option<HttpRequest<'a>> {
        http(attributes(pairs), kind, &[]).map(|http| http.request)
    }

    #[test]
    fn only_attributes_of_http_itself_make_a_block() {
        for (key, is_http) in [
            ("http.method", true),
            ("url.query", true),
            ("net.host.port", true),
            ("server.address", false),
            ("net.peer.ip", false),
            ("client.address", false),
            ("http.route", false),
            ("http.status_text", false),
        ] {
            assert_eq!(request(&pairs(&[(key, "10.0.0.1")]), SpanKind::Client).is_some(), is_http, "{key}");
        }
    }

    #[test]
    fn of_old_and_new_the_later_counts() {
        let pairs =
            pairs(&[("http.request.method", "GET"), ("http.method", "PUT"), ("user_agent.original", "a")]);
        let request = request(&pairs, SpanKind::Server).unwrap();
        assert_eq!((request.method, request.user_agent), (Some("PUT"), Some("a")));
    }

    #[test]
    fn the_client_is_who_a_header_names_or_else_the_peer() {
        for (texts, client_ip, forwarded) in [
            (&[("http.client_ip", "1.1.1.1")][..], Some("1.1.1.1"), true),
            (&[("http.client_ip", "1.1.1.1"), ("net.peer.ip", "2.2.2.2")], Some("1.1.1.1"), false),
            (&[("net.peer.ip", "2.2.2.2"), ("http.client_ip", "1.1.1.1")], Some("1.1.1.1"), false),
            (&[("net.peer.ip", "2.2.2.2")], Some("2.2.2.2"), false),
            (&[("network.peer.address", "::1")], Some("::1"), false),
            (&[("network.peer.address", "/run/socket")], None, false),
            (&[("client.address", "3.3.3.3"), ("network.peer.address", "::1")], Some("3.3.3.3"), false),
            (&[("client.address", "a.example.com")], None, false),
            (&[("client.address", "3.3.3.3")], Some("3.3.3.3"), true),
        ] {
            let mut pairs = pairs(texts);
            pairs.push(pair("http.method", "GET"));
            let request = request(&pairs, SpanKind::Server).unwrap();
            assert_eq!((request.client_ip, request.x_forwarded_for), (client_ip, forwarded), "{texts:?}");
        }
    }

    #[test]
    fn a_url_needs_someone_to_address() {
        let url = |texts| request(&pairs(texts), SpanKind::Server).unwrap().url.map(Cow::into_owned);
        assert_eq!(url(&[("url.scheme", "https"), ("url.path", "/a")]), None);
        let addressed = url(&[("server.address", "h"), ("url.scheme", "https"), ("url.path", "/a")]);
        assert_eq!(addressed.as_deref(), Some("https://h/a"));
    }

    #[test]
    fn the_status_and_the_size_are_whole_numbers_or_0() {
        let event = |size: i64| Event {
            attributes: vec![
                pair("message.type", "RECEIVED"),
                pair("messaging.message_payload_size_bytes", size),
            ],
            ..Event::default()
        };
        let events = [Event::default(), event(0), event(7), event(8)];
        let response = |pairs: &[Attribute<'_>]| {
            let http = http(attributes(pairs), SpanKind::Client, &events).unwrap();
            (http.response.status, http.response.content_length)
        };
        assert_eq!(response(&[pair("http.status_code", 200)]), (Some(200), 7));
        assert_eq!(response(&[pair("http.status_code", "200")]), (Some(0), 7));
        assert_eq!(response(&[pair("http.method", "GET")]), (None, 7));
        let mut own = event(9).attributes;
        own.push(pair("http.method", "GET"));
        assert_eq!(response(&own), (None, 9));
    }
}
