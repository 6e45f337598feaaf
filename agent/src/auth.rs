//! Believes a request that its signature proves, once, and while it is fresh. Its headers are enough for that: nothing of
//! a stranger's body is read.

use http::HeaderMap;
use siphon_core::{
    units::UnixMillis,
    wire::{
        Keys, Refusal, RefusalCode,
        signature::{BodyDigest, DIGEST, Key, NONCE, Nonce, SIGNATURE, Signature, SignedRequest, TIME},
    },
};

use crate::replay::{Replay, Stale};

/// A request as it came, before it is believed.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// `POST`
    pub method: &'a str,
    /// From the slash on, with query if any.
    pub path: &'a str,
    /// With time, nonce, digest and signature.
    pub headers: &'a HeaderMap,
}

/// What an authentic request proves.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'k> {
    key: &'k Key,
    nonce: Nonce,
    digest: BodyDigest,
}

impl Proof<'_> {
    /// Whether `body` is the one that was signed.
    #[must_use]
    pub fn covers(&self, body: &[u8]) -> bool {
        BodyDigest::of(body) == self.digest
    }

    /// The signature of the answer, with the key of the request.
    #[must_use]
    pub fn sign_answer(&self, status: u16, body: &[u8]) -> Signature {
        self.key.sign_answer(status, self.nonce, body)
    }
}

/// Why a request is not believed.
#[derive(Debug)]
pub struct Denied<'k> {
    /// What to answer.
    pub refusal: Refusal,
    /// If the request is signed with a key: then the answer is too.
    pub proof: Option<Proof<'k>>,
}

/// Gives the proof of a request that is signed with one of `keys`, fresh, and new to `replay`.
///
/// # Errors
/// [`Denied`]: [`RefusalCode::BadSignature`], [`RefusalCode::Expired`] or [`RefusalCode::Replayed`].
pub fn authenticate<'k>(
    claim: &Claim<'_>,
    keys: &'k Keys,
    replay: &mut Replay,
    now: UnixMillis,
) -> Result<Proof<'k>, Denied<'k>> {
    let (time, proof) = signed(claim, keys).ok_or_else(|| Denied {
        refusal: Refusal {
            code: RefusalCode::BadSignature,
            message: "not signed with this agent's key; both sides need the same SIPHON_KEY".to_owned(),
        },
        proof: None,
    })?;
    replay.take(time, proof.nonce, now).map_err(|stale| {
        let code = match stale {
            Stale::Expired { .. } => RefusalCode::Expired,
            Stale::Replayed => RefusalCode::Replayed,
        };
        Denied { refusal: Refusal { code, message: stale.to_string() }, proof: Some(proof) }
    })?;
    Ok(proof)
}

/// Time and proof, if the signature over the request is that of a key.
fn signed<'k>(claim: &Claim<'_>, keys: &'k Keys) -> Option<(UnixMillis, Proof<'k>)> {
    let header = |name| claim.headers.get(name)?.to_str().ok();
    let time = UnixMillis(header(TIME)?.parse().ok()?);
    let nonce: Nonce = header(NONCE)?.parse().ok()?;
    let digest: BodyDigest = header(DIGEST)?.parse().ok()?;
    let Claim { method, path, .. } = *claim;
    let request = SignedRequest { method, path, time, nonce, digest };
    let key = keys.accepting(&request, header(SIGNATURE)?)?;
    Some((time, Proof { key, nonce, digest }))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn key(byte: &str) -> Key {
        Key::from_hex(&byte.repeat(32)).unwrap()
    }

    fn headers(key: &Key, time: UnixMillis) -> HeaderMap {
        let (nonce, digest) = (Nonce([5; 16]), BodyDigest::of(b"{}"));
        let request = SignedRequest { method: "POST", path: "/v1/pull", time, nonce, digest };
        request
            .headers(key)
            .into_iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::try_from(value).unwrap()))
            .collect()
    }

    fn code(headers: &HeaderMap, replay: &mut Replay) -> Option<(RefusalCode, bool)> {
        let claim = Claim { method: "POST", path: "/v1/pull", headers };
        let keys = Keys::new(key("0b"), Some(key("0e")));
        let denied = authenticate(&claim, &keys, replay, NOW).err()?;
        Some((denied.refusal.code, denied.proof.is_some()))
    }

    #[test]
    fn the_signature_comes_first_then_time_then_replay() {
        let replay = &mut Replay::new(UnixMillis(0));
        let good = headers(&key("0b"), NOW);
        let old = NOW.plus(-60_001);
        assert_eq!(code(&headers(&key("0c"), old), replay), Some((RefusalCode::BadSignature, false)));
        assert_eq!(code(&headers(&key("0b"), old), replay), Some((RefusalCode::Expired, true)));
        assert_eq!(code(&headers(&key("0c"), NOW), replay), Some((RefusalCode::BadSignature, false)));
        assert_eq!(code(&good, replay), None, "what was denied does not use up the nonce");
        assert_eq!(code(&good, replay), Some((RefusalCode::Replayed, true)));
    }

    #[test]
    fn a_proof_is_of_either_key_and_answers_are_signed_with_the_same() {
        let keys = Keys::new(key("0b"), Some(key("0e")));
        for key in [key("0b"), key("0e")] {
            let headers = headers(&key, NOW);
            let claim = Claim { method: "POST", path: "/v1/pull", headers: &headers };
            let proof = authenticate(&claim, &keys, &mut Replay::new(UnixMillis(0)), NOW).unwrap();
            assert_eq!(proof.sign_answer(200, b"page"), key.sign_answer(200, Nonce([5; 16]), b"page"));
            assert!(proof.covers(b"{}") && !proof.covers(b"{ }"));
        }
    }

    proptest! {
        /// One header is other than it was signed: that is no proof, whatever it says.
        #[test]
        fn no_other_headers_prove_anything(
            name in prop::sample::select(vec![TIME, NONCE, DIGEST, SIGNATURE]),
            value in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "[0-9a-f]{64}".prop_map(String::into_bytes),
                "[0-9a-f]{32}".prop_map(String::into_bytes),
                "-?[0-9]{1,20}".prop_map(String::into_bytes),
            ],
        ) {
            let mut headers = headers(&key("0b"), NOW);
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            prop_assume!(headers.insert(name, value.clone()) != Some(value));
            let replay = &mut Replay::new(UnixMillis(0));
            prop_assert_eq!(code(&headers, replay), Some((RefusalCode::BadSignature, false)));
        }
    }

    #[test]
    fn a_missing_or_broken_header_is_a_bad_signature() {
        for name in [TIME, NONCE, DIGEST, SIGNATURE] {
            for value in [None, Some("x"), Some("")] {
                let mut headers = headers(&key("0b"), NOW);
                headers.remove(name);
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
                let replay = &mut Replay::new(UnixMillis(0));
                assert_eq!(code(&headers, replay), Some((RefusalCode::BadSignature, false)), "{name}");
            }
        }
    }
}
