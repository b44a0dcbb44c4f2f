//! The one HTTP client.
//!
//! [`Request`] and [`Response`] are plain data, so that a destination's wire code needs no network.
//! [`Client::send`] is the one place where they meet it: no redirects, deadlines for each phase, and
//! no more of an answer read than a person would.

mod failure;
mod tls;
mod upload;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};
use reqwest::redirect::Policy;

pub(crate) use self::failure::{Failure, Phase};
pub(crate) use self::tls::TlsSwitches;

/// Bytes of an answer that are read. What comes after them is left on the line.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;

/// A request, whole in memory.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// An answer of whatever status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// At most [`MAX_ANSWER`] bytes of it, or what the client reads.
    pub(crate) body: Bytes,
}

impl Response {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is one of success.
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The pause that `Retry-After` asks for, in seconds or up to a date, at most an hour.
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        const MOST: u64 = 3_600;
        let text = self.header("retry-after")?.trim();
        let seconds = match seconds(text) {
            Some(seconds) => seconds,
            None => Duration::from_secs(
                u64::try_from(parse_date(text)?.as_second() - now.as_second()).unwrap_or(0),
            ),
        };
        Some(seconds.min(Duration::from_secs(MOST)))
    }

    /// The server's clock, if it says what it shows.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        parse_date(self.header("date")?)
    }
}

/// Seconds as some services write them, also with a fraction.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_number).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// A date as HTTP writes it (RFC 9110, `IMF-fixdate`): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp())
}

/// How long each phase of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// To the end of name lookup, TCP and TLS. Default 5 s.
    pub(crate) connect: Duration,
    /// To the head of the answer, counted from the start. Default 30 s.
    pub(crate) first_byte: Duration,
    /// To the end of the answer, counted from the start. Default 60 s.
    pub(crate) total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let [connect, first_byte, total] = [5, 30, 60].map(Duration::from_secs);
        Self { connect, first_byte, total }
    }
}

impl Deadlines {
    /// These, and none of them later than `most`.
    pub(crate) fn within(self, most: Option<Duration>) -> Self {
        let [connect, first_byte, total] = [self.connect, self.first_byte, self.total]
            .map(|usual| most.map_or(usual, |most| most.min(usual)));
        Self { connect, first_byte, total }
    }
}

/// Sends requests. A clone shares the connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    inner: reqwest::Client,
    how: Box<How>,
    max_answer: usize,
}

/// How a client is built.
#[derive(Debug, Clone, Default)]
struct How {
    deadlines: Deadlines,
    /// Instead of ours.
    user_agent: Option<String>,
    /// Whatever the environment says, no proxy.
    no_proxy: bool,
    /// Connections to a host that are kept while nothing is to be sent. Default 2.
    idle: Option<usize>,
    /// The only addresses of a host.
    pinned: Option<(String, Vec<SocketAddr>)>,
    /// TLS as an operator says.
    tls: Option<tls::Tls>,
}

impl Client {
    /// A client with these deadlines. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count. TLS trusts what
    /// the system trusts, and the usual public authorities on a system that names none.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn new(deadlines: Deadlines) -> Result<Self, Error> {
        Self::build(How { deadlines, ..How::default() })
    }

    /// A client that keeps more connections, may have another name, and none that it lets a proxy look up hosts.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn for_webhooks(
        deadlines: Deadlines,
        user_agent: Option<&str>,
        no_proxy: bool,
    ) -> Result<Self, Error> {
        let user_agent = user_agent.map(str::to_owned);
        Self::build(How { deadlines, user_agent, no_proxy, idle: Some(64), ..How::default() })
    }

    /// A client like this one for which a host has these addresses and no others.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn pinned(&self, host: &str, addresses: &[SocketAddr]) -> Result<Self, Error> {
        let pinned = Some((host.to_owned(), addresses.to_vec()));
        let client = Self::build(How { pinned, no_proxy: true, ..(*self.how).clone() })?;
        Ok(client.reading(self.max_answer))
    }

    fn build(how: How) -> Result<Self, Error> {
        let inner = builder(&how).build().or_else(|_| bundled_roots(builder(&how)).build());
        let inner = inner.map_err(|error| {
            let cause = failure::innermost(&error);
            Error::new(Kind::Config, "http.no_client", format!("cannot set up HTTPS: {cause}"))
                .with_hint("see `SSL_CERT_FILE`, `SSL_CERT_DIR` and the proxy settings in the environment")
        })?;
        Ok(Self { inner, how: Box::new(how), max_answer: MAX_ANSWER })
    }

    /// The same, reading up to this many bytes of an answer.
    #[must_use]
    pub(crate) fn reading(mut self, max_answer: usize) -> Self {
        self.max_answer = max_answer;
        self
    }

    /// Send the request, once, and read the answer.
    ///
    /// # Errors
    /// If there was no answer in time, or half a one.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Failure> {
        let total = tokio::time::timeout(self.how.deadlines.total, self.exchange(request));
        total.await.unwrap_or_else(|_| Err(Failure::late(Phase::Body, self.how.deadlines.total)))
    }

    async fn exchange(&self, request: Request) -> Result<Response, Failure> {
        let sent = self.inner.execute(self.prepare(request)?);
        let answer = tokio::time::timeout(self.how.deadlines.first_byte, sent).await;
        let answer = answer
            .map_err(|_| Failure::late(Phase::Head, self.how.deadlines.first_byte))?
            .map_err(|error| Failure::new(error, Phase::Head))?;
        self.read(answer).await
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Response, Failure> {
        let status = answer.status().as_u16();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers =
            answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let mut body = Vec::new();
        while body.len() < self.max_answer
            && let Some(piece) = answer.chunk().await.map_err(|error| Failure::new(error, Phase::Body))?
        {
            body.extend_from_slice(&piece);
        }
        body.truncate(self.max_answer);
        Ok(Response { status, headers, body: body.into() })
    }

    fn prepare(&self, request: Request) -> Result<reqwest::Request, Failure> {
        let method = http::Method::from_bytes(request.method.as_bytes()).unwrap_or(http::Method::POST);
        let mut prepared = self.inner.request(method, request.url);
        for (name, value) in request.headers {
            prepared = prepared.header(name, value);
        }
        prepared.body(request.body).build().map_err(|error| Failure::new(error, Phase::Request))
    }
}

fn builder(how: &How) -> reqwest::ClientBuilder {
    const NAME: &str = concat!("nethical/", env!("CARGO_PKG_VERSION"));
    let mut builder = reqwest::Client::builder();
    if how.no_proxy {
        builder = builder.no_proxy();
    }
    if let Some((host, addresses)) = &how.pinned {
        builder = builder.resolve_to_addrs(host, addresses);
    }
    if let Some(tls) = &how.tls {
        builder = tls.apply(builder);
    }
    builder
        .user_agent(how.user_agent.as_deref().unwrap_or(NAME))
        .redirect(Policy::none())
        .connect_timeout(how.deadlines.connect)
        // Earlier than the servers that are quickest to close an idle connection, which takes 5 s.
        .pool_idle_timeout(Duration::from_secs(4))
        .pool_max_idle_per_host(how.idle.unwrap_or(2))
        .tcp_nodelay(true)
}

/// Trust the public authorities that Mozilla lists, as of this build.
fn bundled_roots(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    builder.tls_certs_only(roots.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
