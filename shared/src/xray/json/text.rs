//! Texts, of which nearly all need no escape.

/// Appends `text` in quotes (RFC 8259, section 7).
#[inline]
pub(super) fn write(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('"');
    if is_plain(text.as_bytes()) {
        out.push_str(text);
    } else {
        write_escaped(text, out);
    }
    out.push('"');
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Whether no byte needs an escape.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
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
fn write_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((plain, special)) =
        rest.bytes().position(is_special).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(plain);
        let mut chars = special.chars();
        chars.next().into_iter().for_each(|special| write_special(special, out));
        rest = chars.as_str();
    }
    out.push_str(rest);
}

fn write_special(char: char, out: &mut String) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        char => {
            let number = char as u32;
            out.push_str(if number < 16 { "\\u000" } else { "\\u001" });
            out.extend(char::from_digit(number % 16, 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_serde_does() {
        let mut texts: Vec<String> = (0..0x180).filter_map(char::from_u32).map(String::from).collect();
        texts.extend((0..=40).map(|length| "é\"\\\n\u{1}x".chars().cycle().take(length).collect()));
        for special in ["\"", "\\", "\u{1f}", "\0"] {
            texts.extend((0..20).map(|at| format!("{}{special}{}", "a".repeat(at), "b".repeat(19 - at))));
        }
        texts.extend(
            ["", "plain", "größe und Länge", "🦀🦀🦀", "\u{7f}\u{80}\u{ff}", "tab\there"].map(String::from),
        );
        for text in texts {
            let mut out = String::new();
            write(&text, &mut out);
            assert_eq!(out, serde_json::to_string(&text).unwrap());
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
