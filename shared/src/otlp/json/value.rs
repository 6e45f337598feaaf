//! Text, numbers and bytes.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::{Error, Unexpected, Visitor};

use super::{
    super::shape::{Bytes, Fixed64, Type, Varint},
    quoted,
    writer::{DELIMITED, FIXED32, FIXED64, VARINT, Writer},
};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A value that is no message, as a field or, without a number, as one of packed ones.
pub(super) struct Scalar<'w> {
    pub(super) kind: Type,
    pub(super) tag: Option<u32>,
    pub(super) to: &'w mut Writer,
}

impl Visitor<'_> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Type::Varint(Varint::Bool) => f.write_str("true or false"),
            Type::Varint(Varint::Enum(names)) => write!(f, "a number or one of {}", names.join(", ")),
            Type::Varint(Varint::Int64) | Type::Fixed64(Fixed64::Int) => {
                f.write_str("a whole number of 64 bits, or one as text")
            }
            Type::Varint(Varint::Uint64) | Type::Fixed64(Fixed64::Uint) => {
                f.write_str("a whole number of 64 bits without a sign, or one as text")
            }
            Type::Varint(Varint::Sint32) => f.write_str("a whole number of 32 bits"),
            Type::Varint(Varint::Uint32) | Type::Fixed32 => {
                f.write_str("a whole number of 32 bits without a sign")
            }
            Type::Fixed64(Fixed64::Double) => {
                f.write_str(r#"a number, or one as text, "NaN", "Infinity" or "-Infinity""#)
            }
            Type::Bytes(Bytes::Id(length)) => write!(f, "{} hex digits or an empty text", 2 * length),
            Type::Bytes(Bytes::Base64) => f.write_str("base64"),
            _ => f.write_str("text"),
        }
    }

    /// `null` is as good as nothing, but not among others.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.tag.is_some() { Ok(()) } else { Err(E::invalid_type(Unexpected::Unit, &self)) }
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        match self.kind {
            Type::Varint(Varint::Bool) => self.varint(value.into()),
            _ => return Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.whole(value.into(), Unexpected::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.whole(value.into(), Unexpected::Signed(value))
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        match self.kind {
            Type::Fixed64(Fixed64::Double) => self.fixed64(value.to_bits()),
            // `1e3` is as whole as `1000`; what is out of range stays so.
            #[expect(clippy::cast_possible_truncation, reason = "it is whole, and the cast saturates")]
            _ if value.fract() == 0.0 => return self.whole(value as i128, Unexpected::Float(value)),
            _ => return Err(E::invalid_type(Unexpected::Float(value), &self)),
        }
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        let wrong = quoted(text);
        match self.kind {
            Type::Text => self.delimited(text.as_bytes()),
            Type::Bytes(Bytes::Id(length)) => match hex::decode(text) {
                Ok(id) if id.is_empty() || id.len() == length => self.delimited(&id),
                _ => return Err(E::invalid_value(wrong, &self)),
            },
            Type::Bytes(Bytes::Base64) => match BASE64.decode(text) {
                Ok(bytes) => self.delimited(&bytes),
                Err(_) => return Err(E::invalid_value(wrong, &self)),
            },
            Type::Fixed64(Fixed64::Double) => match real(text) {
                Some(number) => self.fixed64(number.to_bits()),
                None => return Err(E::invalid_value(wrong, &self)),
            },
            Type::Varint(Varint::Enum(names)) => match (0..).zip(names).find(|(_, name)| **name == text) {
                Some((number, _)) => self.varint(number),
                None => return Err(E::invalid_value(wrong, &self)),
            },
            Type::Varint(Varint::Bool) => return Err(E::invalid_type(wrong, &self)),
            _ => match text.parse() {
                Ok(number) => return self.whole(number, wrong),
                Err(_) => return Err(E::invalid_value(wrong, &self)),
            },
        }
        Ok(())
    }
}

impl Scalar<'_> {
    fn whole<E: Error>(mut self, number: i128, seen: Unexpected<'_>) -> Result<(), E> {
        let is_written = match self.kind {
            Type::Varint(Varint::Int64) => {
                i64::try_from(number).map(|n| self.varint(n.cast_unsigned())).is_ok()
            }
            Type::Varint(Varint::Uint64) => u64::try_from(number).map(|n| self.varint(n)).is_ok(),
            Type::Varint(Varint::Uint32) => u32::try_from(number).map(|n| self.varint(n.into())).is_ok(),
            Type::Varint(Varint::Sint32) => i32::try_from(number).map(|n| self.varint(zigzag(n))).is_ok(),
            Type::Varint(Varint::Enum(_)) => {
                i32::try_from(number).map(|n| self.varint(i64::from(n).cast_unsigned())).is_ok()
            }
            Type::Fixed64(Fixed64::Uint) => u64::try_from(number).map(|n| self.fixed64(n)).is_ok(),
            Type::Fixed64(Fixed64::Int) => {
                i64::try_from(number).map(|n| self.fixed64(n.cast_unsigned())).is_ok()
            }
            #[expect(clippy::cast_precision_loss, reason = "the nearest real number is what is meant")]
            Type::Fixed64(Fixed64::Double) => {
                self.fixed64((number as f64).to_bits());
                true
            }
            Type::Fixed32 => u32::try_from(number).map(|n| self.fixed32(n)).is_ok(),
            _ => return Err(E::invalid_type(seen, &self)),
        };
        if is_written { Ok(()) } else { Err(E::invalid_value(seen, &self)) }
    }

    fn key(&mut self, wire_type: u32) {
        if let Some(tag) = self.tag {
            self.to.key(tag, wire_type);
        }
    }

    fn varint(&mut self, number: u64) {
        self.key(VARINT);
        self.to.varint(number);
    }

    fn fixed64(&mut self, bits: u64) {
        self.key(FIXED64);
        self.to.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    fn fixed32(&mut self, bits: u32) {
        self.key(FIXED32);
        self.to.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    fn delimited(&mut self, content: &[u8]) {
        self.key(DELIMITED);
        self.to.delimited(content);
    }
}

fn real(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // A number as JSON has it.
        number => serde_json::from_str(number).ok(),
    }
}

/// The sign becomes the lowest bit.
const fn zigzag(number: i32) -> u64 {
    ((number << 1) ^ (number >> 31)).cast_unsigned() as u64
}
