//! Texts, of which most need no escape.

/// A quote, as all is written: within a text of other JSON.
pub(super) const QUOTE: &[u8] = b"\\\"";

/// Appends `text` in quotes (RFC 8259, section 7).
#[inline]
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2 * QUOTE.len());
    out.extend_from_slice(QUOTE);
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_escaped(text.as_bytes(), out);
    }
    out.extend_from_slice(QUOTE);
}

/// JSON that was not written here, as all is written: within a text of other JSON.
pub(crate) fn within_text(json: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + json.len() / 8);
    for part in json.as_bytes().split_inclusive(|byte| is_special(*byte)) {
        match part.split_last() {
            Some((special, plain)) if is_special(*special) => {
                out.extend_from_slice(plain);
                out.push(b'\\');
                out.push(match special {
                    b'\n' => b'n',
                    b'\r' => b'r',
                    b'\t' => b't',
                    other => *other, // a quote or a backslash: JSON has no other special bytes
                });
            }
            _ => out.extend_from_slice(part),
        }
    }
    out
}

/// What a backslash and this byte stand for in what [`within_text`] writes.
pub(super) const fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Whether no byte needs an escape.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    !eights.iter().any(|eight| any_special(u64::from_le_bytes(*eight)))
        && !rest.iter().any(|byte| is_special(*byte))
}

/// Whether one of eight bytes is special. After each subtraction the highest bit of a byte says whether the byte was
/// smaller, or, in a byte above a smaller one, may say so wrongly: it is right whether there is any.
#[inline]
const fn any_special(eight: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let control = eight.wrapping_sub(ONES * b' ' as u64) & !eight;
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGH != 0
}

#[inline(never)]
fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    for part in text.split_inclusive(|byte| is_special(*byte)) {
        match part.split_last() {
            Some((special, plain)) if is_special(*special) => {
                out.extend_from_slice(plain);
                write_special(*special, out);
            }
            _ => out.extend_from_slice(part),
        }
    }
}

/// A backslash, and what follows it: both within a text of other JSON.
fn write_special(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(br"\\");
    match byte {
        b'"' => out.extend_from_slice(QUOTE),
        b'\\' => out.extend_from_slice(br"\\"),
        b'\n' => out.push(b'n'),
        b'\t' => out.push(b't'),
        b'\r' => out.push(b'r'),
        8 => out.push(b'b'),
        0xc => out.push(b'f'),
        control => {
            let digit = b"0123456789abcdef".get(usize::from(control % 16)).copied().unwrap_or_default();
            out.extend_from_slice(&[b'u', b'0', b'0', b'0' + control / 16, digit]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_serde_does_it_twice() {
        let mut texts: Vec<String> = (0..0x180).filter_map(char::from_u32).map(String::from).collect();
        texts.extend((0..=40).map(|length| "é\"\\\n\u{1}x".chars().cycle().take(length).collect()));
        for special in ["\"", "\\", "\u{1f}", "\0"] {
            texts.extend((0..20).map(|at| format!("{}{special}{}", "a".repeat(at), "b".repeat(19 - at))));
        }
        texts.extend(
            ["", "plain", "größe und Länge", "🦀🦀🦀", "\u{7f}\u{80}\u{ff}", "tab\there"].map(String::from),
        );
        for text in texts {
            let mut out = Vec::new();
            write(&text, &mut out);
            let once = serde_json::to_string(&text).unwrap();
            let twice = serde_json::to_string(&once).unwrap();
            assert_eq!(str::from_utf8(&out), Ok(&twice[1..twice.len() - 1]));
            assert_eq!(
                (super::super::plain(&out), super::super::plain_length(&out)),
                (once.clone(), once.len())
            );
        }
    }

    #[test]
    fn each_special_byte_is_seen_at_each_place_and_no_other_byte_is() {
        for byte in 0..=u8::MAX {
            for (at, other) in
                (0..8).flat_map(|at| [(at, b'a'), (at, b' '), (at, b'!'), (at, 0x7f), (at, 0xff)])
            {
                let mut eight = [other; 8];
                eight[at] = byte;
                assert_eq!(any_special(u64::from_le_bytes(eight)), is_special(byte), "{eight:?}");
            }
        }
    }
}
