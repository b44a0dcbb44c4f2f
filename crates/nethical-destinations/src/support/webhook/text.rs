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

/// The text in parts of at most `limit` units each, which together are the whole. Where a part has a line end or a
/// space in its second half, it ends there.
pub(crate) fn split(text: &str, limit: usize) -> impl Iterator<Item = &str> {
    split_as(text, limit, char::len_utf16)
}

/// The same where each character has a length of its own.
pub(crate) fn split_as(
    text: &str,
    limit: usize,
    length: impl Fn(char) -> usize + Copy,
) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (head, _) = rest.split_at_checked(fitting(rest, limit, length))?;
        let end = if head.len() == rest.len() { rest.len() } else { last_break(head) };
        let (part, after) = rest.split_at_checked(end).filter(|(part, _)| !part.is_empty())?;
        rest = after;
        Some(part)
    })
}

/// How many bytes of the text are within the limit, and at least one character.
fn fitting(text: &str, limit: usize, length: impl Fn(char) -> usize) -> usize {
    let mut taken = 0;
    let over = text.char_indices().find(|(at, character)| {
        taken += length(*character);
        taken > limit && *at > 0
    });
    over.map_or(text.len(), |(at, _)| at)
}

fn last_break(head: &str) -> usize {
    let after = |end: char| head.rfind(end).map(|at| at + 1).filter(|at| *at > head.len() / 2);
    after('\n').or_else(|| after(' ')).unwrap_or(head.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_end_between_words_where_they_can() {
        let parts = |text, limit| split(text, limit).collect::<Vec<_>>();
        assert_eq!(parts("", 5), Vec::<&str>::new());
        assert_eq!(parts("short", 5), ["short"]);
        assert_eq!(parts("one two three", 9), ["one two ", "three"]);
        assert_eq!(parts("one two\nthree", 9), ["one two\n", "three"]);
        assert_eq!(parts("a bcdefgh", 5), ["a bcd", "efgh"]);
        assert_eq!(parts("🚀🚀🚀", 4), ["🚀🚀", "🚀"]);
        assert_eq!(parts("🚀", 1), ["🚀"], "what cannot be split is not lost");
    }

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

        #[test]
        fn parts_are_within_the_limit_and_together_the_whole(text in "(.|\n| ){0,400}", limit in 2..300_usize) {
            let parts: Vec<_> = split(&text, limit).collect();
            prop_assert_eq!(&parts.concat(), &text);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && units(part) <= limit));
        }
    }
}
