//! What a receiver repeats of our address and keys is not shown: web servers like to say which path they do not know.

use bytes::Bytes;
use url::Url;

use crate::support::http::Response;

/// Shorter ones are words, and no secrets.
const SHORTEST: usize = 8;

/// Parts of a path from this length on may be tokens.
const TOKEN: usize = 16;

/// Headers of ours that hold nothing secret.
const PLAIN: [&str; 6] =
    ["accept", "content-type", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"];

/// What is not to be shown of a request.
pub(super) struct Hidden<'u> {
    url: &'u Url,
    keys: Vec<String>,
}

impl<'u> Hidden<'u> {
    /// Of a request to this address with these headers.
    pub(super) fn of(url: &'u Url, headers: &[(String, String)]) -> Self {
        let is_plain = |name: &str| PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(name));
        let secret = headers.iter().filter(|(name, _)| !is_plain(name));
        let keys = secret.flat_map(|(_, value)| [value.as_str(), last_word(value)]).map(str::to_owned);
        Self { url, keys: keys.collect() }
    }

    /// Texts that are not to be shown, longest first.
    fn texts(self) -> Vec<String> {
        let (url, mut texts) = (self.url, self.keys);
        texts.push(url.path().trim_start_matches('/').to_owned());
        texts.extend(
            url.path_segments().into_iter().flatten().filter(|part| part.len() >= TOKEN).map(str::to_owned),
        );
        texts.extend(url.query().map(str::to_owned));
        texts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        texts.extend(url.password().map(str::to_owned));
        texts.retain(|text| text.len() >= SHORTEST);
        texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        texts
    }

    /// The answer as people may see it, if that is not the answer itself.
    pub(super) fn hide(self, response: &Response) -> Option<Response> {
        let texts = self.texts();
        let repeats = |text: &str| texts.iter().any(|hidden| text.contains(hidden.as_str()));
        let body = String::from_utf8_lossy(&response.body);
        if !repeats(&body) && !response.headers.iter().any(|(_, value)| repeats(value)) {
            return None;
        }
        let shown = |text: &str| texts.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, "…"));
        let headers = response.headers.iter().map(|(name, value)| (name.clone(), shown(value)));
        Some(Response {
            status: response.status,
            headers: headers.collect(),
            body: Bytes::from(shown(&body)),
        })
    }
}

/// `Bearer KEY` without its scheme.
fn last_word(value: &str) -> &str {
    value.rsplit(' ').next().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_hidden_and_the_rest_stays() {
        let url = "https://u:pass-word-1@example.com/services/T0/a-token-that-is-long?key=a-query-key"
            .parse()
            .unwrap();
        let headers = [("Authorization", "Bearer an-api-key"), ("webhook-id", "msg_00000001")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = "Cannot POST /services/T0/a-token-that-is-long?key=a-query-key (a-token-that-is-long, an-api-key, \
                    pass-word-1) for msg_00000001 at /services";
        let location = ("location".to_owned(), url_text(&url));
        let response =
            Response { status: 404, headers: vec![location], body: Bytes::from_static(body.as_bytes()) };
        let shown = Hidden::of(&url, &headers).hide(&response).unwrap();
        let text = String::from_utf8(shown.body.to_vec()).unwrap();
        assert_eq!(text, "Cannot POST /…?… (…, …, …) for msg_00000001 at /services");
        assert!(!shown.headers[0].1.contains("token"), "{:?}", shown.headers);
    }

    fn url_text(url: &Url) -> String {
        url.as_str().replace("u:pass-word-1@", "")
    }

    #[test]
    fn an_answer_that_repeats_nothing_is_the_same() {
        let url = "https://example.com/".parse().unwrap();
        let body = Bytes::from_static(b"\xff no \0 text");
        let response = Response { status: 200, headers: Vec::new(), body };
        assert!(Hidden::of(&url, &[]).hide(&response).is_none());
    }
}
