//! The clients: the AWS SDK and plain HTTPS, both with one TLS stack (rustls with ring).

use std::{io, time::Duration};

use aws_config::{BehaviorVersion, ConfigLoader, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection that idled for longer is not used again: the receiver may have closed it while we were frozen.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// For one attempt at an AWS call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What signed POSTs go through.
pub type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The SDK's configuration: the standard environment, `AWS_ENDPOINT_URL` and its kin included. It doesn't retry: that
/// is decided here, by what is left of the invocation.
pub fn aws() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
}

/// A client for `https://` and `http://` that trusts the system's certificates.
///
/// # Errors
/// If the system has none.
pub fn https() -> io::Result<HttpsClient> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(tls.wrap_connector(tcp)))
}
