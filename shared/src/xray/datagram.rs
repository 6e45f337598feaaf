//! The datagrams that X-Ray SDKs send to a daemon: a line of JSON that says what follows, and one segment document
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon>).

use serde::Deserialize;

/// The first lines that the SDKs write, byte for byte.
const USUAL: [&[u8]; 2] =
    [b"{\"format\":\"json\",\"version\":1}\n", b"{\"format\": \"json\", \"version\": 1}\n"];

/// What the first line must say. Other fields may stand beside.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    format: std::borrow::Cow<'a, str>,
    version: u64,
}

/// Why a datagram is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// The first line is missing, or says something else.
    #[error(r#"expected a first line such as {{"format":"json","version":1}}"#)]
    Header,
    /// Nothing follows the first line.
    #[error("no document after the first line")]
    Empty,
}

impl DatagramError {
    /// The reason in the counter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Empty => "empty",
        }
    }
}

/// The document in a datagram, as it came. It is not looked at.
///
/// # Errors
/// [`DatagramError`]
pub fn document(datagram: &[u8]) -> Result<&[u8], DatagramError> {
    let usual = USUAL.iter().find_map(|header| datagram.strip_prefix(*header));
    let document = usual.map_or_else(|| after_header(datagram), Ok)?;
    if document.trim_ascii().is_empty() { Err(DatagramError::Empty) } else { Ok(document) }
}

fn after_header(datagram: &[u8]) -> Result<&[u8], DatagramError> {
    let end = datagram.iter().position(|byte| *byte == b'\n').ok_or(DatagramError::Header)?;
    let (line, document) = datagram.split_at_checked(end).ok_or(DatagramError::Header)?;
    // Without this, an array of the right values would do.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(DatagramError::Header);
    }
    let header: Header<'_> = serde_json::from_slice(line).map_err(|_| DatagramError::Header)?;
    if header.version != 1 || !header.format.eq_ignore_ascii_case("json") {
        return Err(DatagramError::Header);
    }
    document.strip_prefix(b"\n").ok_or(DatagramError::Header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_good_first_line_is_the_document() {
        for header in [
            r#"{"format":"json","version":1}"#,
            r#"{"format": "json", "version": 1}"#,
            r#" {"version":1,"format":"JSON","more":[1]} "#,
            "{\"format\":\"js\\u006fn\",\"version\":1}\r",
        ] {
            let datagram = format!("{header}\n {{\"a\":1}}\n");
            assert_eq!(document(datagram.as_bytes()), Ok(&b" {\"a\":1}\n"[..]), "{header}");
            for nothing in ["", " \r\n\t"] {
                let datagram = format!("{header}\n{nothing}");
                assert_eq!(document(datagram.as_bytes()), Err(DatagramError::Empty), "{header}");
            }
        }
    }

    #[test]
    fn any_other_first_line_is_refused() {
        for header in [
            "",
            "{}",
            "\u{0}",
            r#"["json",1]"#,
            r#"{"format":"xml","version":1}"#,
            r#"{"format":"json","version":2}"#,
            r#"{"format":"json","version":"1"}"#,
            r#"{"format":"json"}"#,
            r#"{"format":"json","version":1"#,
        ] {
            let datagram = format!("{header}\n{{}}");
            assert_eq!(document(datagram.as_bytes()), Err(DatagramError::Header), "{header}");
        }
        assert_eq!(document(br#"{"format":"json","version":1}"#), Err(DatagramError::Header), "no line end");
        assert_eq!(document(b"\xff\n{}"), Err(DatagramError::Header));
    }
}
