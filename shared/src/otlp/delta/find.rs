//! Whether anything in a request is of delta temporality: a walk past the points, without a look into them.
//!
//! It may say so too often (of a metric in which a later word on it follows), never too seldom.

use crate::{
    otlp::{Temporality, view::Kind},
    protobuf::read::{Fields, Malformed},
};

/// In an `ExportMetricsServiceRequest`.
pub(super) fn in_request(request: Fields<'_>) -> Result<bool, Malformed> {
    any(request, |tag| tag == 1, in_resource_metrics)
}

/// In a `ResourceMetrics`.
pub(super) fn in_resource_metrics(message: Fields<'_>) -> Result<bool, Malformed> {
    any(message, |tag| tag == 2, in_scope_metrics)
}

/// In a `ScopeMetrics`.
pub(super) fn in_scope_metrics(message: Fields<'_>) -> Result<bool, Malformed> {
    any(message, |tag| tag == 2, in_metric)
}

/// In a `Metric`.
pub(super) fn in_metric(message: Fields<'_>) -> Result<bool, Malformed> {
    let has_temporality =
        |tag| matches!(Kind::of(tag), Some(Kind::Sum | Kind::Histogram | Kind::ExponentialHistogram));
    any(message, has_temporality, in_data)
}

fn in_data(mut message: Fields<'_>) -> Result<bool, Malformed> {
    while let Some(field) = message.next()? {
        if field.tag == 2 && field.int32()? == Temporality::Delta as i32 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of the messages in fields of these numbers has what `within` looks for.
fn any(
    mut message: Fields<'_>,
    is_looked_into: impl Fn(u32) -> bool,
    within: impl Fn(Fields<'_>) -> Result<bool, Malformed>,
) -> Result<bool, Malformed> {
    while let Some(field) = message.next()? {
        if is_looked_into(field.tag) && within(field.message()?)? {
            return Ok(true);
        }
    }
    Ok(false)
}
