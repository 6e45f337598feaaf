//! Writes traces to X-Ray: as segment documents, or as the spans that they are.

mod otlp;
mod segments;

pub use otlp::Otlp;
pub use segments::Segments;

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
