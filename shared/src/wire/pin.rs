//! Which certificate an agent shows, where pulls go over TLS.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// The SHA-256 of a certificate (DER), as `openssl x509 -noout -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// A text is not a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits, with or without colons between pairs")]
pub struct PinError;

impl Pin {
    /// Whether this is the certificate.
    #[must_use]
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        self.0[..] == Sha256::digest(certificate)[..]
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text.trim().replace(':', ""), &mut digest).map_err(|_| PinError)?;
        Ok(Self(digest))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_openssl_prints_it() {
        // sha256 of "certificate"
        let hex = hex::encode(Sha256::digest(b"certificate"));
        let pairs: Vec<_> =
            hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
        let pin: Pin = pairs.join(":").parse().unwrap();
        assert_eq!(hex.parse(), Ok(pin));
        assert!(pin.is_of(b"certificate") && !pin.is_of(b"another"));
        for text in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert_eq!(text.parse::<Pin>(), Err(PinError), "{text}");
        }
    }
}
