//! Which series a point is of, as 16 bytes: what is kept of a series doesn't depend on how long its names are.
//!
//! The hash is SipHash-1-3 of 128 bits under a key that nobody outside of the process knows. To give two series one
//! identity an application would have to find a collision without ever seeing a hash, so that its data can't run into
//! each other, by chance or on purpose; nor can it choose where series lie in the table. A hash without these promises
//! (foldhash) would be faster by tens of nanoseconds a point; one with more of them (HMAC-SHA-256, which the core has)
//! takes several times as long and promises what isn't needed: identities never leave the process.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::{
    otlp::view::{Kind, Metric},
    protobuf::read::{Malformed, Repeated},
};

/// A series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SeriesId(u64, u64);

/// What series are hashed with.
#[derive(Clone, Copy)]
pub(super) struct Key(SipHasher13);

/// A resource, a scope or a metric on the way to its series.
#[derive(Clone, Copy)]
pub(super) struct Prefix(SipHasher13);

impl Key {
    pub(super) fn new(seed: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(seed))
    }

    /// A `Resource`, which may come in several pieces. Only its attributes tell it from another.
    pub(super) fn resource(&self, mut pieces: Repeated<'_>) -> Result<Prefix, Malformed> {
        let mut attributes = Vec::new();
        while let Some(mut piece) = pieces.next()? {
            while let Some(field) = piece.next()? {
                if field.tag == 1 {
                    attributes.push(field.bytes()?);
                }
            }
        }
        let mut prefix = Prefix(self.0);
        prefix.sorted(attributes);
        Ok(prefix)
    }

    /// The bounds of a histogram's buckets, or whatever else numbers tell.
    pub(super) fn numbers(&self) -> Numbers {
        Numbers(self.0)
    }
}

impl Prefix {
    /// An `InstrumentationScope` of this resource: its name, version and attributes.
    pub(super) fn scope(&self, mut pieces: Repeated<'_>) -> Result<Self, Malformed> {
        let (mut name, mut version, mut attributes) = (&b""[..], &b""[..], Vec::new());
        while let Some(mut piece) = pieces.next()? {
            while let Some(field) = piece.next()? {
                match field.tag {
                    1 => name = field.bytes()?,
                    2 => version = field.bytes()?,
                    3 => attributes.push(field.bytes()?),
                    _ => {}
                }
            }
        }
        let mut prefix = *self;
        prefix.bytes(name);
        prefix.bytes(version);
        prefix.sorted(attributes);
        Ok(prefix)
    }

    /// A metric of this scope: its name, its unit, and what it is.
    pub(super) fn metric(&self, metric: &Metric<'_>, kind: Kind, is_monotonic: bool) -> Self {
        let mut prefix = *self;
        prefix.bytes(metric.name.as_bytes());
        prefix.bytes(metric.unit.as_bytes());
        prefix.0.write(&[kind as u8, is_monotonic.into()]);
        prefix
    }

    /// The series of this metric whose points have these attributes.
    pub(super) fn series(&self, mut attributes: Repeated<'_>) -> Result<SeriesId, Malformed> {
        let mut own = Vec::new();
        while let Some(attribute) = attributes.next()? {
            own.push(attribute.rest());
        }
        let mut prefix = *self;
        prefix.sorted(own);
        let hash = prefix.0.finish128();
        Ok(SeriesId(hash.h1, hash.h2))
    }

    /// In whichever order they come: SDKs don't promise one.
    fn sorted(&mut self, mut attributes: Vec<&[u8]>) {
        attributes.sort_unstable();
        self.0.write(&attributes.len().to_le_bytes());
        attributes.into_iter().for_each(|attribute| self.bytes(attribute));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(&bytes.len().to_le_bytes());
        self.0.write(bytes);
    }
}

/// Numbers on the way to one that stands for them all.
pub(super) struct Numbers(SipHasher13);

impl Numbers {
    pub(super) fn add(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    pub(super) fn hash(&self) -> u64 {
        self.0.finish128().h1
    }
}
