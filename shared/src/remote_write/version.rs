//! The versions of the protocol.

/// A version of remote write, and with it the message that a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// `prometheus.WriteRequest` (<https://prometheus.io/docs/specs/prw/remote_write_spec/>).
    #[default]
    V1,
    /// `io.prometheus.write.v2.Request` (<https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>).
    V2,
}

impl Version {
    /// The headers of every request of this version but `User-Agent`, which the sender fills in.
    #[must_use]
    pub const fn headers(self) -> &'static [(&'static str, &'static str); 3] {
        match self {
            Self::V1 => &HEADERS,
            Self::V2 => &V2_HEADERS,
        }
    }
}

/// The headers of version 1.0. `0.1.0` is its historic name.
pub const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

const V2_HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "2.0.0"),
];
