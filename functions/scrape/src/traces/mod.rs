//! Writes traces to X-Ray: as segment documents, or as the spans that they are.

mod otlp;
mod segments;

pub use otlp::Otlp;
pub use segments::Segments;

use aws_config::SdkConfig;
use http::{Uri, uri::InvalidUri};

use crate::post::PostError;

/// X-Ray, as signatures name it.
pub(crate) const SERVICE: &str = "xray";

/// Where traces go, and as what.
pub struct Traces {
    /// Segment documents, through PutTraceSegments: what an X-Ray SDK made, and all spans unless they go elsewhere.
    pub segments: Segments,
    /// Spans, to X-Ray's OTLP endpoint, if they go there.
    pub otlp: Option<Otlp>,
}

/// Where `path` is: on X-Ray's `given` address, or the one that the environment gives for all of AWS, or that of the
/// region of `aws`.
///
/// # Errors
/// If that is no address.
pub fn endpoint(aws: &SdkConfig, given: Option<&str>, path: &str) -> Result<Uri, InvalidUri> {
    let given = given.or_else(|| aws.endpoint_url());
    let address = given.map_or_else(|| address(aws), |url| url.trim_end_matches('/').to_owned());
    format!("{address}{path}").parse()
}

fn address(aws: &SdkConfig) -> String {
    let region = aws.region().map_or("us-east-1", AsRef::as_ref);
    let name = if aws.use_fips() == Some(true) { "xray-fips" } else { SERVICE };
    let suffix = match (aws.use_dual_stack() == Some(true), region.starts_with("cn-")) {
        (false, false) => "amazonaws.com",
        (false, true) => "amazonaws.com.cn",
        (true, false) => "api.aws",
        (true, true) => "api.amazonwebservices.com.cn",
    };
    format!("https://{name}.{region}.{suffix}")
}

/// Why traces are still with their agent. What is refused is no error: it is counted, and gone.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// X-Ray did not take them in time. They are sent again next time; X-Ray overwrites what it has.
    #[error("X-Ray did not take the traces in time; the last attempt: {0}")]
    OutOfTime(String),
    /// X-Ray refuses us, not the traces.
    #[error(
        "X-Ray refuses this function: {0}; check AWS_REGION and that the role allows xray:PutTraceSegments; with \
         SIPHON_TRACES_EXPORTER=otlp also xray:PutSpans, and that Transaction Search is switched on"
    )]
    Misconfigured(String),
}

impl From<PostError> for PutError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::OutOfTime(problem) => Self::OutOfTime(problem),
            PostError::Misconfigured(problem) | PostError::Unsupported(problem) => {
                Self::Misconfigured(problem)
            }
        }
    }
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
            assert_eq!(endpoint(&aws.build(), None, "/TraceSegments").unwrap().to_string(), want);
        }
        let aws = of("us-east-1").endpoint_url("http://127.0.0.1:5/").build();
        let given = endpoint(&aws, Some("http://127.0.0.1:6/"), "/TraceSegments");
        assert_eq!(given.unwrap().to_string(), "http://127.0.0.1:6/TraceSegments");
    }
}
