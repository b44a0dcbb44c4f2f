//! Texts within the limits of chat services.

use std::borrow::Cow;

/// How long a text is where every limit is kept: in UTF-16 units, which are never fewer than characters.
pub(crate) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text in at most `limit` units. A longer one is cut, and says so in its end.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    cut_as(text, limit, char::len_utf16)
}

/// The same where each character has a length of its own, such as that of its escaped form.
pub(crate) fn cut_as(text: &str, limit: usize, length: impl Fn(char) -> usize) -> Cow<'_, str> {
    let whole: usize = text.chars().map(&length).sum();
    if whole <= limit {
        return Cow::Borrowed(text);
    }
    let long = format!("… [cut, {} characters]", text.chars().count());
    let mark = if units(&long) * 4 <= limit { long } else { "…".to_owned() };
    let mut room = limit.saturating_sub(units(&mark));
    let fits = |character: &char| {
        let taken = length(*character);
        let fits = taken <= room;
        room = room.saturating_sub(taken);
        fits
    };
    let start: String = text.chars().take_while(fits).collect();
    Cow::Owned(start + &mark)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut(&"x".repeat(200), 120), format!("{}… [cut, 200 characters]", "x".repeat(97)));
        assert_eq!(cut("🚀🚀🚀", 5), "🚀🚀…");
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit(text in ".{0,400}", limit in 1..300_usize) {
            prop_assert!(units(&cut(&text, limit)) <= limit);
        }
    }
}
