//! Keeping secrets out of what is delivered.
//!
//! A value is replaced by [`MARK`] when its key says that it is a secret. Keys are compared by whole
//! words (`auth_token` and `authToken` hold the word `token`, `max_tokens` does not), so a field
//! that only looks a bit like a secret is left alone.

/// What stands in the place of a secret.
pub const MARK: &str = "[REDACTED]";

/// What one word of a key says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// A secret's word: `password`.
    Secret,
    /// A secret's word if `key` follows: `api`.
    KindOfKey,
    Key,
    /// After a secret's word: not the secret itself. `token_count`, `eos_token_id`, `secret_name`.
    About,
    Other,
}

/// The longest word that [`Word::of`] knows.
const LONGEST: usize = 13;

impl Word {
    fn of(word: &[u8]) -> Self {
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..word.len()) else { return Self::Other };
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        match &*lower {
            b"password" | b"passwd" | b"pwd" | b"passphrase" | b"secret" | b"secrets" | b"token"
            | b"apikey" | b"authorization" | b"bearer" | b"cookie" | b"credential" | b"credentials" => {
                Self::Secret
            }
            b"api" | b"access" | b"private" | b"signing" | b"encryption" => Self::KindOfKey,
            b"key" => Self::Key,
            b"budget" | b"count" | b"counts" | b"id" | b"ids" | b"index" | b"len" | b"length" | b"limit"
            | b"name" | b"rate" | b"size" | b"type" | b"usage" => Self::About,
            _ => Self::Other,
        }
    }
}

/// Which keys hold secrets. The default knows the usual words.
#[derive(Debug, Clone)]
pub struct Redaction {
    enabled: bool,
    extra: Vec<Vec<String>>,
    allowed: Vec<String>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { enabled: true, extra: Vec::new(), allowed: Vec::new() }
    }
}

impl Redaction {
    /// Nothing is redacted.
    pub const fn off() -> Self {
        Self { enabled: false, extra: Vec::new(), allowed: Vec::new() }
    }

    /// Also redact keys that hold `key`'s words in a row: `"internal_ref"` catches `my_internal_ref`.
    #[must_use]
    pub fn also(mut self, key: &str) -> Self {
        let words: Vec<_> =
            Words(key.as_bytes()).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        if !words.is_empty() {
            self.extra.push(words);
        }
        self
    }

    /// Never redact the key that is exactly `key`.
    #[must_use]
    pub fn except(mut self, key: &str) -> Self {
        self.allowed.push(key.to_owned());
        self
    }

    /// Whether the value of `key` must not be shown.
    pub fn hides(&self, key: &str) -> bool {
        self.enabled && self.names_a_secret(key) && !self.allowed.iter().any(|allowed| allowed == key)
    }

    fn names_a_secret(&self, key: &str) -> bool {
        is_usual_secret(key) || self.extra.iter().any(|words| has_in_a_row(key, words))
    }
}

fn is_usual_secret(key: &str) -> bool {
    let mut words = Words(key.as_bytes()).map(Word::of).peekable();
    while let Some(word) = words.next() {
        let secret =
            word == Word::Secret || word == Word::KindOfKey && words.next_if_eq(&Word::Key).is_some();
        if secret && words.peek() != Some(&Word::About) {
            return true;
        }
    }
    false
}

fn has_in_a_row(key: &str, wanted: &[String]) -> bool {
    let words: Vec<_> = Words(key.as_bytes()).collect();
    let same = |(word, wanted): (&&[u8], &String)| word.eq_ignore_ascii_case(wanted.as_bytes());
    words.windows(wanted.len()).any(|row| row.iter().zip(wanted).all(same))
}

/// The words of a key: split at every ASCII character that is no letter or digit, and where
/// `camelCase` rises.
struct Words<'k>(&'k [u8]);

impl<'k> Iterator for Words<'k> {
    type Item = &'k [u8];

    fn next(&mut self) -> Option<&'k [u8]> {
        let start = self.0.iter().position(|&byte| is_part(byte))?;
        let text = self.0.get(start..)?;
        let (word, rest) = text.split_at_checked(word_length(text))?;
        self.0 = rest;
        Some(word)
    }
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Where the word at the start of `text` ends: `APIKey` is `API` and `Key`, `authToken` is `auth` and `Token`.
fn word_length(text: &[u8]) -> usize {
    let mut before = b' ';
    for (at, &byte) in text.iter().enumerate() {
        let rises = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_uppercase() && text.get(at + 1).is_some_and(u8::is_ascii_lowercase));
        if !is_part(byte) || rises {
            return at;
        }
        before = byte;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_only() {
        let rules = Redaction::default();
        for key in [
            "password",
            "db_password",
            "PASSWORD",
            "authToken",
            "auth_token",
            "API-Key",
            "apiKey",
            "APIKey",
            "x-api-key",
            "aws.secret.access.key",
            "Authorization",
            "client_secret",
            "session_token",
            "accessKeyValue",
        ] {
            assert!(rules.hides(key), "{key} must be hidden");
        }
        for key in [
            "max_tokens",
            "tokens",
            "token_count",
            "eos_token_id",
            "tokenizer",
            "passwordless",
            "secretary",
            "key",
            "api",
            "keyapi",
            "access",
            "",
            "___",
            "memory_mb",
            "tokenCount",
            "secret_name",
            "monkey",
        ] {
            assert!(!rules.hides(key), "{key} must be shown");
        }
    }

    #[test]
    fn configurable() {
        let rules = Redaction::default().also("internal-ref").except("token");
        assert!(rules.hides("my_internal_ref"));
        assert!(!rules.hides("internal"));
        assert!(!rules.hides("token"));
        assert!(rules.hides("auth_token"));
        assert!(!Redaction::off().hides("password"));
    }
}
