//! Names of metadata as structured data takes them.

use std::collections::HashSet;

/// The longest PARAM-NAME (RFC 5424, section 6.3.3).
const LONGEST_NAME: usize = 32;

/// Between the names that lead to a nested value: both rsyslog and syslog-ng leave it alone, a dot would nest.
pub(super) const JOINT: char = '/';

/// Gives every path a PARAM-NAME of its own: `[A-Za-z0-9_/:@-]`, at most 32 characters. One that must
/// be cut, or is in use, ends in six digits of a hash of the path.
#[derive(Default)]
pub(super) struct Names {
    /// The first of them: looking at all is faster than a hash.
    few: Vec<[u8; LONGEST_NAME]>,
    many: HashSet<[u8; LONGEST_NAME]>,
}

/// How many names are looked at one by one.
const FEW: usize = 24;

impl Names {
    /// Forget all names.
    pub(super) fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }

    /// Write the name for this path.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, path: &str) {
        let fits =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b':' | b'@' | b'-');
        let start = out.len();
        super::text::clean(out, path, LONGEST_NAME + 1, fits);
        if out.len() == start {
            out.push(b'_');
        }
        let name = out.get(start..).unwrap_or_default();
        if name.len() <= LONGEST_NAME && self.claim(name) {
            return;
        }
        let mut name = name.to_vec();
        out.truncate(start);
        name.truncate(LONGEST_NAME - 7);
        let stem = name.len();
        for salt in 0..=u32::MAX {
            name.truncate(stem);
            name.extend_from_slice(format!("_{:06x}", hash(path, salt) & 0xff_ffff).as_bytes());
            if self.claim(&name) {
                break;
            }
        }
        out.extend_from_slice(&name);
    }

    fn claim(&mut self, name: &[u8]) -> bool {
        let mut padded = [0; LONGEST_NAME];
        if let Some(start) = padded.get_mut(..name.len()) {
            start.copy_from_slice(name);
        }
        if self.few.contains(&padded) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(padded);
            return true;
        }
        self.many.insert(padded)
    }
}

/// FNV-1a, so that a name is the same in every process and version.
fn hash(path: &str, salt: u32) -> u32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    path.bytes().chain(salt.to_le_bytes()).fold(0x811c_9dc5, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_collide() {
        let mut names = Names::default();
        let mut name = |path: &str| {
            let mut out = Vec::new();
            names.write(&mut out, path);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(name("memory_mb"), "memory_mb");
        assert_eq!(name("a.b c=é\""), "a_b_c___");
        let (first, second) = (name("a.b"), name("a_b"));
        assert_eq!(first, "a_b");
        assert!(second.starts_with("a_b_") && second.len() == 10, "{second}");
        let long = name(&"x".repeat(33));
        assert!(
            long.starts_with(&"x".repeat(25)) && long.len() == 32 && long.as_bytes()[25] == b'_',
            "{long}"
        );
        assert_ne!(name(&"x".repeat(34)), long);
        assert_eq!(name(""), "_");
        assert_eq!(name(&"y".repeat(32)), "y".repeat(32));
    }
}
