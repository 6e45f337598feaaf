//! Texts, of which most need no escape, and documents within texts, which are full of them.

/// Appends `text` in quotes (RFC 8259, section 7).
#[inline]
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_escaped(text.as_bytes(), out);
    }
    out.push(b'"');
}

/// Whether no byte needs an escape.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    !eights.iter().any(|eight| specials(*eight) != 0) && !rest.iter().any(|byte| is_special(*byte))
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The first of eight bytes that is special has its highest bit set here, and no byte before it has any. Those after it
/// are right or wrong: a subtraction that borrows reaches the next byte.
#[inline]
const fn specials(eight: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let eight = u64::from_le_bytes(eight);
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let controls = eight.wrapping_sub(ONES * b' ' as u64) & !eight;
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    (controls | quotes | backslashes) & HIGH
}

/// Appends eight bytes at a time and takes back what is not plain: cheaper than to look for the end of each plain run.
#[inline(never)]
fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        out.extend_from_slice(eight);
        let specials = specials(*eight);
        if specials == 0 {
            at += eight.len();
            continue;
        }
        let plain = specials.trailing_zeros() as usize / 8;
        out.truncate(out.len() - eight.len() + plain);
        write_byte(eight.get(plain).copied().unwrap_or_default(), out);
        at += plain + 1;
    }
    text.get(at..).unwrap_or_default().iter().for_each(|byte| write_byte(*byte, out));
}

fn write_byte(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        8 => b'b',
        0xc => b'f',
        0..b' ' => {
            let digit = b"0123456789abcdef".get(usize::from(byte % 16)).copied().unwrap_or_default();
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + byte / 16, digit]);
        }
        plain => return out.push(plain),
    };
    out.extend_from_slice(&[b'\\', letter]);
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
            let mut out = Vec::new();
            write(&text, &mut out);
            assert_eq!(str::from_utf8(&out), Ok(&*serde_json::to_string(&text).unwrap()));
        }
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is_and_no_other() {
        for (before, byte) in [b'a', b' ', b'!', b'#', 0x7f, 0x80, 0xff]
            .into_iter()
            .flat_map(|before| (0..=u8::MAX).map(move |byte| (before, byte)))
        {
            for at in 0..8 {
                let mut eight = [b'"'; 8];
                eight[..at].fill(before);
                eight[at] = byte;
                let first = if is_special(byte) { at } else { (at + 1).min(8) };
                assert_eq!(specials(eight).trailing_zeros() as usize / 8, first, "{eight:?}");
            }
        }
    }
}
