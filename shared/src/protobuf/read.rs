//! Reads fields where they lie. Nothing is copied, nothing is allocated.

/// Messages (and groups of unknown fields) within each other that prost takes, and so do we.
const NESTING_LIMIT: u32 = 100;

/// Where and why bytes are not the message that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Offset from the first byte of the outermost message.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) problem: &'static str,
}

/// How a value lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WireType {
    Varint,
    Fixed64,
    Delimited,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl WireType {
    const fn of(bits: u64) -> Option<Self> {
        Some(match bits {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Delimited,
            3 => Self::GroupStart,
            4 => Self::GroupEnd,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// What begins a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// The field's number.
    pub(crate) tag: u32,
    /// Where the field begins.
    pub(crate) at: usize,
    wire_type: WireType,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// Its number.
    pub(crate) tag: u32,
    /// Where it begins.
    at: usize,
    value: Value<'a>,
}

/// A value, as far as the wire can tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Text, bytes, a message, or packed numbers.
    Delimited(Fields<'a>),
    /// Four bytes or a group: no message that we read has such a field.
    Other,
}

/// The fields of a message that are not read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    /// The outermost message up to the end of this one.
    bytes: &'a [u8],
    /// The next field; an offset from the first byte of the outermost message.
    at: usize,
    /// How many messages may lie within each other here.
    nesting: u32,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl<'a> Fields<'a> {
    /// The fields of an outermost message.
    pub(crate) const fn of(message: &'a [u8]) -> Self {
        Self { bytes: message, at: 0, nesting: NESTING_LIMIT }
    }

    /// The next field; `None` at the message's end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        let Some(key) = self.key()? else { return Ok(None) };
        let value = self.value(key)?;
        Ok(Some(Field { tag: key.tag, at: key.at, value }))
    }

    /// The next field, and all of its bytes: key, length if it has one, value.
    #[inline]
    pub(crate) fn next_whole(&mut self) -> Result<Option<(Field<'a>, &'a [u8])>, Malformed> {
        let from = self.at;
        let Some(field) = self.next()? else { return Ok(None) };
        Ok(Some((field, self.bytes.get(from..self.at).unwrap_or_default())))
    }

    /// The next field's key; `None` at the message's end. Its [`Fields::value`] has to be read next.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Option<Key>, Malformed> {
        if self.is_at_end() {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint()?;
        let tag = u32::try_from(key).map_err(|_| malformed(at, "field number is too large"))? >> 3;
        if tag == 0 {
            return Err(malformed(at, "field number is 0"));
        }
        let wire_type = WireType::of(key & 7).ok_or(malformed(at, "wire type is unknown"))?;
        Ok(Some(Key { tag, at, wire_type }))
    }

    /// The value after `key`.
    #[inline]
    pub(crate) fn value(&mut self, key: Key) -> Result<Value<'a>, Malformed> {
        match key.wire_type {
            WireType::Varint => self.varint().map(Value::Varint),
            WireType::Fixed64 => self.fixed64().map(Value::Fixed64),
            WireType::Delimited => self.delimited().map(Value::Delimited),
            WireType::Fixed32 | WireType::GroupStart | WireType::GroupEnd => {
                self.skip(key, self.nesting)?;
                Ok(Value::Other)
            }
        }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// All bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether the same bytes are UTF-8. Nearly all text is ASCII, which is sooner seen.
    #[inline]
    pub(crate) fn check_text(&self) -> Result<(), Malformed> {
        if self.rest().is_ascii() { Ok(()) } else { self.text().map(drop) }
    }

    /// The same bytes as UTF-8.
    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.rest())
            .map_err(|error| malformed(self.at + error.valid_up_to(), "text is not UTF-8"))
    }

    /// The same fields, as those of a message within the one that they were found in.
    pub(crate) fn within(self) -> Result<Self, Malformed> {
        let nesting = self.nesting.checked_sub(1);
        let nesting = nesting.ok_or(malformed(self.at, "nested more than 100 deep"))?;
        Ok(Self { nesting, ..self })
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let rest = self.rest();
        let mut value = 0;
        for (index, byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    break;
                }
                self.at += index + 1;
                return Ok(value);
            }
        }
        let problem = if rest.len() < 10 { "number is cut off" } else { "number is over 64 bits" };
        Err(malformed(self.at, problem))
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        let bytes = bytes.ok_or(malformed(self.at, "value is cut off"))?;
        self.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    fn delimited(&mut self) -> Result<Self, Malformed> {
        let at = self.at;
        let length = self.varint()?;
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let bytes = end.and_then(|end| self.bytes.get(..end));
        let bytes = bytes.ok_or(malformed(at, "length passes the end of what holds it"))?;
        let inner = Self { bytes, at: self.at, nesting: self.nesting };
        self.at = bytes.len();
        Ok(inner)
    }

    /// Passes over a value that nothing reads.
    #[cold]
    fn skip(&mut self, key: Key, nesting: u32) -> Result<(), Malformed> {
        let deeper = nesting.checked_sub(1).ok_or(malformed(self.at, "nested more than 100 deep"))?;
        match key.wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Delimited => self.delimited().map(drop),
            WireType::Fixed32 => self.fixed32(),
            WireType::GroupStart => self.skip_group(key.tag, deeper),
            WireType::GroupEnd => Err(malformed(self.at, "group ends that never began")),
        }
    }

    fn skip_group(&mut self, tag: u32, nesting: u32) -> Result<(), Malformed> {
        loop {
            let key = self.key()?.ok_or(malformed(self.at, "group has no end"))?;
            if key.wire_type != WireType::GroupEnd {
                self.skip(key, nesting)?;
            } else if key.tag == tag {
                return Ok(());
            } else {
                return Err(malformed(key.at, "group ends that never began"));
            }
        }
    }

    fn fixed32(&mut self) -> Result<(), Malformed> {
        if self.rest().len() < 4 {
            return Err(malformed(self.at, "value is cut off"));
        }
        self.at += 4;
        Ok(())
    }
}

impl<'a> Field<'a> {
    #[inline]
    pub(crate) fn varint(&self) -> Result<u64, Malformed> {
        if let Value::Varint(number) = self.value { Ok(number) } else { Err(self.other_type()) }
    }

    #[inline]
    pub(crate) fn fixed64(&self) -> Result<u64, Malformed> {
        if let Value::Fixed64(bits) = self.value { Ok(bits) } else { Err(self.other_type()) }
    }

    /// Of a number that is too large the low bits count, as protobuf has it.
    #[expect(clippy::cast_possible_truncation, reason = "protobuf truncates")]
    pub(crate) fn int32(&self) -> Result<i32, Malformed> {
        self.varint().map(|number| number as i32)
    }

    /// A number whose sign is its lowest bit.
    pub(crate) fn sint32(&self) -> Result<i32, Malformed> {
        let folded = self.int32()?.cast_unsigned();
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    pub(crate) fn double(&self) -> Result<f64, Malformed> {
        self.fixed64().map(f64::from_bits)
    }

    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        self.delimited()?.text()
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], Malformed> {
        self.delimited().map(|bytes| bytes.rest())
    }

    #[inline]
    pub(crate) fn message(&self) -> Result<Fields<'a>, Malformed> {
        self.delimited()?.within()
    }

    /// Numbers of eight bytes, be they packed or not.
    pub(crate) fn fixed64s(&self, mut each: impl FnMut(u64)) -> Result<(), Malformed> {
        match self.value {
            Value::Fixed64(bits) => each(bits),
            Value::Delimited(mut packed) => {
                while !packed.is_at_end() {
                    each(packed.fixed64()?);
                }
            }
            Value::Varint(_) | Value::Other => return Err(self.other_type()),
        }
        Ok(())
    }

    /// Numbers of variable length, be they packed or not.
    pub(crate) fn varints(&self, mut each: impl FnMut(u64)) -> Result<(), Malformed> {
        match self.value {
            Value::Varint(number) => each(number),
            Value::Delimited(mut packed) => {
                while !packed.is_at_end() {
                    each(packed.varint()?);
                }
            }
            Value::Fixed64(_) | Value::Other => return Err(self.other_type()),
        }
        Ok(())
    }

    #[inline]
    fn delimited(&self) -> Result<Fields<'a>, Malformed> {
        if let Value::Delimited(fields) = self.value { Ok(fields) } else { Err(self.other_type()) }
    }

    const fn other_type(&self) -> Malformed {
        malformed(self.at, "wire type is not this field's")
    }
}

/// All fields of one number within a message: the bytes from the first to the last of them, with whatever lies between.
///
/// Equal bytes are equal fields, so that they are a key for what was once made of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeated<'a> {
    tag: u32,
    fields: Fields<'a>,
}

impl<'a> Repeated<'a> {
    /// One field. It has to be delimited.
    pub(crate) fn one(field: &Field<'a>) -> Result<Self, Malformed> {
        let mut one = Self::default();
        one.add(field)?;
        Ok(one)
    }

    /// Adds the next field. It has to be delimited.
    #[inline]
    pub(crate) fn add(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        let inner = field.delimited()?;
        let at = if self.is_empty() { field.at } else { self.fields.at };
        *self = Self { tag: field.tag, fields: Fields { at, ..inner } };
        Ok(())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.fields.is_at_end()
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.fields.rest()
    }

    /// The next of the fields as a message.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Fields<'a>>, Malformed> {
        while let Some(field) = self.fields.next()? {
            if field.tag == self.tag {
                return field.message().map(Some);
            }
        }
        Ok(None)
    }

    /// Each of the fields as a message.
    pub(crate) fn decode<M: prost::Message + Default>(mut self) -> Result<Vec<M>, Malformed> {
        let mut messages = Vec::new();
        while let Some(message) = self.next()? {
            messages.push(merged(M::default(), message)?);
        }
        Ok(messages)
    }

    /// The fields as one message, as protobuf has it of a field that should come once and comes again.
    pub(crate) fn decode_merged<M: prost::Message + Default>(mut self) -> Result<M, Malformed> {
        let mut whole = M::default();
        while let Some(message) = self.next()? {
            whole = merged(whole, message)?;
        }
        Ok(whole)
    }
}

fn merged<M: prost::Message>(mut into: M, message: Fields<'_>) -> Result<M, Malformed> {
    into.merge(message.rest()).map_err(|_| malformed(message.at, "message is malformed"))?;
    Ok(into)
}

const fn malformed(at: usize, problem: &'static str) -> Malformed {
    Malformed { at, problem }
}
