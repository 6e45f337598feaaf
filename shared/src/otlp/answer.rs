//! What a sender of metrics is answered.

use super::delta::{Drops, Reason};

/// An `ExportMetricsServiceResponse`. One of traces is always empty: they are taken whole or refused whole.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetricsAnswer {
    /// Points that were not taken, if any.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

/// An `ExportMetricsPartialSuccess`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PartialSuccess {
    /// How many points. They are not to be sent again.
    #[prost(int64, tag = "1")]
    pub rejected_data_points: i64,
    /// Why, for people.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

impl From<&Drops> for MetricsAnswer {
    /// A point that is dropped only for want of room in its request is no rejected one: its series has counted it.
    fn from(drops: &Drops) -> Self {
        let rejected =
            drops.by_reason().filter(|(reason, points)| *points > 0 && *reason != Reason::TooLarge);
        let (mut sum, mut error_message) = (0, String::new());
        for (reason, points) in rejected {
            sum += points;
            let begin = if error_message.is_empty() { "delta points without a total: " } else { ", " };
            error_message += &format!("{begin}{points} {}", meaning(reason));
        }
        let rejected_data_points = i64::try_from(sum).unwrap_or(i64::MAX);
        Self { partial_success: (sum > 0).then_some(PartialSuccess { rejected_data_points, error_message }) }
    }
}

const fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::OutOfOrder => "not after the latest of their series",
        Reason::SeriesLimit => "of series over SIPHON_DELTA_MAX_SERIES",
        Reason::Invalid => "of values that can't be added",
        Reason::TooLarge => "without room in the request",
    }
}
