//! Verifies AWS Signature Version 4, the way AWS does: signs the request again and compares.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SessionTokenMode, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use axum::http::{HeaderMap, Uri};
use siphon_core::units::UnixMillis;

use super::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SESSION_TOKEN};

/// AWS refuses a request whose time is further off, either way.
const MAX_SKEW_MS: i64 = 5 * 60 * 1000;

const SECURITY_TOKEN: &str = "x-amz-security-token";

/// Why a signature is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("Missing Authentication Token")]
    Missing,
    #[error("Authorization header is malformed: {0}")]
    Malformed(&'static str),
    #[error("The security token included in the request is invalid.")]
    UnknownCredentials,
    #[error("Credential should be scoped to {expected}, not {got}")]
    Scope { expected: String, got: String },
    #[error("Signature expired: the request's time is {off_ms} ms from now")]
    Expired { off_ms: i64 },
    #[error("The request signature we calculated does not match the signature you provided.")]
    Mismatch,
}

impl SignatureError {
    /// The error code that AWS gives.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Malformed(_) => "IncompleteSignatureException",
            Self::UnknownCredentials => "UnrecognizedClientException",
            Self::Scope { .. } | Self::Expired { .. } | Self::Mismatch => "InvalidSignatureException",
        }
    }
}

/// Accepts a request that the stand-in's credentials have signed for `service`.
pub(crate) fn verify(
    method: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    service: &str,
    now: UnixMillis,
) -> Result<(), SignatureError> {
    let text = header(headers, "authorization").ok_or(SignatureError::Missing)?;
    let authorization = Authorization::read(text)?;
    let at = request_time(headers)?;
    authorization.check_scope(service, &at)?;
    if header(headers, SECURITY_TOKEN) != Some(SESSION_TOKEN) {
        return Err(SignatureError::UnknownCredentials);
    }
    let off_ms = now.since(UnixMillis(at.as_millisecond()));
    if off_ms.abs() > MAX_SKEW_MS {
        return Err(SignatureError::Expired { off_ms });
    }
    let expected = signature(method, uri, headers, body, service, &at, &authorization.signed_headers)
        .ok_or(SignatureError::Malformed("a signed header is missing or not text"))?;
    if expected == authorization.signature { Ok(()) } else { Err(SignatureError::Mismatch) }
}

struct Authorization<'a> {
    credential: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=HEX`
    fn read(text: &'a str) -> Result<Self, SignatureError> {
        let fields =
            text.strip_prefix("AWS4-HMAC-SHA256 ").ok_or(SignatureError::Malformed("unknown algorithm"))?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let signed_headers: Vec<_> = field("SignedHeaders")
            .ok_or(SignatureError::Malformed("SignedHeaders is missing"))?
            .split(';')
            .collect();
        if !signed_headers.contains(&"host") || !signed_headers.contains(&"x-amz-date") {
            return Err(SignatureError::Malformed("host and x-amz-date must be signed"));
        }
        Ok(Self {
            credential: field("Credential").ok_or(SignatureError::Malformed("Credential is missing"))?,
            signed_headers,
            signature: field("Signature").ok_or(SignatureError::Malformed("Signature is missing"))?,
        })
    }

    fn check_scope(&self, service: &str, at: &jiff::Timestamp) -> Result<(), SignatureError> {
        let (key, got) = self.credential.split_once('/').unwrap_or((self.credential, ""));
        if key != ACCESS_KEY_ID {
            return Err(SignatureError::UnknownCredentials);
        }
        let expected = format!("{}/{REGION}/{service}/aws4_request", at.strftime("%Y%m%d"));
        if got == expected { Ok(()) } else { Err(SignatureError::Scope { expected, got: got.to_owned() }) }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn request_time(headers: &HeaderMap) -> Result<jiff::Timestamp, SignatureError> {
    let text = header(headers, "x-amz-date").ok_or(SignatureError::Malformed("x-amz-date is missing"))?;
    jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|time| time.timestamp())
        .map_err(|_| SignatureError::Malformed("x-amz-date is no time"))
}

/// The signature that the request should bear, or `None` if a header that it claims to sign can't be read.
fn signature(
    method: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    service: &str,
    at: &jiff::Timestamp,
    signed_headers: &[&str],
) -> Option<String> {
    // Those that the signer adds by itself are left out here.
    let added = ["x-amz-date", SECURITY_TOKEN];
    let mut signable = Vec::new();
    for name in signed_headers.iter().filter(|name| !added.contains(name)) {
        let before = signable.len();
        for value in headers.get_all(*name) {
            signable.push((*name, value.to_str().ok()?));
        }
        if signable.len() == before {
            return None;
        }
    }
    let url = format!("http://{}{}", header(headers, "host")?, uri.path_and_query()?);
    let request = SignableRequest::new(method, url, signable.into_iter(), SignableBody::Bytes(body)).ok()?;

    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    if !signed_headers.contains(&SECURITY_TOKEN) {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    let identity =
        Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, Some(SESSION_TOKEN.to_owned())).into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millisecond()).ok()?))
        .settings(settings)
        .build()
        .ok()?;
    let (_, signature) = sign(request, &params.into()).ok()?.into_parts();
    Some(signature)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request's headers, signed as a function signs them.
    pub(crate) fn signed(
        service: &str,
        path: &str,
        body: &[u8],
        plain: &[(&'static str, &str)],
        now: UnixMillis,
    ) -> HeaderMap {
        let identity =
            Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, Some(SESSION_TOKEN.to_owned())).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(UNIX_EPOCH + Duration::from_millis(now.0.unsigned_abs()))
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let request = SignableRequest::new(
            "POST",
            format!("http://localhost{path}"),
            plain.iter().map(|(n, v)| (*n, *v)),
            SignableBody::Bytes(body),
        )
        .unwrap();
        let (instructions, _) = sign(request, &params.into()).unwrap().into_parts();
        let mut headers = HeaderMap::new();
        headers.insert("host", "localhost".parse().unwrap());
        for (name, value) in plain {
            headers.insert(*name, value.parse().unwrap());
        }
        for (name, value) in instructions.headers() {
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn check(change: impl FnOnce(&mut HeaderMap)) -> Result<(), SignatureError> {
        let mut headers = signed("aps", "/a/b?c=d", b"body", &[("content-type", "text/plain")], NOW);
        change(&mut headers);
        verify("POST", &Uri::from_static("/a/b?c=d"), &headers, b"body", "aps", NOW)
    }

    #[test]
    fn what_our_credentials_signed_is_accepted() {
        assert_eq!(check(|_| ()), Ok(()));
        // A header that was not signed may be added on the way.
        assert_eq!(check(|h| drop(h.insert("x-forwarded-for", "127.0.0.1".parse().unwrap()))), Ok(()));
    }

    #[test]
    fn any_change_is_refused() {
        let changed = |h: &mut HeaderMap| drop(h.insert("content-type", "text/html".parse().unwrap()));
        assert_eq!(check(changed), Err(SignatureError::Mismatch));
        assert_eq!(check(|h| drop(h.remove("authorization"))), Err(SignatureError::Missing));
        assert_eq!(check(|h| drop(h.remove(SECURITY_TOKEN))), Err(SignatureError::UnknownCredentials));
        assert!(matches!(check(|h| drop(h.remove("content-type"))), Err(SignatureError::Malformed(_))));
        let headers = signed("aps", "/a", b"body", &[], NOW);
        let uri = Uri::from_static("/a");
        assert_eq!(verify("POST", &uri, &headers, b"bodY", "aps", NOW), Err(SignatureError::Mismatch));
        assert_eq!(verify("PUT", &uri, &headers, b"body", "aps", NOW), Err(SignatureError::Mismatch));
    }

    #[test]
    fn scope_and_time_are_checked() {
        let headers = signed("aps", "/a", b"", &[], NOW);
        let uri = Uri::from_static("/a");
        assert!(matches!(
            verify("POST", &uri, &headers, b"", "xray", NOW),
            Err(SignatureError::Scope { got, .. }) if got.contains("/aps/")
        ));
        let late = NOW.plus(MAX_SKEW_MS + 1000);
        assert!(matches!(
            verify("POST", &uri, &headers, b"", "aps", late),
            Err(SignatureError::Expired { off_ms: 301_000 })
        ));
    }
}
