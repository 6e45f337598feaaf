//! How parts of the answers are read, so that one that is not what it should be costs only itself.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

/// A field that costs only itself where it can't be read. `null` is absent, as is a field that is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Field<T> {
    #[default]
    Absent,
    Read(T),
    Malformed,
}

impl<T> Field<T> {
    /// `None` where it is absent or malformed.
    pub(super) const fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }

    pub(super) const fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(json)?.get();
        if json.starts_with('[') {
            return Ok(Self::Malformed); // no field of these is an array, but serde takes one for a struct
        }
        Ok(match serde_json::from_str(json) {
            Ok(None) => Self::Absent,
            Ok(Some(value)) => Self::Read(value),
            Err(_) => Self::Malformed,
        })
    }
}

/// A JSON object, and nothing else: serde alone takes an array for a struct too.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// How much of something there is: neither negative nor infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Amount(pub(super) f64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let amount = f64::deserialize(json)?;
        if amount.is_finite() && amount >= 0.0 {
            Ok(Self(amount))
        } else {
            Err(D::Error::invalid_value(Unexpected::Float(amount), &"a number from 0 on"))
        }
    }
}
