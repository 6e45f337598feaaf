//! The span attributes that translation knows by name.

macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident = $name:literal,)*) => {
        /// A span attribute with a meaning for X-Ray.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Key {
            $($(#[$doc])* $key,)*
        }

        impl Key {
            /// The key that is spelt `name`.
            pub(super) fn of(name: &str) -> Option<Self> {
                // Bytes, not text: a match on byte strings compiles to a tree over length and letters.
                match name.as_bytes() {
                    $($name => Some(Self::$key),)*
                    _ => None,
                }
            }

            /// Every key with its spelling.
            #[cfg(test)]
            pub(super) const ALL: &'static [(Self, &'static [u8])] = &[$((Self::$key, $name),)*];
        }
    };
}

// In groups of one meaning: the sets below count on the order.
keys! {
    // HTTP, both generations of the conventions
    HttpMethod = b"http.method",
    HttpRequestMethod = b"http.request.method",
    HttpClientIp = b"http.client_ip",
    HttpUserAgent = b"http.user_agent",
    UserAgentOriginal = b"user_agent.original",
    HttpStatusCode = b"http.status_code",
    HttpResponseStatusCode = b"http.response.status_code",
    HttpUrl = b"http.url",
    UrlFull = b"url.full",
    HttpScheme = b"http.scheme",
    UrlScheme = b"url.scheme",
    HttpHost = b"http.host",
    HttpTarget = b"http.target",
    HttpServerName = b"http.server_name",
    NetHostPort = b"net.host.port",
    UrlPath = b"url.path",
    UrlQuery = b"url.query",
    HostName = b"host.name",
    NetHostName = b"net.host.name",
    NetPeerName = b"net.peer.name",
    ServerAddress = b"server.address",
    NetPeerPort = b"net.peer.port",
    ServerPort = b"server.port",
    NetPeerIp = b"net.peer.ip",
    NetworkPeerAddress = b"network.peer.address",
    ClientAddress = b"client.address",
    // the AWS SDK
    AwsOperation = b"aws.operation",
    RpcMethod = b"rpc.method",
    AwsAccountId = b"aws.account_id",
    AwsRegion = b"aws.region",
    AwsRequestId = b"aws.request_id",
    AwsRequestIdCamel = b"aws.requestId",
    AwsQueueUrl = b"aws.queue_url",
    AwsQueueUrlDotted = b"aws.queue.url",
    AwsTableName = b"aws.table_name",
    AwsTableNameDotted = b"aws.table.name",
    // SQL
    DbConnectionString = b"db.connection_string",
    DbSystem = b"db.system",
    DbName = b"db.name",
    DbStatement = b"db.statement",
    DbUser = b"db.user",
    // read, and kept unless their own rule says otherwise
    HttpStatusText = b"http.status_text",
    MessageType = b"message.type",
    MessagePayloadSize = b"messaging.message_payload_size_bytes",
    MessagingUrl = b"messaging.url",
    DynamoDbTableNames = b"aws.dynamodb.table_names",
    PeerService = b"peer.service",
    AwsService = b"aws.service",
    RpcService = b"rpc.service",
    RpcSystem = b"rpc.system",
    AwsLocalService = b"aws.local.service",
    AwsRemoteService = b"aws.remote.service",
    EnduserId = b"enduser.id",
    XrayAnnotations = b"aws.xray.annotations",
}

/// A set of keys, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(u64);

impl KeySet {
    /// What goes into the `http` block or nowhere.
    pub(super) const HTTP: Self = Self::range(Key::HttpMethod, Key::ClientAddress);
    /// What goes into the `aws` block or nowhere.
    pub(super) const AWS: Self = Self::range(Key::AwsOperation, Key::AwsTableNameDotted);
    /// What goes into the `sql` block, if there is one.
    pub(super) const SQL: Self = Self::range(Key::DbConnectionString, Key::DbUser);

    pub(super) const fn of(keys: &[Key]) -> Self {
        let (mut set, mut rest) = (Self(0), keys);
        while let [key, more @ ..] = rest {
            (set, rest) = (set.with(*key), more);
        }
        set
    }

    const fn range(first: Key, last: Key) -> Self {
        Self(u64::MAX >> (63 - last as u8) & u64::MAX << (first as u8))
    }

    pub(super) const fn with(self, key: Key) -> Self {
        Self(self.0 | 1 << (key as u8))
    }

    pub(super) const fn with_if(self, condition: bool, key: Key) -> Self {
        if condition { self.with(key) } else { self }
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn has(self, key: Key) -> bool {
        self.0 >> (key as u8) & 1 != 0
    }

    /// Whether the two have a key in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_key_and_nothing_else_does() {
        for (key, name) in Key::ALL {
            let name = std::str::from_utf8(name).unwrap();
            assert_eq!(Key::of(name), Some(*key), "{name}");
            assert_eq!(Key::of(&name.to_uppercase()), None, "{name} in upper case");
        }
        assert_eq!(Key::of(""), None);
        assert_eq!(Key::of("http"), None);
        assert!(Key::ALL.len() <= 64, "`KeySet` has 64 bits");
    }

    #[test]
    fn groups_do_not_overlap() {
        let (http, aws, sql) = (KeySet::HTTP, KeySet::AWS, KeySet::SQL);
        let count = |set: KeySet| Key::ALL.iter().filter(|(key, _)| set.has(*key)).count();
        assert_eq!((count(http), count(aws), count(sql), count(http.union(aws).union(sql))), (26, 10, 5, 41));
        assert!(!http.has(Key::HttpStatusText) && !aws.has(Key::AwsService) && !http.meets(aws));
        assert!(http.has(Key::HttpMethod) && http.has(Key::ClientAddress));
    }
}
