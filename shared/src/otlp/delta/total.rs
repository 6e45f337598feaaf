//! What a series has counted, whatever its kind.

use super::{
    Stop, exponential, histogram,
    identity::Key,
    number::Number,
    room::{BUCKET_BYTES, Room, SERIES_BYTES},
};
use crate::{otlp::view::Kind, protobuf::read::Fields};

/// What a point adds.
pub(super) enum Delta<'a> {
    Number(Number),
    Histogram(histogram::Delta<'a>),
    Exponential(exponential::Delta<'a>),
}

/// What there is of a series. A number lies in the table itself.
pub(super) enum Total {
    Number(Number),
    Histogram(Box<histogram::Total>),
    Exponential(Box<exponential::Total>),
}

impl<'a> Delta<'a> {
    /// Reads a point of a metric of that kind.
    pub(super) fn read(kind: Kind, is_monotonic: bool, point: Fields<'a>, key: &Key) -> Result<Self, Stop> {
        Ok(match kind {
            Kind::Histogram => Self::Histogram(histogram::Delta::read(point, key)?),
            Kind::ExponentialHistogram => Self::Exponential(exponential::Delta::read(point)?),
            // No other kind has a temporality.
            Kind::Sum | Kind::Gauge | Kind::Summary => {
                Self::Number(Number::read(point)?.check(is_monotonic)?)
            }
        })
    }
}

impl Total {
    /// A series that begins with this point. `bytes` are for its buckets.
    pub(super) fn of(delta: &Delta<'_>, bytes: usize) -> Result<Self, Stop> {
        let room = Room::of(bytes);
        Ok(match delta {
            Delta::Number(number) => Self::Number(*number),
            Delta::Histogram(delta) => Self::Histogram(Box::new(histogram::Total::of(delta, room)?)),
            Delta::Exponential(delta) => Self::Exponential(Box::new(exponential::Total::of(delta, room)?)),
        })
    }

    /// Adds the point, unless the series has to begin anew with it. `bytes` are for all of its buckets.
    pub(super) fn add(&mut self, delta: &Delta<'_>, bytes: usize) -> Result<bool, Stop> {
        match (self, delta) {
            (Self::Number(total), Delta::Number(delta)) => {
                let sum = total.plus(*delta);
                *total = sum.unwrap_or(*total);
                Ok(sum.is_some())
            }
            (Self::Histogram(total), Delta::Histogram(delta)) => Ok(total.add(delta)?),
            (Self::Exponential(total), Delta::Exponential(delta)) => total.add(delta, Room::of(bytes)),
            _ => Ok(false), // the kind is part of a series' identity
        }
    }

    /// All memory that the series takes.
    pub(super) fn bytes(&self) -> usize {
        let buckets = match self {
            Self::Number(_) => 0,
            Self::Histogram(total) => total.buckets(),
            Self::Exponential(total) => total.buckets(),
        };
        SERIES_BYTES + buckets * BUCKET_BYTES
    }

    /// Writes it as the fields of a point that count.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(total) => total.write(out),
            Self::Histogram(total) => total.write(out),
            Self::Exponential(total) => total.write(out),
        }
    }
}
