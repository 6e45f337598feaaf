//! What both kinds of histogram have in common.

use super::{Reason, Stop, number::finite_sum};
use crate::protobuf::write;

/// How many were observed, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Observations {
    pub(super) count: u64,
    /// None if one of the points had none, as where values may be negative: what is missing can't be made up for.
    pub(super) sum: Option<f64>,
}

impl Observations {
    /// Whether they can be added: a sum that is not finite would stay for ever.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.sum.is_none_or(f64::is_finite) { Ok(()) } else { Err(Stop::Dropped(Reason::Invalid)) }
    }

    /// Both together, if they fit.
    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        let count = self.count.checked_add(other.count)?;
        let sum = match (self.sum, other.sum) {
            (Some(own), Some(other)) => Some(finite_sum(own, other)?),
            _ => None,
        };
        Some(Self { count, sum })
    }

    /// Writes them as fields 4 and 5, which they are in points of either kind.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write::fixed64(4, self.count, out);
        if let Some(sum) = self.sum {
            write::fixed64(5, sum.to_bits(), out);
        }
    }
}
