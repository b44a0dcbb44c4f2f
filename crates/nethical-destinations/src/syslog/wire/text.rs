//! Cleaning, escaping and cutting of texts.

/// A decimal number.
pub(super) fn number(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `text` with every character that does not fit replaced by `_`, cut to `longest` bytes. `fits` must
/// only take ASCII.
pub(super) fn clean(out: &mut Vec<u8>, text: &str, longest: usize, fits: impl Fn(u8) -> bool) {
    if text.len() <= longest && text.bytes().all(&fits) {
        return out.extend_from_slice(text.as_bytes());
    }
    let clean = |found: char| u8::try_from(found).ok().filter(|&byte| fits(byte)).unwrap_or(b'_');
    out.extend(text.chars().take(longest).map(clean));
}

/// A header field of RFC 5424: `%d33-126`, `-` if there is none.
pub(super) fn field(out: &mut Vec<u8>, text: &str, longest: usize) {
    let start = out.len();
    clean(out, text, longest, |byte| byte.is_ascii_graphic());
    if out.len() == start {
        out.push(b'-');
    }
    out.push(b' ');
}

/// A text for people. NUL, at which receivers written in C would stop, becomes `\0`; with `one_line`
/// a line feed becomes `\n` and a carriage return `\r`.
pub(super) fn message(out: &mut Vec<u8>, text: &str, one_line: bool) {
    let next = |text: &[u8]| match one_line {
        true => memchr::memchr3(0, b'\n', b'\r', text),
        false => memchr::memchr(0, text),
    };
    replace(out, text, next, |byte| match byte {
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        _ => b"\\0",
    });
}

/// A value of structured data (RFC 5424, section 6.3.3). Read back it is what [`message`] writes.
pub(super) fn value(out: &mut Vec<u8>, text: &str, one_line: bool) {
    let is_special = |byte: &u8| match byte {
        b'"' | b'\\' | b']' | 0 => true,
        b'\n' | b'\r' => one_line,
        _ => false,
    };
    replace(
        out,
        text,
        |text| text.iter().position(is_special),
        |byte| match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b']' => b"\\]",
            b'\n' => b"\\\\n",
            b'\r' => b"\\\\r",
            _ => b"\\\\0",
        },
    );
}

/// `text` with each byte that `next` finds written as `escape` says.
fn replace(
    out: &mut Vec<u8>,
    text: &str,
    next: impl Fn(&[u8]) -> Option<usize>,
    escape: impl Fn(u8) -> &'static [u8],
) {
    let mut rest = text.as_bytes();
    while let Some((plain, [byte, tail @ ..])) = next(rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        out.extend_from_slice(escape(*byte));
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// The longest start of `text` that `write` turns into at most `room` bytes, and then how long the
/// whole is: `…[cut, 1500 bytes]`. The whole if it fits. Returns whether it was cut.
pub(super) fn cut(out: &mut Vec<u8>, text: &str, room: usize, write: impl Fn(&mut Vec<u8>, &str)) -> bool {
    let start = out.len();
    // What has more bytes than there is room for need not be written first.
    if text.len() <= room {
        write(out, text);
        if out.len() - start <= room {
            return false;
        }
        out.truncate(start);
    }
    let mark = format!("…[cut, {} bytes\u{5d}", text.len());
    let mut marked = Vec::new();
    write(&mut marked, &mark);
    if marked.len() > room {
        marked.clear();
    }
    let room = room - marked.len();
    let mut one = Vec::new();
    for (at, found) in text.char_indices() {
        one.clear();
        write(&mut one, text.get(at..at + found.len_utf8()).unwrap_or_default());
        if out.len() - start + one.len() > room {
            break;
        }
        out.extend_from_slice(&one);
    }
    out.extend_from_slice(&marked);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn header_fields_are_clean_and_short() {
        assert_eq!(written(|out| field(out, "my app é", 48)), "my_app__ ");
        assert_eq!(written(|out| field(out, "", 48)), "- ");
        assert_eq!(written(|out| field(out, &"x".repeat(60), 48)), format!("{} ", "x".repeat(48)));
    }

    #[test]
    fn line_ends_stay_where_they_do_no_harm() {
        assert_eq!(written(|out| message(out, "a\nb\r\0\tc", false)), "a\nb\r\\0\tc");
        assert_eq!(written(|out| message(out, "a\nb\r\0\tc", true)), "a\\nb\\r\\0\tc");
        assert_eq!(written(|out| value(out, "\"\\]\n", true)), "\\\"\\\\\\]\\\\n");
    }

    #[test]
    fn cuts_stand_between_characters_and_escapes() {
        let plain = |out: &mut Vec<u8>, text: &str| message(out, text, true);
        assert_eq!(written(|out| assert!(!cut(out, "abcdé", 6, plain))), "abcdé");
        let text = "é".repeat(100);
        let short = written(|out| assert!(cut(out, &text, 25, plain)));
        assert_eq!(short, "ééé…[cut, 200 bytes]");
        let escaped =
            written(|out| assert!(cut(out, &"]".repeat(100), 26, |out, text| value(out, text, true))));
        assert_eq!(escaped, "\\]\\]\\]…[cut, 100 bytes\\]");
        assert_eq!(written(|out| assert!(cut(out, &text, 3, plain))), "é");
    }
}
