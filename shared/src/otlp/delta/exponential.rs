//! Exponential histograms (<https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>).
//!
//! A sum of histograms has the scale of the coarsest of them, or a lower one where its buckets would be too many, and
//! the widest of their zero buckets. A scale never goes up again while a series goes on.

use std::ops::RangeInclusive;

use super::{Reason, Stop, buckets::Buckets, observations::Observations, room::Room, zero};
use crate::protobuf::{
    read::{Fields, Malformed, Repeated},
    write,
};

/// Scales that Prometheus knows. Finer histograms are merged here, as they would be later: that takes fewer buckets.
/// Coarser ones can't be told, and nobody needs them: at scale -4 all numbers of one sign are in 132 buckets.
const SCALES: RangeInclusive<i32> = -4..=8;

/// Buckets of one sign, as many as SDKs have.
const MAX_BUCKETS: usize = 160;

/// What a point adds. Its buckets stay where they lie until they are added.
pub(super) struct Delta<'a> {
    observations: Observations,
    /// As given; at most [`SCALES`] is made of it.
    scale: i32,
    zero: Zero,
    sides: [Given<'a>; 2],
}

/// The bucket around zero.
#[derive(Clone, Copy, Default)]
struct Zero {
    count: u64,
    threshold: f64,
}

/// Buckets of one sign, on the wire.
#[derive(Clone, Copy, Default)]
struct Given<'a> {
    messages: Repeated<'a>,
    offset: i64,
    /// The first and the last that is not empty.
    range: Option<(i64, i64)>,
}

/// What there is of a series.
pub(super) struct Total {
    observations: Observations,
    scale: i32,
    zero: Zero,
    /// Above zero, and below.
    sides: [Buckets; 2],
}

impl<'a> Delta<'a> {
    /// Reads an `ExponentialHistogramDataPoint`.
    pub(super) fn read(mut point: Fields<'a>) -> Result<Self, Stop> {
        let (mut observations, mut scale, mut zero) = (Observations::default(), 0, Zero::default());
        let [mut positive, mut negative] = [Repeated::default(); 2];
        while let Some(field) = point.next()? {
            match field.tag {
                4 => observations.count = field.fixed64()?,
                5 => observations.sum = Some(field.double()?),
                6 => scale = field.sint32()?,
                7 => zero.count = field.fixed64()?,
                8 => positive.add(&field)?,
                9 => negative.add(&field)?,
                14 => zero.threshold = field.double()? + 0.0, // minus zero is zero
                _ => {}
            }
        }
        observations.check()?;
        let is_told = scale >= *SCALES.start() && zero.threshold >= 0.0 && zero.threshold.is_finite();
        let sides = [Given::read(positive)?, Given::read(negative)?];
        if is_told && sides.iter().all(Given::is_in_range) {
            Ok(Self { observations, scale, zero, sides })
        } else {
            Err(Stop::Dropped(Reason::Invalid))
        }
    }
}

impl<'a> Given<'a> {
    fn read(messages: Repeated<'a>) -> Result<Self, Malformed> {
        let mut side = Self { messages, ..Self::default() };
        let mut places: Option<(i64, i64)> = None;
        side.each_place(|place, _| places = Some((places.map_or(place, |(first, _)| first), place)))?;
        let mut messages = messages;
        while let Some(mut message) = messages.next()? {
            while let Some(field) = message.next()? {
                if field.tag == 1 {
                    side.offset = field.sint32()?.into();
                }
            }
        }
        side.range = places.map(|(first, last)| (side.offset + first, side.offset + last));
        Ok(side)
    }

    /// Each bucket that is not empty, by its place after the offset, and its count.
    fn each_place(&self, mut each: impl FnMut(i64, u64)) -> Result<(), Malformed> {
        let (mut messages, mut place) = (self.messages, 0);
        while let Some(mut message) = messages.next()? {
            while let Some(field) = message.next()? {
                if field.tag == 2 {
                    field.varints(|count| {
                        if count > 0 {
                            each(place, count);
                        }
                        place += 1;
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Whether all indexes are of 32 bits, as they have to be on the wire.
    fn is_in_range(&self) -> bool {
        self.range.is_none_or(|(_, last)| i32::try_from(last).is_ok())
    }
}

impl Total {
    /// A series that begins with this point.
    pub(super) fn of(delta: &Delta<'_>, room: Room) -> Result<Self, Stop> {
        let scale = delta.scale.min(*SCALES.end());
        let zero = Zero { count: 0, threshold: delta.zero.threshold };
        let mut total = Self {
            observations: delta.observations,
            scale,
            zero,
            sides: [Buckets::default(), Buckets::default()],
        };
        total.merge(delta, room)?;
        Ok(total)
    }

    /// Adds the point; or doesn't, if the counts would not fit. `room` is for all of its buckets.
    pub(super) fn add(&mut self, delta: &Delta<'_>, room: Room) -> Result<bool, Stop> {
        let Some(sum) = self.observations.plus(&delta.observations) else { return Ok(false) };
        self.merge(delta, room)?;
        self.observations = sum;
        Ok(true)
    }

    fn merge(&mut self, delta: &Delta<'_>, room: Room) -> Result<(), Stop> {
        let scale = self.fitting(delta, room)?;
        let (own_bits, their_bits) = (bits(self.scale, scale), bits(delta.scale, scale));
        for (own, theirs) in self.sides.iter_mut().zip(&delta.sides) {
            own.stretch(own_bits, lowered(theirs.range, their_bits));
            theirs.each_place(|place, count| own.add((theirs.offset + place) >> their_bits, count))?;
        }
        self.scale = scale;
        self.zero.count = self.zero.count.saturating_add(delta.zero.count);
        self.widen_zero(delta.zero.threshold);
        Ok(())
    }

    /// The highest scale at which the buckets of both fit.
    fn fitting(&self, delta: &Delta<'_>, room: Room) -> Result<i32, Stop> {
        let mut refusal = Reason::Invalid;
        for scale in (*SCALES.start()..=self.scale.min(delta.scale)).rev() {
            let both = self.sides.iter().zip(&delta.sides).map(|(own, theirs)| {
                let own = lowered(own.range(), bits(self.scale, scale));
                length(joined(own, lowered(theirs.range, bits(delta.scale, scale))))
            });
            let (most, all) = both.fold((0, 0), |(most, all), length| (length.max(most), length + all));
            if most <= MAX_BUCKETS {
                if room.has(all) {
                    return Ok(scale);
                }
                refusal = Reason::SeriesLimit;
            }
        }
        Err(Stop::Dropped(refusal))
    }

    /// Makes the zero bucket as wide as `threshold`, if it is not; and wider than that where a bucket with counts would
    /// lie across its edge. What is within it then counts as zero.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold.to_bits() == self.zero.threshold.to_bits() {
            return;
        }
        let widest = threshold.max(self.zero.threshold);
        let edge = zero::index(widest, self.scale);
        let is_crossed = self.sides.iter().any(|side| side.count(edge) > 0);
        self.zero.threshold =
            if is_crossed { zero::upper_bound(edge, self.scale).max(widest) } else { widest };
        for side in &mut self.sides {
            self.zero.count = self.zero.count.saturating_add(side.take_through(edge));
        }
    }

    /// Buckets that memory is taken for.
    pub(super) fn buckets(&self) -> usize {
        self.sides.iter().map(Buckets::len).sum()
    }

    /// Writes it as the fields of an `ExponentialHistogramDataPoint` that count.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.observations.write(out);
        write::sint32(6, self.scale, out);
        write::fixed64(7, self.zero.count, out);
        let [positive, negative] = &self.sides;
        positive.write(8, out);
        negative.write(9, out);
        write::double(14, self.zero.threshold, out);
    }
}

/// How many bits an index loses from a scale to a lower one.
fn bits(from: i32, to: i32) -> u32 {
    from.saturating_sub(to).clamp(0, 63).unsigned_abs()
}

/// The range at a resolution that is lower by that many bits.
pub(super) fn lowered(range: Option<(i64, i64)>, bits: u32) -> Option<(i64, i64)> {
    range.map(|(first, last)| (first >> bits, last >> bits))
}

/// From the first of both to the last of both.
pub(super) fn joined(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let (Some((first, last)), Some((other_first, other_last))) = (one, other) else { return one.or(other) };
    Some((first.min(other_first), last.max(other_last)))
}

fn length(range: Option<(i64, i64)>) -> usize {
    range.map_or(0, |(first, last)| usize::try_from(last - first + 1).unwrap_or(usize::MAX / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Or all numbers would be within it: minus zero has no logarithm that is a number.
    #[test]
    fn a_zero_bucket_as_wide_as_minus_zero_is_as_wide_as_zero() {
        let mut point = Vec::new();
        write::fixed64(14, (-0.0_f64).to_bits(), &mut point);
        let Ok(delta) = Delta::read(Fields::of(&point)) else { panic!("refused") };
        assert_eq!(delta.zero.threshold.to_bits(), 0);
    }
}
