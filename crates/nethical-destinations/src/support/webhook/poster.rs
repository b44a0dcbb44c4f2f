//! One exchange with a web receiver, guarded and within its deadlines.

use std::time::{Duration, Instant};

use nethical_core::delivery::{Answer, Error, Policy, Profile, ReceiptKind};

use super::errors::{Context, sort_failure};
use super::hidden::Hidden;
use super::{Seconds, Wait, WebhookUrl};
use crate::support::http::{Client, Deadlines, Request, Response};
use crate::support::ssrf::Guard;

/// Bytes of an answer that are kept for the record.
const EXCERPT: usize = 4 * 1024;

/// What every destination of this kind has as options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    /// The name of the option that is the address.
    pub(crate) address: &'static str,
    pub(crate) url: &'a WebhookUrl,
    pub(crate) timeout: Seconds,
    pub(crate) max_retries: u32,
    pub(crate) retry_delay: Wait,
    pub(crate) backoff_factor: f64,
    pub(crate) total_timeout: Seconds,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) dry_run: bool,
    pub(crate) ssrf_guard: bool,
    pub(crate) ssrf_allow: &'a [ipnet::IpNet],
}

impl Common<'_> {
    /// How a delivery is repeated for which its caller waits.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            max_attempts: self.max_retries,
            delay: self.retry_delay.get(),
            backoff: self.backoff_factor,
            total: self.total_timeout.get(),
        }
    }

    /// What the pipeline has to know. At least once is what webhooks promise: the id stays the same.
    pub(crate) fn profile(&self) -> Profile {
        Profile {
            max_events: 1,
            // Nobody confirms what was not sent.
            receipt: if self.dry_run { ReceiptKind::Sent } else { ReceiptKind::Confirmed },
            repeat_safe: true,
            retry: self.policy().schedule(),
            policy: self.policy(),
            endpoint: Some(self.url.reveal().as_str().into()),
            request_each: true,
            address: Some(self.url.to_string().into()),
            ..Profile::default()
        }
    }

    /// What is wrong with these options: the key and why.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if !(self.backoff_factor.is_finite() && self.backoff_factor >= 1.0) {
            return Some((
                "backoff_factor",
                "the waits between attempts must not get shorter: use 1 or more",
            ));
        }
        if self.user_agent.is_some_and(|name| http::HeaderValue::try_from(name).is_err()) {
            return Some(("user_agent", "no header can have this value"));
        }
        if self.ssrf_guard && Guard::new(self.ssrf_allow).check_url(self.url.reveal()).is_err() {
            return Some((
                self.address,
                "the guard against requests to this network lets nothing to this address",
            ));
        }
        None
    }
}

/// Posts to one address.
pub(crate) struct Poster {
    kind: &'static str,
    url: WebhookUrl,
    shown: String,
    client: Client,
    guard: Option<Guard>,
    dry_run: bool,
}

/// An answer, and what of it goes on record.
pub(crate) struct Exchange {
    pub(crate) response: Response,
    pub(crate) answer: Answer,
}

impl Poster {
    /// For this type of destination and these options.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn new(kind: &'static str, options: &Common<'_>) -> Result<Self, Error> {
        let timeout = options.timeout.get();
        let usual = Deadlines::default();
        let deadlines =
            Deadlines { connect: usual.connect.min(timeout), first_byte: timeout, total: timeout };
        let guard = options.ssrf_guard.then(|| Guard::new(options.ssrf_allow));
        let client = Client::for_webhooks(deadlines, options.user_agent, guard.is_some())?;
        let url = options.url.clone();
        Ok(Self { kind, shown: url.to_string(), url, client, guard, dry_run: options.dry_run })
    }

    /// The same, reading so many bytes of an answer.
    #[must_use]
    pub(crate) fn reading(self, bytes: usize) -> Self {
        Self { client: self.client.reading(bytes), ..self }
    }

    /// The same, with names that lead where a test says.
    #[cfg(test)]
    pub(crate) fn asking(self, names: std::sync::Arc<crate::support::ssrf::tests::Names>) -> Self {
        Self { guard: self.guard.map(|guard| guard.asking(names)), ..self }
    }

    /// For texts of errors.
    pub(crate) fn context(&self) -> Context<'_> {
        Context { kind: self.kind, at: &self.shown }
    }

    /// The address, masked.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The address.
    pub(crate) const fn url(&self) -> &WebhookUrl {
        &self.url
    }

    /// What goes on record of a message that is not to be sent; `None` if it is.
    pub(crate) fn rehearse(&self, body: &[u8]) -> Option<Answer> {
        let excerpt =
            || format!("[dry run] {}", String::from_utf8_lossy(body.get(..EXCERPT).unwrap_or(body)));
        self.dry_run.then(|| Answer { excerpt: excerpt(), ..Answer::default() })
    }

    /// Post to the address.
    ///
    /// # Errors
    /// If there was no answer, sorted.
    pub(crate) async fn post(
        &self,
        headers: Vec<(String, String)>,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Exchange, Error> {
        self.send("POST", self.url().reveal(), headers, body).await
    }

    /// Send one request to the address, or another one on the same host.
    ///
    /// # Errors
    /// If there was no answer, sorted.
    pub(crate) async fn send(
        &self,
        method: &'static str,
        url: &url::Url,
        headers: Vec<(String, String)>,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Exchange, Error> {
        let started = Instant::now();
        let hidden = Hidden::of(url, &headers);
        let request = Request { method, url: url.as_str().to_owned(), headers, body: body.into() };
        let sent = match &self.guard {
            None => self.client.send(request).await,
            Some(guard) => {
                let client = guard.client(&self.client, url, self.context()).await?;
                client.send(request).await
            }
        };
        let mut response = sent.map_err(|failure| {
            let answer = Answer { took: started.elapsed(), ..Answer::default() };
            sort_failure(&failure, self.context()).with_answer(answer)
        })?;
        let shown = hidden.hide(&response);
        let answer = record(shown.as_ref().unwrap_or(&response), started.elapsed());
        // What is no success is only read to be shown.
        if !response.is_success() {
            response = shown.unwrap_or(response);
        }
        Ok(Exchange { response, answer })
    }

    /// See what answers there, without posting.
    ///
    /// # Errors
    /// If nothing does, sorted.
    pub(crate) async fn reach(&self) -> Result<Response, Error> {
        let exchange = self.send("HEAD", self.url().reveal(), Vec::new(), bytes::Bytes::new()).await?;
        Ok(exchange.response)
    }
}

/// What of an answer goes on record: not what is secret in it.
fn record(response: &Response, took: Duration) -> Answer {
    const SECRET: [&str; 4] = ["set-cookie", "authorization", "www-authenticate", "proxy-authenticate"];
    let headers = response.headers.iter().filter(|(name, _)| !SECRET.contains(&name.as_str()));
    let start = response.body.get(..EXCERPT).unwrap_or(&response.body);
    Answer {
        code: Some(response.status),
        headers: headers.cloned().collect(),
        excerpt: String::from_utf8_lossy(start).into_owned(),
        took,
    }
}
