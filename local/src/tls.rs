//! What `--tls` gives agents and functions: a certificate for loopback alone, whose private key is no secret.

const CERTIFICATE: &str = include_str!("../../agent/testdata/tls/certificate.pem");
const PRIVATE_KEY: &str = include_str!("../../agent/testdata/tls/private-key.pem");
const FINGERPRINT: &str = include_str!("../../agent/testdata/tls/fingerprint.txt");

/// What an agent shows.
pub(crate) fn of_agents() -> [(&'static str, String); 2] {
    [("SIPHON_TLS_CERTIFICATE", CERTIFICATE.to_owned()), ("SIPHON_TLS_PRIVATE_KEY", PRIVATE_KEY.to_owned())]
}

/// What the functions insist on.
pub(crate) fn of_functions() -> (&'static str, String) {
    ("SIPHON_AGENT_CERTIFICATES", FINGERPRINT.trim().to_owned())
}
