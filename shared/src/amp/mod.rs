//! Amazon Managed Service for Prometheus: what it doesn't take is trimmed or left out before it is sent, and counted.
//!
//! | AMP's limit | what becomes of a sample |
//! |---|---|
//! | an hour old | over 55 minutes: left out |
//! | ten minutes ahead | over nine: left out |
//! | labels: 150, 7 KB, classic names, long names and values | goes on under fewer or shorter labels: see [`TRIMMED`] |
//! | metric names: classic | left out |
//! | native histograms: schemas -4 to 8 | left out beyond |
//! | native histograms: 200 buckets, 2,048 bytes | its resolution is lowered; left out where that isn't enough |
//! | no exemplars | they are left out, and counted apart: no sample is lost with them |
//!
//! A refused sample doesn't cost the others of its request, but its 400 comes for the request as a whole: what was
//! stored and what was lost could no longer be told. So nothing is sent that AMP would refuse.
//! <https://docs.aws.amazon.com/prometheus/latest/userguide/AMP_quotas.html>
//!
//! Not all of AMP's limits are published. Those on the length of a name or value and on times ahead are Cortex's, which
//! AMP is built on; where AMP takes more, a little is lost that need not be, and never a sample that is right.

mod endpoint;
mod histogram;
mod labels;
mod limiter;

pub use endpoint::is_amp;
pub use labels::TRIMMED;
pub use limiter::{Limiter, Loss, Losses};

/// Why samples are left out or go on with less than they had.
pub mod reason {
    /// Left out: over 55 minutes old.
    pub const EXPIRED: &str = "expired";
    /// Left out: over nine minutes ahead of the clock.
    pub const IN_FUTURE: &str = "in_future";
    /// Left out: the metric's name is not of `[a-zA-Z_:][a-zA-Z0-9_:]*`, or over 2,048 bytes.
    pub const INVALID_METRIC_NAME: &str = "invalid_metric_name";
    /// Left out: a native histogram of a schema that is not from -4 to 8, such as one with custom buckets.
    pub const HISTOGRAM_SCHEMA: &str = "histogram_schema";
    /// Left out: a native histogram that is too large even at the lowest resolution.
    pub const HISTOGRAM_SIZE: &str = "histogram_size";
    /// Left out: the labels that always stay pass the limit alone. Trimmed: over 7 KB of labels.
    pub const LABEL_BYTES: &str = "label_bytes";
    /// Trimmed: over 150 labels.
    pub const LABEL_COUNT: &str = "label_count";
    /// Trimmed: a label's name is not of `[a-zA-Z_][a-zA-Z0-9_]*`, is reserved (`__x`), or over 1,024 bytes.
    pub const LABEL_NAME: &str = "label_name";
    /// Trimmed: a label's value is over 2,048 bytes.
    pub const LABEL_VALUE_BYTES: &str = "label_value_bytes";
    /// Trimmed: a native histogram's resolution.
    pub const HISTOGRAM_RESOLUTION: &str = "histogram_resolution";
    /// Exemplars: AMP has none.
    pub const EXEMPLARS_UNSUPPORTED: &str = "exemplars_unsupported";
}
