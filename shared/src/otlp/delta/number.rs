//! Sums.

use super::{Reason, Stop};
use crate::protobuf::{
    read::{Fields, Malformed},
    write,
};

/// A whole or a real number: what a point adds, and what there is of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    /// The value of a `NumberDataPoint`; 0 if it has none.
    pub(super) fn read(mut point: Fields<'_>) -> Result<Self, Malformed> {
        let mut number = Self::Int(0);
        while let Some(field) = point.next()? {
            match field.tag {
                4 => number = Self::Double(field.double()?),
                6 => number = Self::Int(field.fixed64()?.cast_signed()),
                _ => {}
            }
        }
        Ok(number)
    }

    /// Whether it can be added. What is not finite would stay for ever, and a counter doesn't go back.
    pub(super) fn check(self, is_monotonic: bool) -> Result<Self, Stop> {
        let value = self.as_double();
        let is_good = value.is_finite() && !(is_monotonic && value < 0.0);
        if is_good { Ok(self) } else { Err(Stop::Dropped(Reason::Invalid)) }
    }

    /// Both together, if they fit. Whole numbers stay whole until a real one comes.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Int(own), Self::Int(other)) => own.checked_add(other).map(Self::Int),
            _ => finite_sum(self.as_double(), other.as_double()).map(Self::Double),
        }
    }

    /// Writes it as the value of a `NumberDataPoint`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Int(int) => write::fixed64(6, int.cast_unsigned(), out),
            Self::Double(double) => write::fixed64(4, double.to_bits(), out),
        }
    }

    const fn as_double(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Double(double) => double,
        }
    }
}

/// The sum, if it is finite.
pub(super) fn finite_sum(one: f64, other: f64) -> Option<f64> {
    Some(one + other).filter(|sum| sum.is_finite())
}
