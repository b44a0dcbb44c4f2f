//! Keeping secrets out of what is delivered.
//!
//! A value is replaced by [`MARK`] when its key says that it is a secret. Keys are compared by whole
//! words (`auth_token` and `authToken` hold the word `token`, `max_tokens` does not), so a field
//! that only looks a bit like a secret is left alone.

/// What stands in the place of a secret.
pub const MARK: &str = "[REDACTED]";

/// Words, or words in a row, that make a key a secret's.
const SECRETS: &[&[&str]] = &[
    &["password"],
    &["passwd"],
    &["pwd"],
    &["passphrase"],
    &["secret"],
    &["secrets"],
    &["token"],
    &["apikey"],
    &["api", "key"],
    &["access", "key"],
    &["private", "key"],
    &["signing", "key"],
    &["encryption", "key"],
    &["authorization"],
    &["bearer"],
    &["cookie"],
    &["credential"],
    &["credentials"],
];

/// Words after which a secret's word is no secret: `token_count`, `eos_token_id`, `secret_name`.
const HARMLESS_AFTER: &[&str] = &[
    "budget", "count", "counts", "id", "ids", "index", "len", "length", "limit", "name", "rate", "size",
    "type", "usage",
];

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
        let words: Vec<String> = Words(key).map(str::to_ascii_lowercase).collect();
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
        let mut rest = Words(key);
        loop {
            if SECRETS.iter().any(|secret| matches(rest, secret, true)) {
                return true;
            }
            if self.extra.iter().any(|secret| matches(rest, secret, false)) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }
}

/// Whether the words at the front of `key` are `secret`, and no word after them makes it harmless.
fn matches<S: AsRef<str>>(mut key: Words<'_>, secret: &[S], unless_harmless: bool) -> bool {
    secret.iter().all(|word| key.next().is_some_and(|found| found.eq_ignore_ascii_case(word.as_ref())))
        && !(unless_harmless
            && key
                .next()
                .is_some_and(|next| HARMLESS_AFTER.iter().any(|word| next.eq_ignore_ascii_case(word))))
}

/// The words of a key: split at everything but letters and digits, and where `camelCase` rises.
#[derive(Clone, Copy)]
struct Words<'k>(&'k str);

impl<'k> Iterator for Words<'k> {
    type Item = &'k str;

    fn next(&mut self) -> Option<&'k str> {
        let text = self.0.trim_start_matches(|c: char| !c.is_alphanumeric());
        if text.is_empty() {
            self.0 = text;
            return None;
        }
        let (word, rest) = text.split_at_checked(word_length(text)).unwrap_or((text, ""));
        self.0 = rest;
        Some(word)
    }
}

/// Where the word at the start of `text` ends: `APIKey` is `API` and `Key`, `authToken` is `auth` and `Token`.
fn word_length(text: &str) -> usize {
    let mut before = ' ';
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let rises = letter.is_uppercase()
            && (before.is_lowercase()
                || before.is_uppercase() && letters.peek().is_some_and(|next| next.1.is_lowercase()));
        if !letter.is_alphanumeric() || rises && at > 0 {
            return at;
        }
        before = letter;
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
