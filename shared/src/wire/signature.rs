//! Proof of the shared key, both ways, by HMAC-SHA256. The key itself never travels.
//!
//! | signed | text, each field followed by a newline |
//! |---|---|
//! | request | `siphon request 1`, method, path, time (Unix ms), nonce (hex), SHA-256 of the body (hex) |
//! | answer | `siphon answer 1`, status, nonce of the request (hex); then the body |

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::units::UnixMillis;

/// Header: when the request was signed, Unix milliseconds.
pub const TIME: &str = "siphon-time";

/// Header: 16 random bytes as hex, never used twice.
pub const NONCE: &str = "siphon-nonce";

/// Header: the SHA-256 of the request's body as hex.
pub const DIGEST: &str = "siphon-body-sha256";

/// Header, of requests and answers: the HMAC as hex.
pub const SIGNATURE: &str = "siphon-signature";

/// How far a request's time may be from the agent's clock, either way.
pub const MAX_AGE_MS: i64 = 60_000;

/// The shared key. Shows nothing of itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// What [`Self::from_hex`] takes, in words.
    pub const ACCEPTED: &str =
        "at least 32 bytes as hex (64 digits or more), as `openssl rand -hex 32` prints";

    /// Reads a key of at least 32 bytes. The error does not quote the text.
    ///
    /// # Errors
    /// [`KeyError`] if the text is no hex or too short.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let key = hex::decode(text).map_err(|_| KeyError)?;
        if key.len() < 32 { Err(KeyError) } else { Ok(Self(key)) }
    }

    /// The signature of a request.
    #[must_use]
    pub fn sign_request(&self, request: &SignedRequest<'_>) -> Signature {
        Signature(self.request_mac(request).finalize().into_bytes().into())
    }

    /// Whether `signature` (hex) is this key's for `request`, in constant time.
    #[must_use]
    pub fn accepts_request(&self, request: &SignedRequest<'_>, signature: &str) -> bool {
        is(self.request_mac(request), signature)
    }

    /// The signature of the answer to the request that carried `nonce`.
    #[must_use]
    pub fn sign_answer(&self, status: u16, nonce: Nonce, body: &[u8]) -> Signature {
        Signature(self.answer_mac(status, nonce, body).finalize().into_bytes().into())
    }

    /// Whether `signature` (hex) is this key's for that answer, in constant time.
    #[must_use]
    pub fn accepts_answer(&self, status: u16, nonce: Nonce, body: &[u8], signature: &str) -> bool {
        is(self.answer_mac(status, nonce, body), signature)
    }

    fn request_mac(&self, request: &SignedRequest<'_>) -> Hmac<Sha256> {
        let SignedRequest { method, path, time, nonce, digest } = request;
        self.mac(&format!("siphon request 1\n{method}\n{path}\n{time}\n{nonce}\n{digest}\n"), &[])
    }

    fn answer_mac(&self, status: u16, nonce: Nonce, body: &[u8]) -> Hmac<Sha256> {
        self.mac(&format!("siphon answer 1\n{status}\n{nonce}\n"), body)
    }

    fn mac(&self, head: &str, body: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is a key");
        mac.update(head.as_bytes());
        mac.update(body);
        mac
    }
}

fn is(mac: Hmac<Sha256>, signature: &str) -> bool {
    let mut bytes = [0; 32];
    hex::decode_to_slice(signature, &mut bytes).is_ok() && mac.verify_slice(&bytes).is_ok()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A text is not a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", Key::ACCEPTED)]
pub struct KeyError;

/// What a request's signature covers.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// `POST`
    pub method: &'a str,
    /// From the slash on, with query if any.
    pub path: &'a str,
    /// When it was signed.
    pub time: UnixMillis,
    /// Never used twice.
    pub nonce: Nonce,
    /// Of the whole body.
    pub digest: BodyDigest,
}

impl SignedRequest<'_> {
    /// The headers that prove it, signed with `key`.
    #[must_use]
    pub fn headers(&self, key: &Key) -> [(&'static str, String); 4] {
        [
            (TIME, self.time.to_string()),
            (NONCE, self.nonce.to_string()),
            (DIGEST, self.digest.to_string()),
            (SIGNATURE, key.sign_request(self).to_string()),
        ]
    }
}

/// The SHA-256 of a body; hex when shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDigest([u8; 32]);

impl BodyDigest {
    /// That of `body`.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}

impl fmt::Display for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for BodyDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| ParseDigestError)?;
        Ok(Self(digest))
    }
}

/// A digest is not 64 hex digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits")]
pub struct ParseDigestError;

/// Sixteen random bytes; hex when shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for Nonce {
    type Err = super::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut nonce = [0; 16];
        hex::decode_to_slice(text, &mut nonce).map_err(|_| super::ParseIdError)?;
        Ok(Self(nonce))
    }
}

/// An HMAC; hex when shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{}";

    fn key() -> Key {
        Key::from_hex(&"0b".repeat(32)).unwrap()
    }

    fn request() -> SignedRequest<'static> {
        SignedRequest {
            method: "POST",
            path: "/v1/pull",
            time: UnixMillis(1_700_000_000_000),
            nonce: Nonce([1; 16]),
            digest: BodyDigest::of(BODY),
        }
    }

    #[test]
    fn the_signature_must_not_move() {
        // Computed independently: printf … | openssl dgst -sha256 -mac HMAC -macopt hexkey:0b0b…
        assert_eq!(key().sign_request(&request()).to_string(), include_str!("testdata/request.hmac").trim());
    }

    #[test]
    fn any_change_to_a_request_breaks_its_signature() {
        let (key, good) = (key(), request());
        let signature = key.sign_request(&good).to_string();
        assert!(key.accepts_request(&good, &signature));
        let changed = [
            SignedRequest { method: "GET", ..good },
            SignedRequest { path: "/v1/ack", ..good },
            SignedRequest { time: good.time.plus(1), ..good },
            SignedRequest { nonce: Nonce([2; 16]), ..good },
            SignedRequest { digest: BodyDigest::of(b"{ }"), ..good },
        ];
        for request in changed {
            assert!(!key.accepts_request(&request, &signature), "{request:?}");
        }
        assert!(!Key::from_hex(&"0c".repeat(32)).unwrap().accepts_request(&good, &signature));
        for text in ["", "zz", &signature[2..]] {
            assert!(!key.accepts_request(&good, text));
        }
    }

    #[test]
    fn an_answer_is_bound_to_its_request_and_status() {
        let key = key();
        let signature = key.sign_answer(200, Nonce([1; 16]), BODY).to_string();
        assert!(key.accepts_answer(200, Nonce([1; 16]), BODY, &signature));
        assert!(!key.accepts_answer(204, Nonce([1; 16]), BODY, &signature));
        assert!(!key.accepts_answer(200, Nonce([2; 16]), BODY, &signature));
        assert!(!key.accepts_answer(200, Nonce([1; 16]), b"", &signature));
    }

    #[test]
    fn a_key_is_long_and_silent() {
        assert_eq!(Key::from_hex(&"ab".repeat(31)).unwrap_err(), KeyError);
        assert_eq!(
            Key::from_hex("secret that is long enough but no hex at all, 64 characters......").unwrap_err(),
            KeyError
        );
        assert_eq!(format!("{:?}", key()), "Key(…)");
    }
}
