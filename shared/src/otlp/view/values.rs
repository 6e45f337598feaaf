//! Attributes where they lie, read once: keys and texts are borrowed, and only lists and maps take memory.

use super::super::{self as otlp};
use crate::protobuf::read::{Field, Fields, Malformed};

/// An attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attribute<'a> {
    pub(crate) key: &'a str,
    /// None if it is absent or empty: both mean the same.
    pub(crate) value: Option<Value<'a>>,
}

/// The types of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    String(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Vec<Option<Value<'a>>>),
    Map(Vec<Attribute<'a>>),
    Bytes(&'a [u8]),
}

impl<'a> Attribute<'a> {
    /// Appends the attribute that `field` is.
    #[inline]
    pub(crate) fn add(list: &mut Vec<Self>, field: &Field<'a>) -> Result<(), Malformed> {
        list.push(Self::read(field.message()?)?);
        Ok(())
    }

    #[inline]
    fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut attribute = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => attribute.key = field.text()?,
                2 => Value::merge(&mut attribute.value, field.message()?)?,
                _ => {}
            }
        }
        Ok(attribute)
    }

    /// The text that the value is, if it is one.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.value.as_ref().and_then(Value::text)
    }
}

impl<'a> Value<'a> {
    /// Reads a value on top of what is there: the last of several types counts; a list or map that comes again is longer.
    #[inline]
    fn merge(value: &mut Option<Self>, mut fields: Fields<'a>) -> Result<(), Malformed> {
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => *value = Some(Self::String(field.text()?)),
                2 => *value = Some(Self::Bool(field.varint()? != 0)),
                3 => *value = Some(Self::Int(field.varint()?.cast_signed())),
                4 => *value = Some(Self::Double(field.double()?)),
                5 => Self::merge_array(value, field.message()?)?,
                6 => Self::merge_map(value, field.message()?)?,
                7 => *value = Some(Self::Bytes(field.bytes()?)),
                _ => {}
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn merge_array(value: &mut Option<Self>, mut fields: Fields<'a>) -> Result<(), Malformed> {
        let mut list = match value.take() {
            Some(Self::Array(list)) => list,
            _ => Vec::new(),
        };
        while let Some(field) = fields.next()? {
            if field.tag == 1 {
                let mut item = None;
                Self::merge(&mut item, field.message()?)?;
                list.push(item);
            }
        }
        *value = Some(Self::Array(list));
        Ok(())
    }

    #[inline(never)]
    fn merge_map(value: &mut Option<Self>, mut fields: Fields<'a>) -> Result<(), Malformed> {
        let mut map = match value.take() {
            Some(Self::Map(map)) => map,
            _ => Vec::new(),
        };
        while let Some(field) = fields.next()? {
            if field.tag == 1 {
                Attribute::add(&mut map, &field)?;
            }
        }
        *value = Some(Self::Map(map));
        Ok(())
    }

    /// The text that it is, if it is one.
    pub(crate) const fn text(&self) -> Option<&'a str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }
}

impl<'a> From<&'a otlp::KeyValue> for Attribute<'a> {
    fn from(pair: &'a otlp::KeyValue) -> Self {
        Self { key: &pair.key, value: pair.value().map(Value::from) }
    }
}

impl<'a> From<&'a otlp::Value> for Value<'a> {
    fn from(value: &'a otlp::Value) -> Self {
        match value {
            otlp::Value::String(text) => Self::String(text),
            otlp::Value::Bool(bool) => Self::Bool(*bool),
            otlp::Value::Int(int) => Self::Int(*int),
            otlp::Value::Double(double) => Self::Double(*double),
            otlp::Value::Array(list) => {
                Self::Array(list.values.iter().map(|item| item.value.as_ref().map(Self::from)).collect())
            }
            otlp::Value::Map(map) => Self::Map(map.values.iter().map(Attribute::from).collect()),
            otlp::Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}
