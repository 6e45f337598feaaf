//! Words of others in messages: the beginning of them, however much they say.

/// The most of a message that is kept, answered or logged.
pub const MESSAGE_BYTES: usize = 512;

/// The beginning of `text`: at most so many bytes, and whole characters.
#[must_use]
pub fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// The message, or the beginning of one that is over [`MESSAGE_BYTES`].
#[must_use]
pub fn message(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.shrink_to_fit();
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_between_characters() {
        assert_eq!((beginning("aéb", 3), beginning("aéb", 2), beginning("aéb", 9)), ("aé", "a", "aéb"));
        let (fits, long) = ("é".repeat(MESSAGE_BYTES / 2), "é".repeat(MESSAGE_BYTES));
        assert_eq!(message(fits.clone()), fits);
        assert_eq!(message(format!("a{long}")), format!("a{}…", "é".repeat(MESSAGE_BYTES / 2 - 1)));
    }
}
