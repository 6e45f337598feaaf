//! The clients: the AWS SDK and plain HTTPS, both with one TLS stack (rustls with ring).

use std::{io, time::Duration};

use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use bytes::Bytes;
use http::{Uri, uri::InvalidUri};
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

/// Where `path` of an AWS `service` is (its name in endpoints): on the `given` address, or the one that the environment
/// gives for all of AWS, or that of the region of `aws`.
///
/// # Errors
/// If that is no address.
pub fn endpoint(aws: &SdkConfig, service: &str, given: Option<&str>, path: &str) -> Result<Uri, InvalidUri> {
    let given = given.or_else(|| aws.endpoint_url());
    let address = given.map_or_else(|| address(aws, service), |url| url.trim_end_matches('/').to_owned());
    format!("{address}{path}").parse()
}

fn address(aws: &SdkConfig, service: &str) -> String {
    let region = aws.region().map_or("us-east-1", AsRef::as_ref);
    let fips = if aws.use_fips() == Some(true) { "-fips" } else { "" };
    let suffix = match (aws.use_dual_stack() == Some(true), region.starts_with("cn-")) {
        (false, false) => "amazonaws.com",
        (false, true) => "amazonaws.com.cn",
        (true, false) => "api.aws",
        (true, true) => "api.amazonwebservices.com.cn",
    };
    format!("https://{service}{fips}.{region}.{suffix}")
}

#[cfg(test)]
mod tests {
    use aws_config::{Region, SdkConfig};

    use super::endpoint;

    #[test]
    fn the_endpoint_is_the_regions_unless_the_environment_gives_one() {
        let of = |region: &'static str| SdkConfig::builder().region(Region::from_static(region));
        for (aws, want) in [
            (of("eu-west-1"), "https://xray.eu-west-1.amazonaws.com/TraceSegments"),
            (of("cn-north-1"), "https://xray.cn-north-1.amazonaws.com.cn/TraceSegments"),
            (of("us-east-1").use_fips(true), "https://xray-fips.us-east-1.amazonaws.com/TraceSegments"),
            (of("us-east-1").use_dual_stack(true), "https://xray.us-east-1.api.aws/TraceSegments"),
            (of("us-east-1").endpoint_url("http://127.0.0.1:5/"), "http://127.0.0.1:5/TraceSegments"),
        ] {
            assert_eq!(endpoint(&aws.build(), "xray", None, "/TraceSegments").unwrap().to_string(), want);
        }
        let aws = of("us-east-1").endpoint_url("http://127.0.0.1:5/").build();
        let given = endpoint(&aws, "xray", Some("http://127.0.0.1:6/"), "/TraceSegments");
        assert_eq!(given.unwrap().to_string(), "http://127.0.0.1:6/TraceSegments");
    }
}
