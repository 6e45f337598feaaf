//! Request bodies: read whole, within a limit of their own and a limit for all of them together.

use std::{cell::Cell, ops::Deref, rc::Rc, time::Duration};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::{sync::Notify, time::timeout};

/// What is allocated with the first bytes of a body that announces more, at most.
const FIRST_ALLOCATION_BYTES: usize = 64 << 10;

/// What is read and dropped of a body that is refused, at most.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Memory that all bodies in flight share.
#[derive(Debug)]
pub struct Budget {
    free: Cell<usize>,
    total: usize,
    freed: Notify,
}

impl Budget {
    /// A budget of `total` bytes, none of them taken.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { free: Cell::new(total), total, freed: Notify::new() }
    }

    /// Whether no body is in flight.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.free.get() == self.total
    }

    /// Waits until a body has left flight, or returns at once if one has since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn take(&self, bytes: usize) -> Result<(), BodyError> {
        self.free.set(self.free.get().checked_sub(bytes).ok_or(BodyError::Busy)?);
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        self.free.set(self.free.get() + bytes);
        self.freed.notify_one();
    }
}

/// A body, or what has come of it. Gives its bytes back to the budget when dropped.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    reserved: usize,
    budget: Rc<Budget>,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.budget.give_back(self.reserved);
    }
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Over its own limit.
    TooLarge,
    /// Over the limit of all bodies together.
    Busy,
    /// Not whole in time.
    Timeout,
    /// The connection broke, or its framing is wrong.
    Broken,
}

/// Reads a body of at most `limit` bytes within `time`.
///
/// Memory is taken as bytes arrive: announcing a large body reserves nothing.
///
/// # Errors
/// [`BodyError`]
pub async fn read(
    incoming: &mut Incoming,
    limit: usize,
    budget: &Rc<Budget>,
    time: Duration,
) -> Result<Body, BodyError> {
    let announced = incoming.size_hint().upper();
    let announced = announced.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(BodyError::TooLarge);
    }
    let mut body = Body { bytes: Vec::new(), reserved: 0, budget: Rc::clone(budget) };
    let first = announced.unwrap_or(0).min(FIRST_ALLOCATION_BYTES);
    timeout(time, body.fill(incoming, first, announced.unwrap_or(limit)))
        .await
        .unwrap_or(Err(BodyError::Timeout))?;
    Ok(body)
}

impl Body {
    async fn fill(&mut self, incoming: &mut Incoming, first: usize, limit: usize) -> Result<(), BodyError> {
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| BodyError::Broken)?;
            let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) else { continue };
            let length = self.bytes.len() + data.len();
            if length > limit {
                return Err(BodyError::TooLarge);
            }
            self.reserve(length.max(first), limit)?;
            self.bytes.extend_from_slice(data);
        }
        Ok(())
    }

    /// Makes room for `length` bytes in all, doubling what there is so that copies stay few.
    fn reserve(&mut self, length: usize, limit: usize) -> Result<(), BodyError> {
        if length > self.reserved {
            let wanted = (2 * self.reserved).min(limit).max(length);
            self.budget.take(wanted - self.reserved)?;
            self.reserved = wanted;
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        Ok(())
    }
}

/// Reads on and drops what comes, for a while: a client that still writes would not see why it is refused.
pub async fn discard(incoming: Incoming) {
    discard_most(incoming, DISCARD_BYTES).await;
}

/// As [`discard`], but no more than about `most` bytes.
pub async fn discard_most(mut incoming: Incoming, most: usize) {
    let all = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = incoming.frame().await {
            bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
            if bytes > most {
                return;
            }
        }
    };
    let _ = timeout(DISCARD_TIME, all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_what_it_needs_and_gives_it_back() {
        let budget = Rc::new(Budget::new(1000));
        let mut body = Body { bytes: Vec::new(), reserved: 0, budget: Rc::clone(&budget) };
        for (length, free) in [(100, 900), (101, 800), (150, 800), (201, 600), (401, 500)] {
            assert_eq!(body.reserve(length, 500), Ok(()));
            assert_eq!(budget.free.get(), free, "{length}");
        }
        let mut other = Body { bytes: Vec::new(), reserved: 0, budget: Rc::clone(&budget) };
        assert_eq!(other.reserve(501, 600), Err(BodyError::Busy));
        assert!(!budget.is_idle());
        drop((body, other));
        assert!(budget.is_idle());
    }
}
