//! A configuration as it may be shown: with asterisks for what is secret, and everything in its place.

use nethical_core::event::Redaction;
use nethical_destinations::support::options::nearest;

/// Keys of values that are often secret, beside those that are hidden in log entries.
const ALSO: [&str; 2] = ["headers", "secrets"];

/// Keys that a slip of the pen may have been meant for.
const MEANT: [&str; 4] = ["api_key", "password", "secret", "token"];

/// The text with its secrets hidden; every byte stays where it is.
pub(super) fn masked(text: &str) -> String {
    let rules = ALSO.iter().fold(Redaction::default(), |rules, key| rules.also(key));
    text.split_inclusive('\n').map(|line| masked_line(line, &rules)).collect()
}

fn masked_line(line: &str, rules: &Redaction) -> String {
    let keys: Vec<_> =
        line.match_indices(['=', ':']).filter_map(|(at, _)| key_before(line.get(..at)?)).collect();
    let secret = keys.iter().any(|key| rules.hides(key) || nearest(key, MEANT.into_iter()).is_some());
    let address = keys.iter().any(|key| key.contains("url") || key.contains("hook"));
    let (mut out, mut rest) = (String::with_capacity(line.len()), line);
    while let Some((before, quote, after)) = split_quote(rest) {
        let (content, behind) = match after.split_once(quote) {
            Some((content, behind)) => (content, Some(behind)),
            None => (after.trim_end(), None),
        };
        let is_key = behind.is_some_and(|behind| behind.trim_start().starts_with(['=', ':']));
        let shown = match () {
            () if is_key => content.to_owned(),
            () if secret && !content.contains("${") => stars(content),
            () => without_path(content, address),
        };
        out.push_str(before);
        out.push(quote);
        out.push_str(&shown);
        let Some(behind) = behind else {
            out.push_str(after.get(content.len()..).unwrap_or_default());
            return out;
        };
        out.push(quote);
        rest = behind;
    }
    out + rest
}

fn split_quote(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['"', '\''])?;
    let (before, rest) = text.split_at_checked(at)?;
    let mut letters = rest.chars();
    Some((before, letters.next()?, letters.as_str()))
}

/// The key that ends here, if one does.
fn key_before(text: &str) -> Option<&str> {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let begin = text.rfind(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-'));
    text.get(begin.map_or(0, |at| at + 1)..).filter(|key| !key.is_empty())
}

/// An address with its path hidden, which is the secret of many a webhook.
fn without_path(content: &str, address: bool) -> String {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| content.find(scheme).map(|at| at + scheme.len()));
    let Some(host) = scheme.or_else(|| (address && !content.contains("${")).then_some(0)) else {
        return content.to_owned();
    };
    let path = content.get(host..).and_then(|rest| {
        let end = rest.find(['/', '?']);
        let user = rest.get(..end.unwrap_or(rest.len())).is_some_and(|host| host.contains('@'));
        if user { Some(host) } else { end.map(|at| host + at + 1) }
    });
    match path.and_then(|at| content.split_at_checked(at)) {
        Some((shown, path)) => format!("{shown}{}", stars(path)),
        None => content.to_owned(),
    }
}

fn stars(text: &str) -> String {
    "*".repeat(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(text: &str, wanted: &str) {
        assert_eq!(masked(text), wanted);
        assert_eq!(text.len(), wanted.len());
    }

    #[test]
    fn secrets_are_hidden_in_their_place() {
        shows("api_key = \"s3cret\"   # note", "api_key = \"******\"   # note");
        shows("\"api_key\": \"s3cret\",", "\"api_key\": \"******\",");
        shows("api_kex = 's3cret'", "api_kex = '******'");
        shows("password = 'größer", "password = '********");
        shows("headers = { X-Thing = 'abc' }\nport = 5", "headers = { X-Thing = '***' }\nport = 5");
        shows("url = 'https://x.test/T0/B0'", "url = 'https://x.test/*****'");
        shows("url = 'http://u:pw@h/x'", "url = 'http://********'");
        shows("webhok_url = \"x.test/T0/B0\"", "webhok_url = \"x.test/*****\"");
    }

    #[test]
    fn what_is_none_is_seen() {
        for text in [
            "token = \"${TOKEN}\"\n",
            "filepath = 'logs/app.jsonl'",
            "tracking_uri = 'sqlite:///mlflow.db'",
            "[alerts.slack]\nlevel = \"warning\"",
        ] {
            shows(text, text);
        }
    }
}
