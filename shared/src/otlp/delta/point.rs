//! What all kinds of point have in common.

use super::{Reason, Stop};
use crate::{
    otlp::view::Kind,
    protobuf::read::{Fields, Malformed, Repeated},
};

/// The numbers of a point's fields. The start is field 2 and the time field 3 in all of them.
pub(super) struct Layout {
    attributes: u32,
    flags: u32,
    /// What a total takes the place of. The lowest and the highest value are left out: they are of the interval.
    replaced: &'static [u32],
}

const NUMBER: Layout = Layout { attributes: 7, flags: 8, replaced: &[2, 4, 6] };
const HISTOGRAM: Layout = Layout { attributes: 9, flags: 10, replaced: &[2, 4, 5, 6, 11, 12] };
const EXPONENTIAL: Layout = Layout { attributes: 1, flags: 10, replaced: &[2, 4, 5, 6, 7, 8, 9, 12, 13, 14] };

impl Layout {
    pub(super) const fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Histogram => &HISTOGRAM,
            Kind::ExponentialHistogram => &EXPONENTIAL,
            Kind::Sum | Kind::Gauge | Kind::Summary => &NUMBER,
        }
    }

    /// Appends the fields of a point that stay as they are.
    pub(super) fn copy_kept(&self, mut point: Fields<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        while let Some((field, whole)) = point.next_whole()? {
            if !self.replaced.contains(&field.tag) {
                out.extend_from_slice(whole);
            }
        }
        Ok(())
    }
}

/// Of which series a point is, and of when.
#[derive(Default)]
pub(super) struct Head<'a> {
    pub(super) attributes: Repeated<'a>,
    pub(super) flags: u64,
    /// Nanoseconds since the epoch.
    pub(super) time: u64,
    /// Nanoseconds since the epoch, or 0.
    start: u64,
}

impl<'a> Head<'a> {
    pub(super) fn read(mut point: Fields<'a>, layout: &Layout) -> Result<Self, Malformed> {
        let mut head = Self::default();
        while let Some(field) = point.next()? {
            match field.tag {
                2 => head.start = field.fixed64()?,
                3 => head.time = field.fixed64()?,
                tag if tag == layout.attributes => head.attributes.add(&field)?,
                tag if tag == layout.flags => head.flags = field.varint()?,
                _ => {}
            }
        }
        Ok(head)
    }

    /// When what the point counts began; 0 if it doesn't say, or says what can't be.
    pub(super) const fn start_before_time(&self) -> u64 {
        if self.start < self.time { self.start } else { 0 }
    }

    /// A series goes forward. What doesn't was counted already: a request that is sent again, as a rule.
    pub(super) const fn check_after(&self, time: u64) -> Result<(), Stop> {
        if self.time > time { Ok(()) } else { Err(Stop::Dropped(Reason::OutOfOrder)) }
    }
}
