//! Objects, and the arrays in them.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::{
    super::shape::{Field, Shape, Type, Varint},
    Step, camel_case, quoted,
    value::Scalar,
    writer::Writer,
};

/// An object, which becomes a message.
pub(super) struct Object<'w> {
    pub(super) shape: &'static Shape,
    pub(super) to: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        // Not `deserialize_map`, which quotes a text that is there instead.
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(E::invalid_type(quoted(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name(self.shape))? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let read = map.next_value_seed(FieldValue { field, to: self.to });
            read.inspect_err(|_| self.to.path.push(Step::Field(field.name)))?;
            self.to.check()?;
        }
        Ok(())
    }
}

/// A field's name. None if it is unknown.
struct Name(&'static Shape);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let mut fields = self.0.fields.iter().chain(self.0.unread);
        Ok(fields.find(|field| field.name == name || camel_case(field.name).eq(name.chars())))
    }
}

/// What a field holds.
struct FieldValue<'w> {
    field: &'static Field,
    to: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let Field { tag, kind, .. } = *self.field;
        match kind {
            Type::Message(_) | Type::Messages(_) | Type::Choice(_) | Type::Varints | Type::Fixed64s(_) => {
                from.deserialize_option(self)
            }
            _ => from.deserialize_any(Scalar { kind, tag: Some(tag), to: self.to }),
        }
    }
}

/// Messages and arrays; `null` is as good as nothing.
impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.items().is_some() { "an array" } else { "an object" })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(E::invalid_type(quoted(text), &self))
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let (Type::Message(shape) | Type::Choice(shape)) = self.field.kind else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        let content = self.to.begin(self.field.tag);
        Object { shape, to: self.to }.visit_map(map)?;
        self.to.end(content);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some(item) = self.items() else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        let packed = matches!(item, Item::Number(_)).then(|| self.to.begin(self.field.tag));
        let mut index = 0;
        loop {
            let read = items.next_element_seed(Element { item, tag: self.field.tag, to: self.to });
            if read.inspect_err(|_| self.to.path.push(Step::Index(index)))?.is_none() {
                break;
            }
            self.to.check()?;
            index += 1;
        }
        if let Some(content) = packed {
            self.to.end(content);
        }
        Ok(())
    }
}

impl FieldValue<'_> {
    const fn items(&self) -> Option<Item> {
        match self.field.kind {
            Type::Messages(shape) => Some(Item::Message(shape)),
            Type::Varints => Some(Item::Number(Type::Varint(Varint::Uint64))),
            Type::Fixed64s(number) => Some(Item::Number(Type::Fixed64(number))),
            _ => None,
        }
    }
}

/// What an array holds.
#[derive(Clone, Copy)]
enum Item {
    Message(&'static Shape),
    Number(Type),
}

struct Element<'w> {
    item: Item,
    tag: u32,
    to: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.item {
            Item::Number(kind) => from.deserialize_any(Scalar { kind, tag: None, to: self.to }),
            Item::Message(shape) => {
                let content = self.to.begin(self.tag);
                Object { shape, to: self.to }.deserialize(from)?;
                self.to.end(content);
                Ok(())
            }
        }
    }
}
