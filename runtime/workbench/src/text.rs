//! Texts of tenants and of files, made fit for a terminal and for a file that is pasted from it.

/// Control characters, and those that end a line or turn the direction of what follows. All of them lie below U+FFFF.
pub(crate) fn is_unprintable(char: char) -> bool {
    let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{feff}'];
    char.is_control()
        || marks.contains(&char)
        || ('\u{2028}'..='\u{202e}').contains(&char)
        || ('\u{2066}'..='\u{2069}').contains(&char)
}

/// The text with what a terminal would obey escaped: an instance's name is its tenant's.
pub fn printable(text: &str) -> String {
    if !text.contains(is_unprintable) {
        return text.to_owned();
    }
    let escaped = |char: char| match is_unprintable(char) {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(printable("café-1 ✓"), "café-1 ✓");
        assert_eq!(
            printable("a\u{1b}[31m\n\u{9b}\u{7f}\u{202e}b"),
            "a\\u{1b}[31m\\n\\u{9b}\\u{7f}\\u{202e}b"
        );
    }
}
