//! Signature version 4.

use std::time::SystemTime;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign},
    sign::v4::{SigningParams, signing_params::BuildError},
};
use http::{Request, header::ToStrError};

use super::credentials::CachedCredentials;

/// A request can't be signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    #[error("no AWS credentials: {0}")]
    Credentials(#[from] CredentialsError),
    #[error("request can't be signed: {0}")]
    Settings(#[from] BuildError),
    #[error("request can't be signed: {0}")]
    Signing(#[from] SigningError),
    #[error("request can't be signed, a header is no text: {0}")]
    Header(#[from] ToStrError),
}

/// Signs for one service in one region.
pub(super) struct Signer {
    credentials: CachedCredentials,
    region: Region,
    service: &'static str,
}

impl Signer {
    /// `service` is its signing name. `None` if `aws` has no region or no credentials provider.
    pub(super) fn new(service: &'static str, aws: &SdkConfig) -> Option<Self> {
        let credentials = CachedCredentials::new(aws.credentials_provider()?);
        Some(Self { credentials, region: aws.region()?.clone(), service })
    }

    pub(super) async fn forget_credentials(&self) {
        self.credentials.forget().await;
    }

    /// Adds the signature's headers; `body` is what `request` carries.
    pub(super) async fn sign<B>(&self, request: &mut Request<B>, body: &[u8]) -> Result<(), SignError> {
        let identity = self.credentials.get().await?.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_ref())
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let instructions = {
            let headers = request.headers().iter().map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
            let headers = headers.collect::<Result<Vec<_>, ToStrError>>()?;
            let (method, url) = (request.method().as_str(), request.uri().to_string());
            let signable = SignableRequest::new(method, url, headers.into_iter(), SignableBody::Bytes(body))?;
            sign(signable, &params)?.into_parts().0
        };
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}
