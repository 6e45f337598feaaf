//! Why the function can't start.

use http::uri::InvalidUri;

use crate::keys::SecretError;

/// Why the function can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No certificates to trust.
    #[error("no CA certificates found; install them, or name a bundle in SSL_CERT_FILE")]
    Certificates(#[source] std::io::Error),
    /// The environment says nothing of where and who we are.
    #[error(
        "no AWS region or credentials; on Lambda both are in the environment, elsewhere set AWS_REGION and credentials"
    )]
    Aws,
    /// The environment gives an address for AWS that is none.
    #[error("AWS_ENDPOINT_URL is no address")]
    Endpoint(#[source] InvalidUri),
    /// The TLS library knows no TLS 1.3.
    #[error("no TLS to agents")]
    Tls(#[source] tokio_rustls::rustls::Error),
    /// No keys to talk to agents with.
    #[error(transparent)]
    Secret(#[from] SecretError),
}
