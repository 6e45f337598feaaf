//! Where a request that makes very much is cut.

use super::Translation;

/// What of a request is not translated yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// All but so many points.
    pub(super) points: usize,
    /// The latest time of those points that have the next one's resource.
    pub(super) newest_ns: u64,
}

/// How far a request is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    /// The part is full, and a point is left.
    Cut,
}

/// A part of a request on its way.
pub(super) struct Part {
    pub(super) out: Translation,
    /// The points before belong to earlier parts.
    from: usize,
    pub(super) seen: usize,
    /// Of the resource at hand.
    pub(super) newest_ns: u64,
    earlier_newest_ns: u64,
    /// Labels that there is room for.
    pub(super) bytes_left: usize,
}

impl Part {
    pub(super) fn new(rest: Rest, max_bytes: usize) -> Self {
        Self {
            out: Translation::default(),
            from: rest.points,
            seen: 0,
            newest_ns: 0,
            earlier_newest_ns: rest.newest_ns,
            bytes_left: max_bytes,
        }
    }

    /// Whether the next point belongs to an earlier part.
    pub(super) fn skips(&mut self) -> bool {
        if self.seen >= self.from {
            return false;
        }
        self.seen += 1;
        if self.seen == self.from {
            self.newest_ns = self.earlier_newest_ns;
        }
        true
    }

    /// The latest time of the resource's points, in nanoseconds; 0 where none has a time, or all belong to earlier parts.
    pub(super) fn end_resource(&mut self) -> u64 {
        let newest_ns = std::mem::take(&mut self.newest_ns);
        if self.seen > self.from { newest_ns } else { 0 }
    }
}
