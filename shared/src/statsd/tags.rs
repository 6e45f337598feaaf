//! The tags of a line, sorted, each name once.

use super::Refusal;

/// So many tags a line may have.
pub const MAX_TAGS: usize = 32;

/// What a tag without a value says: that it is there.
const PRESENT: &str = "true";

/// One tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// Tags by name.
#[derive(Debug, Default)]
pub(super) struct Tags<'a>(Vec<Tag<'a>>);

impl<'a> Tags<'a> {
    /// The same memory, empty, for another line.
    pub(super) fn recycled<'b>(mut self) -> Tags<'b> {
        self.0.clear();
        // Collecting what is as large gives the same memory.
        Tags(self.0.into_iter().map_while(|_| None).collect())
    }

    /// Adds `name:value,name:value`. Empty entries are passed over; a name without colon has the value `true`; one with
    /// an empty value counts as absent in the end, since that is what Prometheus makes of it.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), Refusal> {
        let mut rest = Some(text);
        while let Some(entries) = rest {
            let (entry, others) = cut(entries, b',');
            rest = others;
            match cut(entry, b':') {
                ("", None) => {}
                ("", Some(_)) => return Err(Refusal::Tag("a tag has no name before its colon")),
                (name, value) => self.set(name, value.unwrap_or(PRESENT))?,
            }
        }
        Ok(())
    }

    /// Adds a tag. A later one of the same name takes its place.
    pub(super) fn set(&mut self, name: &'a str, value: &'a str) -> Result<(), Refusal> {
        let (place, is_full) = (self.0.partition_point(|tag| tag.name < name), self.0.len() >= MAX_TAGS);
        match self.0.get_mut(place) {
            Some(tag) if tag.name == name => tag.value = value,
            _ if is_full => return Err(Refusal::Tag("it has more than 32 tags")),
            _ => self.0.insert(place, Tag { name, value }),
        }
        Ok(())
    }

    pub(super) fn as_slice(&self) -> &[Tag<'a>] {
        &self.0
    }
}

/// What is before the first `byte`, which is ASCII, and what is after it, if it is there. For texts as short as these it is
/// faster than what the standard library has.
pub(super) fn cut(text: &str, byte: u8) -> (&str, Option<&str>) {
    let place = text.bytes().position(|one| one == byte);
    place.map_or((text, None), |at| (text.get(..at).unwrap_or_default(), text.get(at + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(texts: &[&'static str]) -> Result<Vec<(&'static str, &'static str)>, Refusal> {
        let mut tags = Tags::default();
        texts.iter().try_for_each(|text| tags.read(text))?;
        Ok(tags.as_slice().iter().map(|tag| (tag.name, tag.value)).collect())
    }

    #[test]
    fn tags_are_sorted_and_the_last_of_a_name_counts() {
        assert_eq!(tags(&["b:2,a:1", "c:x:y,b:3"]), Ok(vec![("a", "1"), ("b", "3"), ("c", "x:y")]));
        assert_eq!(tags(&["canary,,env:,"]), Ok(vec![("canary", "true"), ("env", "")]));
        assert_eq!(tags(&[""]), Ok(vec![]));
        assert_eq!(tags(&[":x"]).unwrap_err().name(), "tag");
    }

    #[test]
    fn there_may_be_32() {
        let names: Vec<String> = (0..33).map(|n| format!("t{n}:1")).collect();
        let (full, over) = (names[..32].join(","), names.join(","));
        let mut tags = Tags::default();
        assert_eq!(tags.read(&full), Ok(()));
        assert_eq!(tags.read("t0:2"), Ok(()), "it is there already");
        assert_eq!(tags.as_slice().len(), 32);
        assert_eq!(Tags::default().read(&over).unwrap_err().name(), "tag");
    }

    #[test]
    fn memory_is_used_again() {
        let mut tags = Tags::default();
        tags.read("a:1,b:2").unwrap();
        let at = tags.0.as_ptr().cast::<u8>();
        let other = tags.recycled();
        assert_eq!((other.0.as_ptr().cast(), other.0.len(), other.0.capacity() >= 2), (at, 0, true));
    }
}
