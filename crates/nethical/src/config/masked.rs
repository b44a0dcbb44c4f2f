//! A configuration as an error may quote it: what may be secret is starred out, byte for byte, so that places stay.

use std::ops::Range;

/// Parts of names whose values are not shown.
const SECRET: [&str; 7] = ["key", "token", "secret", "passw", "authorization", "credential", "header"];

/// The text with stars in place of what stands behind the host of a web address, and of the values of secret names.
pub(super) fn masked(text: &str) -> String {
    let mut shown = text.as_bytes().to_vec();
    // The name is what stands between the value before and this one.
    let mut name = String::new();
    let mut quote: Option<(u8, usize)> = None;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quote) {
            (b'"' | b'\'', None) => quote = Some((byte, at + 1)),
            (_, Some((mark, start))) if byte == mark || byte == b'\n' => {
                let value = start..at;
                if name.contains(['=', ':']) {
                    star(&mut shown, text, value, &name);
                    // All headers of a table are meant.
                    if !name.contains("header") {
                        name.clear();
                    }
                } else {
                    // A name in quotes, as JSON has them.
                    name.push_str(&text.get(value).unwrap_or_default().to_lowercase());
                }
                quote = None;
            }
            (b'\n' | b'}', None) => name.clear(),
            (_, None) => name.push(char::from(byte.to_ascii_lowercase())),
            _ => {}
        }
    }
    String::from_utf8(shown).unwrap_or_default()
}

fn star(shown: &mut [u8], text: &str, value: Range<usize>, name: &str) {
    let Some(written) = text.get(value.clone()) else { return };
    let after_host = || {
        let host = written.find("://")? + 3;
        let rest = written.get(host..)?;
        let from = rest.find('@').map_or_else(|| rest.find(['/', '?']).map(|at| at + 1), |_| Some(0))?;
        Some(value.start + host + from)
    };
    let from = if SECRET.iter().any(|word| name.contains(word)) { Some(value.start) } else { after_host() };
    // What names a variable says no secret.
    if let Some(part) =
        from.filter(|_| !written.starts_with("${")).and_then(|from| shown.get_mut(from..value.end))
    {
        part.fill(b'*');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_starred_out_and_places_stay() {
        for (text, expected) in [
            ("webhok_url = \"https://host/T0/x\" # é", "webhok_url = \"https://host/****\" # é"),
            ("url = 'http://u:pw@host:9/'", "url = 'http://*************'"),
            ("api_key = 'abc'\nname = 'abc'", "api_key = '***'\nname = 'abc'"),
            ("api_key = \"${KEY}\"", "api_key = \"${KEY}\""),
            ("headers = { X-Api = \"a\", B = \"b\" }", "headers = { X-Api = \"*\", B = \"*\" }"),
            (
                "{\"a\": {\"token\": \"é\", \"level\": \"info\"}}",
                "{\"a\": {\"token\": \"**\", \"level\": \"info\"}}",
            ),
            ("host = 'localhost'\nurl = 'http://host:1'", "host = 'localhost'\nurl = 'http://host:1'"),
            ("key = 'unfinished\nlevel = 'x'", "key = '**********\nlevel = 'x'"),
        ] {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}
