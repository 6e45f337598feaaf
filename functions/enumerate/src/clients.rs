//! The AWS clients: the SDK with one TLS stack (rustls with ring) and the standard environment, `AWS_ENDPOINT_URL`
//! and its kin included.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// Longest first wait after a failed call; doubles with each one.
const INITIAL_BACKOFF: Duration = Duration::from_millis(400);

/// Throttled and failed calls are retried with backoff and jitter. Not in adaptive mode: its rate estimate begins anew
/// after each pause between invocations, and one throttled call would then hold all others back to one in two seconds.
pub fn aws() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(6).with_initial_backoff(INITIAL_BACKOFF))
}
