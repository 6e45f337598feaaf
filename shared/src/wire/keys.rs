//! The keys that one side knows: one, or two while they are rotated.

use super::signature::{Key, KeyError, SignedRequest};

/// One key, or two while keys are rotated. Shows nothing of them in logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    first: Key,
    second: Option<Key>,
}

impl Keys {
    /// What [`str::parse`] takes, in words.
    pub const ACCEPTED: &str = "at least 32 bytes as hex (64 digits or more), as `openssl rand -hex 32` prints; \
                                two of them with a comma between while keys are rotated";

    /// `first` is the one to try first. A `second` that is the same counts as none.
    #[must_use]
    pub fn new(first: Key, second: Option<Key>) -> Self {
        Self { second: second.filter(|second| *second != first), first }
    }

    /// The key to try first.
    #[must_use]
    pub const fn first(&self) -> &Key {
        &self.first
    }

    /// The other one, if there are two.
    #[must_use]
    pub const fn second(&self) -> Option<&Key> {
        self.second.as_ref()
    }

    /// The key whose `signature` (hex) is that of `request`, if either is.
    #[must_use]
    pub fn accepting(&self, request: &SignedRequest<'_>, signature: &str) -> Option<&Key> {
        let mut keys = [Some(&self.first), self.second()].into_iter().flatten();
        keys.find(|key| key.accepts_request(request, signature))
    }
}

impl std::str::FromStr for Keys {
    type Err = KeyError;

    /// Reads `KEY` or `KEY,KEY`. The error does not quote the text.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut keys = text.split(',').map(|key| Key::from_hex(key.trim()));
        let (first, second) = (keys.next().ok_or(KeyError)??, keys.next().transpose()?);
        if keys.next().is_some() { Err(KeyError) } else { Ok(Self::new(first, second)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        units::UnixMillis,
        wire::signature::{BodyDigest, Nonce},
    };

    fn key(byte: &str) -> Key {
        Key::from_hex(&byte.repeat(32)).unwrap()
    }

    fn read(text: &str) -> Result<Keys, KeyError> {
        text.parse()
    }

    #[test]
    fn one_or_two_keys_are_read_and_none_is_quoted() {
        let [one, two] = ["0b", "0c"].map(|byte| byte.repeat(32));
        assert_eq!(read(&one), Ok(Keys::new(key("0b"), None)));
        assert_eq!(read(&format!("{one} , {two}")), Ok(Keys::new(key("0b"), Some(key("0c")))));
        assert_eq!(read(&format!("{one},{one}")).unwrap().second(), None, "the same twice is one");
        for bad in ["", ",", &format!("{one},"), &format!("{one},0c"), &format!("{one},{two},{one}")] {
            let error = read(bad).unwrap_err().to_string();
            assert!(!error.contains(&one), "{error}");
        }
        assert_eq!(format!("{:?}", read(&one).unwrap()), "Keys { first: Key(…), second: None }");
    }

    #[test]
    fn either_key_accepts_what_it_signed() {
        let keys = Keys::new(key("0b"), Some(key("0c")));
        let digest = BodyDigest::of(b"{}");
        let (time, nonce) = (UnixMillis(1), Nonce([1; 16]));
        let request = SignedRequest { method: "POST", path: "/v1/pull", time, nonce, digest };
        let accepting =
            |key: &Key| keys.accepting(&request, &key.sign_request(&request).to_string()).cloned();
        assert_eq!(accepting(&key("0b")), Some(key("0b")));
        assert_eq!(accepting(&key("0c")), Some(key("0c")));
        assert_eq!(accepting(&key("0d")), None);
    }
}
