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
    let last = |key: &'_ str| key.rsplit('.').next().is_some_and(|name| nearest(name, MEANT).is_some());
    let secret = keys.iter().any(|key| rules.hides(key) || last(key));
    let address = keys.iter().any(|key| key.contains("url") || key.contains("hook"));
    if !line.contains(['"', '\'']) && (secret || address || line.contains("://")) {
        return masked_bare(line, secret, address);
    }
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
            () if (secret || address) && content.contains("${") => without_default(content),
            () => without_path(content, address),
        };
        out.push_str(&between(before, secret));
        out.push(quote);
        out.push_str(&shown);
        let Some(behind) = behind else {
            out.push_str(after.get(content.len()..).unwrap_or_default());
            return out;
        };
        out.push(quote);
        rest = behind;
    }
    out + &between(rest, secret)
}

/// What stands between quotes, with stars for values that have none.
fn between(text: &str, secret: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(['=', ':']) {
        let (blank, value) = part.split_at(part.len() - part.trim_start().len());
        let end = value.find(|letter: char| letter.is_whitespace() || ",{}[]#=:".contains(letter));
        let (value, rest) = value.split_at(end.unwrap_or(value.len()));
        // The first one stands behind no key.
        let hidden = secret && !out.is_empty() && !["true", "false", "null"].contains(&value);
        out.push_str(blank);
        out.push_str(&if hidden { stars(value) } else { value.to_owned() });
        out.push_str(rest);
    }
    out
}

/// A value whose quotes are missing.
fn masked_bare(line: &str, secret: bool, address: bool) -> String {
    let Some((_, value)) = line.split_once(['=', ':']) else { return line.to_owned() };
    let is_value = |letter: char| !letter.is_whitespace() && !matches!(letter, '[' | '{');
    let begin = line.len() - value.len() + value.find(is_value).unwrap_or(value.len());
    let content = line.get(begin..).unwrap_or_default().trim_end();
    // An address without a path is none, and may be what its path should be.
    let all = secret || address && !content.contains('/');
    let shown = if all { stars(content) } else { without_path(content, address) };
    let (before, after) = (line.get(..begin), line.get(begin + content.len()..));
    format!("{}{shown}{}", before.unwrap_or_default(), after.unwrap_or_default())
}

/// A reference to the environment, without what is taken where there is no such variable.
fn without_default(content: &str) -> String {
    let Some((name, default)) = content.split_once(":-") else { return content.to_owned() };
    let (default, rest) = default.split_at(default.find('}').unwrap_or(default.len()));
    format!("{name}:-{}{rest}", stars(default))
}

fn split_quote(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['"', '\''])?;
    let (before, rest) = text.split_at_checked(at)?;
    let mut letters = rest.chars();
    Some((before, letters.next()?, letters.as_str()))
}

/// The key that ends here, with its dots, if one does.
fn key_before(text: &str) -> Option<&str> {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let begin = text.rfind(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.'));
    text.get(begin.map_or(0, |at| at + 1)..).filter(|key| !key.is_empty())
}

/// An address with its path hidden, which is the secret of many a webhook.
fn without_path(content: &str, address: bool) -> String {
    // Misspelled ones too; a file is at no host.
    let scheme =
        content.find("://").filter(|_| !content.starts_with("sqlite:") && !content.starts_with("file:"));
    let scheme = scheme.map(|at| at + "://".len());
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
        shows("tracking_uri = 'htps://u:pw@h'", "tracking_uri = 'htps://******'");
        shows("{\"url\":\"a\",\"api_key\":s3cret}}", "{\"url\":\"*\",\"api_key\":******}}");
        shows("api_key = s3cret\n", "api_key = ******\n");
        shows("\tapi_key: s3cret", "\tapi_key: ******");
        shows("webhook_url = https://x.test/T0/B0", "webhook_url = https://x.test/*****");
        shows("headers.K = 12345678", "headers.K = ********");
        shows("webhook_url = 12345678", "webhook_url = ********");
        shows("tracking_uri = htps://u:pw@h", "tracking_uri = htps://******");
        shows("tracking_uri = sqlite:///a.db", "tracking_uri = sqlite:///a.db");
        shows("api_key = \"${KEY:-s3cret}\"", "api_key = \"${KEY:-******}\"");
        shows("webhook_url = \"${V:-s3cret", "webhook_url = \"${V:-******");
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
