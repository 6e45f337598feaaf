//! The name and the namespace of a segment. X-Ray draws its map of services from names, so a span's own name,
//! an operation, is the last resort.

use std::borrow::Cow;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::attributes::{Attributes, text};
use super::cause::is_aws_sdk;
use super::connection;
use super::keys::Key;
use crate::otlp::SpanKind;

/// The longest name that X-Ray takes, in bytes to be safe.
const MAX_BYTES: usize = 200;

/// What a name follows from.
pub(super) struct Named<'a> {
    pub(super) attributes: Attributes<'a>,
    pub(super) kind: SpanKind,
    pub(super) local_root: bool,
    pub(super) span_name: &'a str,
    /// `service.name` of the resource, or empty.
    pub(super) service_name: &'a str,
}

impl<'a> Named<'a> {
    /// The first that is there and not empty. Only the span's own name is cleaned: the others are people's choice.
    pub(super) fn name(&self) -> Cow<'a, str> {
        let get = |key| self.attributes.first_text(key).map(Cow::Borrowed);
        self.service()
            .map(Cow::Borrowed)
            .or_else(|| get(Key::PeerService))
            .or_else(|| get(Key::AwsService))
            .or_else(|| self.database())
            .or_else(|| self.own_service())
            .or_else(|| get(Key::RpcService))
            .or_else(|| get(Key::HttpHost))
            .or_else(|| get(Key::NetPeerName))
            .unwrap_or_else(|| cleaned(self.span_name))
    }

    /// Names made for X-Ray: of the service itself, or of the one that it calls.
    fn service(&self) -> Option<&'a str> {
        match self.kind {
            SpanKind::Server => self.attributes.first_text(Key::AwsLocalService),
            SpanKind::Internal if self.local_root => self.attributes.first_text(Key::AwsLocalService),
            SpanKind::Client | SpanKind::Producer | SpanKind::Consumer => remote_service(self.attributes),
            SpanKind::Internal | SpanKind::Unspecified => None,
        }
    }

    /// `database@host`, the host if the connection tells it. A database that is there but has no name leaves the host.
    fn database(&self) -> Option<Cow<'a, str>> {
        let database = self.attributes.first(Key::DbName).map(text)?;
        let host = self.attributes.first_text(Key::DbConnectionString).and_then(connection::host);
        let name: Cow<'_, str> = host.map_or(database.into(), |host| format!("{database}@{host}").into());
        Some(name).filter(|name| !name.is_empty())
    }

    fn own_service(&self) -> Option<Cow<'a, str>> {
        let name = Some(self.service_name).filter(|name| !name.is_empty() && self.kind == SpanKind::Server);
        name.map(Cow::Borrowed)
    }

    /// `aws` for a call to AWS, `remote` for one to anything else.
    pub(super) fn namespace(&self) -> Option<&'static str> {
        if is_aws_sdk(self.attributes) || self.named_by_aws_service() {
            return Some("aws");
        }
        matches!(self.kind, SpanKind::Client | SpanKind::Producer).then_some("remote")
    }

    fn named_by_aws_service(&self) -> bool {
        self.attributes.has(Key::AwsService)
            && self.service().is_none()
            && self.attributes.first_text(Key::PeerService).is_none()
    }
}

/// The service that the span calls; of a call to AWS without the prefix that tells so.
pub(super) fn remote_service<'a>(attributes: Attributes<'a>) -> Option<&'a str> {
    let name = attributes.first_text(Key::AwsRemoteService)?;
    if !is_aws_sdk(attributes) {
        return Some(name);
    }
    let bare = name.strip_prefix("AWS.SDK.").or_else(|| name.strip_prefix("AWS::")).unwrap_or(name);
    Some(bare).filter(|bare| !bare.is_empty())
}

/// Without the characters that X-Ray does not take, and not too long; `span` if nothing is left.
pub(super) fn cleaned(name: &str) -> Cow<'_, str> {
    let clean: Cow<'_, str> = match name.chars().all(is_allowed) {
        true => name.into(),
        false => name.chars().filter(|char| is_allowed(*char)).collect::<String>().into(),
    };
    if clean.is_empty() {
        return "span".into();
    }
    // Between characters, where the exporter cuts bytes and leaves half a letter, which X-Ray then refuses.
    match clean {
        _ if clean.len() <= MAX_BYTES => clean,
        Cow::Borrowed(text) => text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or_default().into(),
        Cow::Owned(mut text) => {
            text.truncate(text.floor_char_boundary(MAX_BYTES));
            text.into()
        }
    }
}

/// Letters, digits, space and `_ . : / % & # = + - @`.
fn is_allowed(char: char) -> bool {
    match char {
        ' ' | '_' | '.' | ':' | '/' | '%' | '&' | '#' | '=' | '+' | '-' | '@' => true,
        char if char.is_ascii() => char.is_ascii_alphanumeric(),
        char => char.general_category_group() == GeneralCategoryGroup::Letter,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{attributes, pairs};
    use super::*;

    #[test]
    fn the_first_name_that_is_there_counts() {
        use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};
        let every = [
            ("net.peer.name", "peer"),
            ("http.host", "host"),
            ("rpc.service", "rpc"),
            ("db.connection_string", "jdbc:mysql://db.example.com:3306/shop"),
            ("db.name", "db"),
            ("aws.service", "aws"),
            ("peer.service", "peer service"),
            ("aws.local.service", "local"),
            ("aws.remote.service", "AWS::Remote"),
        ];
        for (attributes_seen, kind, local_root, expected) in [
            (0, Server, false, "resource"),
            (0, Consumer, false, "op"),
            (0, Client, false, "op"),
            (1, Client, false, "peer"),
            (1, Server, false, "resource"),
            (2, Client, false, "host"),
            (3, Internal, false, "rpc"),
            (5, Client, false, "db@db.example.com"),
            (5, Server, false, "db@db.example.com"),
            (6, Unspecified, false, "aws"),
            (7, Producer, false, "peer service"),
            (9, Server, false, "local"),
            (9, Internal, false, "peer service"),
            (9, Internal, true, "local"),
            (9, Client, false, "AWS::Remote"),
            (9, Producer, true, "AWS::Remote"),
            (9, Consumer, false, "AWS::Remote"),
            (9, Unspecified, true, "peer service"),
        ] {
            let pairs = pairs(&every[..attributes_seen]);
            let attributes = attributes(&pairs);
            let named = Named { attributes, kind, local_root, span_name: "<op>", service_name: "resource" };
            assert_eq!(named.name(), expected, "{attributes_seen} {kind:?}");
        }
    }

    #[test]
    fn an_empty_name_is_none() {
        let texts = [("peer.service", ""), ("aws.service", ""), ("http.host", "h")];
        let pairs = pairs(&texts);
        let attributes = attributes(&pairs);
        let named =
            Named { attributes, kind: SpanKind::Client, local_root: false, span_name: "", service_name: "" };
        assert_eq!((named.name().as_ref(), named.namespace()), ("h", Some("aws")));
    }

    #[test]
    fn a_database_without_name_leaves_its_host() {
        for (texts, expected) in [
            (&[("db.name", ""), ("db.connection_string", "mysql://db:3306")][..], "@db"),
            (&[("db.name", ""), ("db.connection_string", "mysql"), ("rpc.service", "r")], "r"),
            (&[("db.connection_string", "mysql://db:3306"), ("rpc.service", "r")], "r"),
        ] {
            let pairs = pairs(texts);
            let attributes = attributes(&pairs);
            let (kind, local_root, span_name, service_name) = (SpanKind::Client, false, "x", "");
            let named = Named { attributes, kind, local_root, span_name, service_name };
            assert_eq!(named.name(), expected, "{texts:?}");
        }
    }

    #[test]
    fn calls_to_aws_lose_their_prefix_and_have_a_namespace_of_their_own() {
        for (texts, name, namespace) in [
            (&[("rpc.system", "aws-api"), ("aws.remote.service", "AWS::SQS")][..], "SQS", "aws"),
            (&[("rpc.system", "aws-api"), ("aws.remote.service", "AWS.SDK.SQS")], "SQS", "aws"),
            (&[("rpc.system", "aws-api"), ("aws.remote.service", "SQS")], "SQS", "aws"),
            (&[("rpc.system", "aws-api"), ("peer.service", "AWS::SQS")], "AWS::SQS", "aws"),
            (&[("rpc.system", "grpc"), ("aws.remote.service", "AWS::SQS")], "AWS::SQS", "remote"),
            (&[("aws.service", "SQS")], "SQS", "aws"),
            (&[("aws.service", "SQS"), ("peer.service", "queue")], "queue", "remote"),
        ] {
            let pairs = pairs(texts);
            let attributes = attributes(&pairs);
            let named = Named {
                attributes,
                kind: SpanKind::Client,
                local_root: false,
                span_name: "x",
                service_name: "",
            };
            assert_eq!((named.name().as_ref(), named.namespace()), (name, Some(namespace)), "{texts:?}");
        }
    }

    #[test]
    fn a_spans_name_is_cleaned_and_cut() {
        let long = "é".repeat(101);
        for (name, expected) in [
            ("", "span"),
            ("<>!?", "span"),
            ("GET /cart/{id}?a=b", "GET /cart/ida=b"),
            ("a_b.c:d/e%f&g#h=i+j-k@l 1", "a_b.c:d/e%f&g#h=i+j-k@l 1"),
            ("zażółć 訂單 Ω", "zażółć 訂單 Ω"),
            // marks, digits and numbers of other scripts, and symbols are no letters
            ("n\u{303}o\u{661}\u{2164}\u{24b6}½\t\u{a0}", "no"),
            (&long, &long[..200]),
            (&format!("!{}", "x".repeat(300)), &"x".repeat(200)),
        ] {
            assert_eq!(cleaned(name), expected, "{name}");
        }
        assert_eq!(cleaned(&format!("a{long}")).len(), 199);
    }
}
