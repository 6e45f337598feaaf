//! TLS on the pull port, by setting, in a build with the feature `tls`.
//!
//! The wire is signed both ways without it; TLS keeps what is in a page from who listens in between. There is no authority:
//! the certificate is made for the agents of one installation, and pullers know it by its digest.

use std::fmt;

use tokio::net::TcpStream;

/// The setting with the agent's certificate.
pub const CERTIFICATE: &str = "SIPHON_TLS_CERTIFICATE";
/// The setting with the private key to it.
pub const PRIVATE_KEY: &str = "SIPHON_TLS_PRIVATE_KEY";

/// What is accepted for [`CERTIFICATE`].
pub const CERTIFICATE_ACCEPTED: &str = "a certificate in PEM";
/// What is accepted for [`PRIVATE_KEY`].
pub const PRIVATE_KEY_ACCEPTED: &str =
    "the certificate's private key in PEM, as `openssl req -newkey ed25519 -noenc` makes it";

pub use imp::{Stream, Tls};

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

#[cfg(feature = "tls")]
mod imp {
    use std::sync::Arc;

    use tokio_rustls::{
        TlsAcceptor,
        rustls::{
            ServerConfig,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
            version::TLS13,
        },
    };

    use super::TcpStream;

    /// A certificate and its key, ready to answer.
    #[derive(Clone)]
    pub struct Tls(TlsAcceptor);

    /// A connection.
    pub type Stream = tokio_rustls::server::TlsStream<TcpStream>;

    impl Tls {
        /// Takes a certificate and its private key, both PEM.
        ///
        /// # Errors
        /// What is wrong, in words that quote neither.
        pub fn read(certificate: &str, key: &str) -> Result<Self, &'static str> {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
            let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or("the certificate is no PEM")?;
            let key =
                PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| "the private key is no PEM")?;
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
                .map_err(|_| "the private key is not the certificate's, or of a kind that is not known")?;
            Ok(Self(Arc::new(config).into()))
        }

        /// Shakes hands; `None` if the other side doesn't.
        pub async fn accept(&self, stream: TcpStream) -> Option<Stream> {
            self.0.accept(stream).await.ok()
        }
    }
}

#[cfg(not(feature = "tls"))]
mod imp {
    use std::convert::Infallible;

    use super::TcpStream;

    /// There is none in this build.
    #[derive(Clone)]
    pub struct Tls(Infallible);

    /// Never a connection.
    pub type Stream = TcpStream;

    impl Tls {
        /// Refuses.
        ///
        /// # Errors
        /// Always, with what to do.
        pub const fn read(_certificate: &str, _key: &str) -> Result<Self, &'static str> {
            Err("this build of the agent has no TLS; use one with the feature `tls` (see the README)")
        }

        /// Never called.
        #[expect(clippy::unused_async, reason = "as in a build with TLS")]
        pub async fn accept(&self, _stream: TcpStream) -> Option<Stream> {
            match self.0 {}
        }
    }
}
