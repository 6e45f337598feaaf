//! Believes a request that its signature proves, once, and while it is fresh.

use http::HeaderMap;
use siphon_core::{
    units::UnixMillis,
    wire::{
        Refusal, RefusalCode,
        signature::{Key, NONCE, Nonce, SIGNATURE, SignedRequest, TIME},
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
    /// With time, nonce and signature.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Why a request is not believed.
#[derive(Debug)]
pub struct Denied {
    /// What to answer.
    pub refusal: Refusal,
    /// The nonce, if the request is signed with the key: then the answer is too.
    pub nonce: Option<Nonce>,
}

/// Gives the nonce of a request that is signed with `key`, fresh, and new to `replay`.
///
/// # Errors
/// [`Denied`]: [`RefusalCode::BadSignature`], [`RefusalCode::Expired`] or [`RefusalCode::Replayed`].
pub fn authenticate(
    claim: &Claim<'_>,
    key: &Key,
    replay: &mut Replay,
    now: UnixMillis,
) -> Result<Nonce, Denied> {
    let (time, nonce) = signed(claim, key).ok_or_else(|| Denied {
        refusal: Refusal {
            code: RefusalCode::BadSignature,
            message: "not signed with this agent's key; both sides need the same SIPHON_KEY".to_owned(),
        },
        nonce: None,
    })?;
    replay.take(time, nonce, now).map_err(|stale| {
        let code = match stale {
            Stale::Expired { .. } => RefusalCode::Expired,
            Stale::Replayed => RefusalCode::Replayed,
        };
        Denied { refusal: Refusal { code, message: stale.to_string() }, nonce: Some(nonce) }
    })?;
    Ok(nonce)
}

/// Time and nonce, if the signature over them and the request is the key's.
fn signed(claim: &Claim<'_>, key: &Key) -> Option<(UnixMillis, Nonce)> {
    let header = |name| claim.headers.get(name)?.to_str().ok();
    let time = UnixMillis(header(TIME)?.parse().ok()?);
    let nonce: Nonce = header(NONCE)?.parse().ok()?;
    let Claim { method, path, body, .. } = *claim;
    let request = SignedRequest { method, path, time, nonce, body };
    key.accepts_request(&request, header(SIGNATURE)?).then_some((time, nonce))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn key(byte: &str) -> Key {
        Key::from_hex(&byte.repeat(32)).unwrap()
    }

    fn headers(key: &Key, time: UnixMillis) -> HeaderMap {
        let nonce = Nonce([5; 16]);
        let request = SignedRequest { method: "POST", path: "/v1/pull", time, nonce, body: b"{}" };
        let fields = [
            (TIME, time.to_string()),
            (NONCE, nonce.to_string()),
            (SIGNATURE, key.sign_request(&request).to_string()),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::try_from(value).unwrap()))
            .collect()
    }

    fn code(headers: &HeaderMap, replay: &mut Replay) -> Option<(RefusalCode, bool)> {
        let claim = Claim { method: "POST", path: "/v1/pull", headers, body: b"{}" };
        let denied = authenticate(&claim, &key("0b"), replay, NOW).err()?;
        Some((denied.refusal.code, denied.nonce.is_some()))
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
    fn a_missing_or_broken_header_is_a_bad_signature() {
        for name in [TIME, NONCE, SIGNATURE] {
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
