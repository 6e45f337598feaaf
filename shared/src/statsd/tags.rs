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

/// Tags by name. They lie on the stack: a line allocates nothing.
#[derive(Clone, Debug)]
pub(super) struct Tags<'a> {
    all: [Tag<'a>; MAX_TAGS],
    count: usize,
}

impl<'a> Tags<'a> {
    pub(super) const fn new() -> Self {
        Self { all: [Tag { name: "", value: "" }; MAX_TAGS], count: 0 }
    }

    /// Adds `name:value,name:value`. Empty entries are passed over; a name without colon has the value `true`; one with
    /// an empty value counts as absent, since that is what Prometheus makes of it.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), Refusal> {
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            let (name, value) = entry.split_once(':').unwrap_or((entry, PRESENT));
            if name.is_empty() {
                return Err(Refusal::Tag("a tag has no name before its colon"));
            }
            self.set(name, value)?;
        }
        Ok(())
    }

    /// Adds a tag. A later one of the same name takes its place.
    pub(super) fn set(&mut self, name: &'a str, value: &'a str) -> Result<(), Refusal> {
        let place = self.as_slice().partition_point(|tag| tag.name < name);
        if let Some(tag) = self.all.get_mut(..self.count).and_then(|tags| tags.get_mut(place))
            && tag.name == name
        {
            tag.value = value;
            return Ok(());
        }
        let Some(tail) = self.all.get_mut(place..=self.count) else {
            return Err(Refusal::Tag("it has more than 32 tags"));
        };
        tail.rotate_right(1);
        if let Some(free) = tail.first_mut() {
            *free = Tag { name, value };
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn as_slice(&self) -> &[Tag<'a>] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(texts: &[&'static str]) -> Result<Vec<(&'static str, &'static str)>, Refusal> {
        let mut tags = Tags::new();
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
        let mut tags = Tags::new();
        assert_eq!(tags.read(&full), Ok(()));
        assert_eq!(tags.read("t0:2"), Ok(()), "it is there already");
        assert_eq!(tags.as_slice().len(), 32);
        assert_eq!(Tags::new().read(&over).unwrap_err().name(), "tag");
    }
}
