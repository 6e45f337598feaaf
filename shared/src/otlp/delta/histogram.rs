//! Histograms with bounds of their own.

use super::{Stop, identity::Key, observations::Observations, room::Room};
use crate::protobuf::{
    read::{Fields, Malformed},
    write,
};

/// What a point adds. Its buckets stay where they lie until they are added.
pub(super) struct Delta<'a> {
    observations: Observations,
    buckets: usize,
    bounds: u64,
    point: Fields<'a>,
}

/// What there is of a series.
pub(super) struct Total {
    observations: Observations,
    /// Stands for the bounds: they are in each point, so that nobody has to keep them.
    bounds: u64,
    counts: Box<[u64]>,
}

impl<'a> Delta<'a> {
    /// Reads a `HistogramDataPoint`.
    pub(super) fn read(point: Fields<'a>, key: &Key) -> Result<Self, Stop> {
        let (mut observations, mut buckets, mut bounds) = (Observations::default(), 0, key.numbers());
        let mut fields = point;
        while let Some(field) = fields.next()? {
            match field.tag {
                4 => observations.count = field.fixed64()?,
                5 => observations.sum = Some(field.double()?),
                6 => field.fixed64s(|_| buckets += 1)?,
                7 => field.fixed64s(|bound| bounds.add(bound))?,
                _ => {}
            }
        }
        observations.check()?;
        Ok(Self { observations, buckets, bounds: bounds.hash(), point })
    }
}

impl Total {
    /// A series that begins with this point.
    pub(super) fn of(delta: &Delta<'_>, room: Room) -> Result<Self, Stop> {
        room.check(delta.buckets)?;
        let counts = vec![0; delta.buckets].into_boxed_slice();
        let mut total = Self { observations: delta.observations, bounds: delta.bounds, counts };
        total.add_buckets(delta.point)?;
        Ok(total)
    }

    /// Adds the point; or doesn't, if it has other buckets or the counts would not fit.
    pub(super) fn add(&mut self, delta: &Delta<'_>) -> Result<bool, Malformed> {
        let is_like = (delta.bounds, delta.buckets) == (self.bounds, self.counts.len());
        let Some(sum) = self.observations.plus(&delta.observations).filter(|_| is_like) else {
            return Ok(false);
        };
        self.observations = sum;
        self.add_buckets(delta.point)?;
        Ok(true)
    }

    /// No bucket of an honest histogram is over its count, which fits.
    fn add_buckets(&mut self, mut point: Fields<'_>) -> Result<(), Malformed> {
        let mut counts = self.counts.iter_mut();
        while let Some(field) = point.next()? {
            if field.tag == 6 {
                let add = |count: u64| {
                    if let Some(total) = counts.next() {
                        *total = total.saturating_add(count);
                    }
                };
                field.fixed64s(add)?;
            }
        }
        Ok(())
    }

    /// Buckets that memory is taken for.
    pub(super) const fn buckets(&self) -> usize {
        self.counts.len()
    }

    /// Writes it as the fields of a `HistogramDataPoint` that count.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.observations.write(out);
        if !self.counts.is_empty() {
            write::delimited(6, 8 * self.counts.len(), out);
            self.counts.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        }
    }
}
