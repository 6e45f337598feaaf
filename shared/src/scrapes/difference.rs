//! What a text has that the one before had not, line by line.
//!
//! A difference is a list of steps over the lines of the old text, each a number whose two lowest bits say what it is:
//!
//! | bits | the rest of the number | then | |
//! |---|---|---|---|
//! | 0 | lines | | they stay |
//! | 1 | lines | | they go |
//! | 2 | bytes | length, bytes | the line keeps so many bytes; those that follow come after them |
//! | 3 | bytes | bytes | they come in |
//!
//! Lines that are left at the end go. An exposition names its series in the same order every time, so nearly all steps
//! are of the first and the third kind.

use super::varint;

const KEEP: u64 = 0;
const SKIP: u64 = 1;
const CHANGE: u64 = 2;
const INSERT: u64 = 3;

/// How far ahead the old text is searched for a line of the new one.
const LOOKAHEAD_LINES: usize = 64;

/// Lines that are looked at ahead in one text. A text that shares no order with the one before is put in as it is.
const MAX_LOOKS: usize = 100_000;

/// A difference doesn't fit the text that it should be applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("a step is cut off")]
    Cut,
    #[error("a step goes beyond the end of the text before")]
    Beyond,
    #[error("the text grows beyond {0} bytes")]
    TooLarge(usize),
}

/// Appends to `out` what makes `new` of `old`: never much more than `new` itself.
pub(super) fn put(old: &[u8], new: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    Writer { old, kept: 0, looks: MAX_LOOKS, out }.write(new);
    if out.len() - begin > new.len() {
        out.truncate(begin);
        put_insert(new, out);
    }
}

/// The text that `steps` make of `old`.
pub(super) fn apply(mut old: &[u8], mut steps: &[u8], limit: usize) -> Result<Vec<u8>, Misfit> {
    let mut new = Vec::new();
    while !steps.is_empty() {
        let step = varint::take(&mut steps).ok_or(Misfit::Cut)?;
        let count = usize::try_from(step >> 2).map_err(|_| Misfit::Beyond)?;
        match step & 3 {
            KEEP => extend(&mut new, take_lines(&mut old, count)?, limit)?,
            SKIP => _ = take_lines(&mut old, count)?,
            CHANGE => {
                let line = take_lines(&mut old, 1)?;
                extend(&mut new, line.get(..count).ok_or(Misfit::Beyond)?, limit)?;
                extend(&mut new, varint::take_bytes(&mut steps).ok_or(Misfit::Cut)?, limit)?;
            }
            _ => {
                let (inserted, rest) = steps.split_at_checked(count).ok_or(Misfit::Cut)?;
                extend(&mut new, inserted, limit)?;
                steps = rest;
            }
        }
    }
    Ok(new)
}

fn extend(new: &mut Vec<u8>, bytes: &[u8], limit: usize) -> Result<(), Misfit> {
    if new.len() + bytes.len() > limit {
        return Err(Misfit::TooLarge(limit));
    }
    new.extend_from_slice(bytes);
    Ok(())
}

fn take_lines<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Misfit> {
    let text = *rest;
    for _ in 0..count {
        take_line(rest).ok_or(Misfit::Beyond)?;
    }
    Ok(text.get(..text.len() - rest.len()).unwrap_or_default())
}

/// Takes a line with its end off the front.
fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    let (line, after) = rest.split_at_checked(length).filter(|(line, _)| !line.is_empty())?;
    *rest = after;
    Some(line)
}

fn put_insert(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        varint::put((bytes.len() as u64) << 2 | INSERT, out);
        out.extend_from_slice(bytes);
    }
}

/// What tells a line's series from others: all before the value. It is a whole comment.
fn series(line: &[u8]) -> &[u8] {
    let end = match line.first() {
        Some(b'#') | None => line.len(),
        _ => line.iter().rposition(|byte| *byte == b'}').map_or_else(
            || line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()),
            |brace| brace + 1,
        ),
    };
    line.get(..end).unwrap_or(line)
}

/// Steps in the making.
struct Writer<'a> {
    /// What is left of the old text.
    old: &'a [u8],
    /// Lines that stay, not yet written: those that follow each other are one step.
    kept: u64,
    looks: usize,
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    fn write(mut self, new: &[u8]) {
        let (mut rest, mut unmatched) = (new, new);
        loop {
            let before = rest.len();
            let Some(line) = take_line(&mut rest) else { break };
            let Some((skipped, old)) = self.find(line) else { continue };
            let inserted = unmatched.get(..unmatched.len() - before).unwrap_or_default();
            self.move_to(inserted, skipped);
            self.put_line(old, line);
            unmatched = rest;
        }
        self.move_to(unmatched, 0);
        self.flush_kept();
    }

    /// Takes the next old line of the same series off, with the lines before it: how many those are, and the line.
    fn find(&mut self, line: &[u8]) -> Option<(u64, &'a [u8])> {
        let (mut rest, series_of_line) = (self.old, series(line));
        for skipped in 0..LOOKAHEAD_LINES as u64 {
            let old = take_line(&mut rest)?;
            if old == line || series(old) == series_of_line {
                self.old = rest;
                return Some((skipped, old));
            }
            self.looks = self.looks.checked_sub(1)?;
        }
        None
    }

    fn move_to(&mut self, inserted: &[u8], skipped: u64) {
        if !inserted.is_empty() || skipped > 0 {
            self.flush_kept();
        }
        put_insert(inserted, self.out);
        if skipped > 0 {
            varint::put(skipped << 2 | SKIP, self.out);
        }
    }

    fn put_line(&mut self, old: &[u8], new: &[u8]) {
        if old == new {
            self.kept += 1;
            return;
        }
        self.flush_kept();
        let shared = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        varint::put((shared as u64) << 2 | CHANGE, self.out);
        varint::put_bytes(new.get(shared..).unwrap_or_default(), self.out);
    }

    fn flush_kept(&mut self) {
        if self.kept > 0 {
            varint::put(std::mem::take(&mut self.kept) << 2 | KEEP, self.out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn steps(old: &str, new: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put(old.as_bytes(), new.as_bytes(), &mut out);
        assert_eq!(apply(old.as_bytes(), &out, LIMIT).unwrap(), new.as_bytes());
        out
    }

    #[test]
    fn what_stays_costs_next_to_nothing() {
        let line = |n: u32, value: u32| format!("requests_total{{path=\"/{n}\"}} {value}\n");
        let text = |values: &dyn Fn(u32) -> u32| (0..1000).map(|n| line(n, values(n))).collect::<String>();
        let old = text(&|_| 1000);
        assert_eq!(steps(&old, &old).len(), 2);
        assert_eq!(steps(&old, &text(&|n| 1000 + u32::from(n == 500))).len(), 2 + 4 + 2, "one value");
        assert!(steps(&old, &text(&|_| 1001)).len() < 5 * 1000, "all values");
        let without = old.replace(&line(500, 1000), "");
        assert_eq!(steps(&old, &without).len(), 2 + 1 + 2, "a line goes");
        assert_eq!(steps(&without, &old).len(), 2 + 2 + line(500, 1000).len() + 2, "and comes back");
    }

    #[test]
    fn a_text_without_anything_in_common_is_put_in_as_it_is() {
        let lines = |name: &str| (0..5000).map(|n| format!("{name}{n} 1\n")).collect::<String>();
        assert_eq!(steps(&lines("a"), &lines("b")).len(), lines("b").len() + 3);
        assert_eq!(steps("", ""), b"");
        assert_eq!(steps("a 1\n", ""), b"");
        let newlines = "\n".repeat(3000);
        assert!(steps(&"a\n".repeat(3000), &newlines).len() <= newlines.len() + 3);
    }

    #[test]
    fn steps_that_do_not_fit_are_refused() {
        for (bytes, want) in [
            (&b"\x80"[..], Misfit::Cut),
            (b"\x08", Misfit::Beyond),         // two lines of one
            (b"\x05\x04", Misfit::Beyond),     // one beyond it
            (b"\x82\x01\x00", Misfit::Beyond), // 32 bytes of the line
            (b"\x02\x05x", Misfit::Cut),       // five more bytes
            (b"\x0bx", Misfit::Cut),           // two bytes
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Misfit::Cut),
        ] {
            assert_eq!(apply(b"a 1\n", bytes, LIMIT), Err(want), "{bytes:?}");
        }
        assert_eq!(apply(b"", b"\x0bab", 1), Err(Misfit::TooLarge(1)));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(
            old in "([ab][01]?(\\{x=\"[ab]\"\\})? [12]{0,3}\n|#|\n){0,40}",
            new in "([ab][01]?(\\{x=\"[ab]\"\\})? [12]{0,3}\n|#|\n){0,40}",
        ) {
            let steps = steps(&old, &new);
            prop_assert!(steps.len() <= new.len() + 10);
        }
    }
}
