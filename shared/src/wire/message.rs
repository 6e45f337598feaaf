//! The JSON messages: pull, ack, refusal, and the ids in them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};

use super::{Count, Share};

/// Sixteen random bytes, as 32 hex digits in JSON.
macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut id = [0; 16];
                hex::decode_to_slice(text, &mut id).map_err(|_| ParseIdError)?;
                Ok(Self(id))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

random_id! {
    /// Drawn by the agent at each start. Sequences and cursors hold within one boot only.
    BootId
}
random_id! {
    /// Drawn by a puller. While it holds the lease, a pull under another id is refused.
    LeaseId
}

random_id! {
    /// Tells one state of the sampling rules from another: the beginning of a SHA-256, not random.
    RulesDigest
}

impl RulesDigest {
    /// That of these rules.
    #[must_use]
    pub fn of(rules: &[u8]) -> Self {
        let mut digest = [0; 16];
        digest.iter_mut().zip(Sha256::digest(rules)).for_each(|(to, from)| *to = from);
        Self(digest)
    }
}

/// An id is not 32 hex digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hex digits")]
pub struct ParseIdError;

/// The next sequence to hand out: all before it is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// A cursor for each share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursors {
    /// In the metrics share.
    pub metrics: Cursor,
    /// In the traces share.
    pub traces: Cursor,
}

impl Cursors {
    /// The cursor of `share`.
    #[must_use]
    pub const fn get(&self, share: Share) -> Cursor {
        match share {
            Share::Metrics => self.metrics,
            Share::Traces => self.traces,
        }
    }

    /// The cursor of `share`, to change.
    pub const fn get_mut(&mut self, share: Share) -> &mut Cursor {
        match share {
            Share::Metrics => &mut self.metrics,
            Share::Traces => &mut self.traces,
        }
    }
}

/// Asks for the records after the acknowledged cursors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The task that the puller believes it is talking to.
    pub task_arn: String,
    /// Who pulls.
    pub lease: LeaseId,
    /// How long the lease should last. The puller must have stopped writing by then. The agent may grant less.
    pub lease_ms: u64,
    /// Whether the lease lasts even if the page is empty.
    #[serde(default)]
    pub keep_lease: bool,
    /// Records are added to the page until the next one would pass this; one record is handed out in any case.
    pub max_bytes: u64,
}

/// Says what is delivered, and gives the lease back, as a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The task that the puller believes it is talking to.
    pub task_arn: String,
    /// Whose lease ends. An ack of a lease that is over still moves the cursors, since what it says is true, unless another
    /// puller holds the lease by now: that one delivers the same records, and says what became of them.
    pub lease: LeaseId,
    /// Whether it lasts on instead, for as long as the pull said.
    #[serde(default)]
    pub keep_lease: bool,
    /// From the page's head.
    pub boot: BootId,
    /// All before these is delivered. A cursor behind the agent's changes nothing.
    pub delivered: Cursors,
    /// What became of it: counts of [`super::EXPORTED`] events, at most [`MAX_EXPORTED`]. The agent adds them to its own,
    /// which outlive the puller and are exported with the next pull.
    #[serde(default)]
    pub exported: Vec<Count>,
}

/// The most counts that an ack brings.
pub const MAX_EXPORTED: usize = 48;

/// Bytes of a reason or a metric's name in such a count. The agent does not tell a longer one.
pub const MAX_NAME_BYTES: usize = 128;

/// Why the agent does not do what an authentic puller asks, or does not believe the puller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The signature headers are missing, or not of the key that the agent has.
    BadSignature,
    /// The request's time is more than [`super::signature::MAX_AGE_MS`] from the agent's clock.
    Expired,
    /// The nonce was used before.
    Replayed,
    /// The task ARN is another task's: the address has been reused.
    OtherTask,
    /// The agent has not learnt its task ARN yet.
    IdentityUnknown,
    /// Another puller holds the lease.
    Leased,
    /// An ack for another boot of the agent.
    OtherBoot,
    /// An ack for records that were never handed out.
    BeyondHandedOut,
    /// The body is not the JSON it should be.
    BadRequest,
    /// The body is over the agent's limit.
    TooLarge,
    /// No such path or method.
    NotFound,
    /// The agent can't serve this now; a later try may succeed.
    Busy,
}

impl RefusalCode {
    /// The HTTP status that carries it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadSignature | Self::Expired | Self::Replayed => 401,
            Self::OtherTask | Self::Leased | Self::OtherBoot | Self::BeyondHandedOut => 409,
            Self::IdentityUnknown | Self::Busy => 503,
            Self::BadRequest => 400,
            Self::TooLarge => 413,
            Self::NotFound => 404,
        }
    }

    /// The name in counters, logs and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::OtherTask => "other_task",
            Self::IdentityUnknown => "identity_unknown",
            Self::Leased => "leased",
            Self::OtherBoot => "other_boot",
            Self::BeyondHandedOut => "beyond_handed_out",
            Self::BadRequest => "bad_request",
            Self::TooLarge => "too_large",
            Self::NotFound => "not_found",
            Self::Busy => "busy",
        }
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what is wrong and what to do.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_hex_digits() {
        let id = BootId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("ab".parse::<BootId>(), Err(ParseIdError));
        assert_eq!("zz".repeat(16).parse::<BootId>(), Err(ParseIdError));
    }

    #[test]
    fn a_code_has_one_name_in_json_and_in_counters() {
        for code in [RefusalCode::BadSignature, RefusalCode::OtherTask, RefusalCode::BeyondHandedOut] {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.name()));
        }
    }
}
