//! The bytes that series may take.

use super::{Reason, Stop};

/// Bytes of a series but for its buckets: its place in the table, the free places, and what lies outside of it.
pub(super) const SERIES_BYTES: usize = 256;

/// Bytes of a bucket.
pub(super) const BUCKET_BYTES: usize = size_of::<u64>();

/// How many buckets a series may have.
#[derive(Clone, Copy)]
pub(super) struct Room(usize);

impl Room {
    /// In so many bytes.
    pub(super) const fn of(bytes: usize) -> Self {
        Self(bytes / BUCKET_BYTES)
    }

    pub(super) const fn has(self, buckets: usize) -> bool {
        buckets <= self.0
    }

    pub(super) fn check(self, buckets: usize) -> Result<(), Stop> {
        if self.has(buckets) { Ok(()) } else { Err(Stop::Dropped(Reason::SeriesLimit)) }
    }
}
