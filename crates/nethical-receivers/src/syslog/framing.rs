//! Messages in a stream of bytes (RFC 6587): counted, or ended by a line feed; found out per message.

/// The longest message that is taken; a longer count means that the stream is not syslog.
const LONGEST: usize = 1 << 24;

/// Takes bytes as they come, gives whole messages.
#[derive(Debug, Default)]
pub struct Frames {
    waiting: Vec<u8>,
    /// Whether a count was read that cannot be one: nothing after it can be trusted.
    broken: bool,
}

impl Frames {
    /// Take some bytes; returns the messages that are whole now, without their framing.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.waiting.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut rest = self.waiting.as_slice();
        while !self.broken {
            match next(rest) {
                Next::Message(message, after) => {
                    if !message.is_empty() {
                        messages.push(message.to_vec());
                    }
                    rest = after;
                }
                Next::Unfinished => break,
                Next::Broken => self.broken = true,
            }
        }
        self.waiting = rest.to_vec();
        messages
    }

    /// Whether the stream turned out not to be syslog.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// What came in and is no whole message.
    pub fn remainder(&self) -> &[u8] {
        &self.waiting
    }
}

enum Next<'b> {
    Message(&'b [u8], &'b [u8]),
    Unfinished,
    Broken,
}

fn next(bytes: &[u8]) -> Next<'_> {
    match bytes.first() {
        None => Next::Unfinished,
        Some(b'1'..=b'9') => counted(bytes),
        Some(_) => match bytes.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                Next::Message(line, rest.get(1..).unwrap_or_default())
            }
            None => Next::Unfinished,
        },
    }
}

/// `MSG-LEN SP SYSLOG-MSG` (RFC 6587, section 3.4.1).
fn counted(bytes: &[u8]) -> Next<'_> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (count, rest) = bytes.split_at_checked(digits).unwrap_or((bytes, &[]));
    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse::<usize>().ok());
    match (count, rest.split_first()) {
        (Some(count), Some((b' ', rest))) if count <= LONGEST => match rest.split_at_checked(count) {
            Some((message, rest)) => Next::Message(message, rest),
            None => Next::Unfinished,
        },
        (Some(count), None) if count <= LONGEST => Next::Unfinished,
        _ => Next::Broken,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_framings_in_one_stream() {
        let mut frames = Frames::default();
        assert_eq!(frames.push(b"7 <1>a\nb"), Vec::<Vec<u8>>::new());
        assert_eq!(frames.push(b"c<2>line\n6 <3>abc"), [&b"<1>a\nbc"[..], b"<2>line", b"<3>abc"]);
        assert!(frames.remainder().is_empty() && !frames.is_broken());
    }

    #[test]
    fn nonsense_breaks_the_stream() {
        let mut frames = Frames::default();
        assert_eq!(frames.push(b"12x<1>a\n").len(), 0);
        assert!(frames.is_broken());
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(messages in prop::collection::vec("<[0-9]{1,3}>[^\0]{0,40}", 1..20), at in any::<Vec<prop::sample::Index>>()) {
            let stream: Vec<u8> =
                messages.iter().flat_map(|message| format!("{} {message}", message.len()).into_bytes()).collect();
            let mut cuts: Vec<_> = at.iter().map(|at| at.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut frames = Frames::default();
            let got: Vec<_> = cuts.windows(2).flat_map(|cut| frames.push(&stream[cut[0]..cut[1]])).collect();
            prop_assert_eq!(got, messages.into_iter().map(String::into_bytes).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_may_come(bytes in any::<Vec<u8>>()) {
            Frames::default().push(&bytes);
        }
    }
}
