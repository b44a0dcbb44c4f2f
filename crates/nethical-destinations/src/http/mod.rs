//! Any web address that takes JSON by POST.

mod config;
pub(crate) mod errors;
mod lanes;
mod template;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use nethical_core::delivery::{Answer, Batch, Destination, Error, Profile, Receipt, Refusal, Unfinished};
use nethical_core::event::{Event, Family, Timestamp};

pub use self::config::{Body, HttpConfig};
use self::lanes::Lane;
use self::template::Template;
pub(crate) use self::wire::Shape;
use crate::support::webhook::{Common, Exchange, Poster};
use crate::{Descriptor, Validated};

/// Any web address that takes JSON by POST.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "http",
    families: &[Family::Alerts],
    summary: "Post JSON to a web address, signed if you like",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(HttpConfig),
    parse: |options| {
        let config = options.read::<HttpConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config)),
            Some((key, why)) => Err(options.error_at(key, why)),
        }
    },
};

impl Validated for HttpConfig {
    /// Reads what TLS trusts; reaches nothing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if let Some((key, why)) = self.fault() {
            return Err(errors::option(key, &why));
        }
        let template = match &self.body {
            Body::Template(text) => Some(Template::new(text).map_err(|why| errors::option("body", &why))?),
            _ => None,
        };
        let shape = Shape {
            body: self.body.clone(),
            template,
            headers: self.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            native: "http",
            keys: self.keys().map_err(|(key, why)| errors::option(key, why))?,
            sha256_header: self.sha256_header.clone(),
        };
        Ok(Arc::new(Http::new("http", &self.common(), shape)?))
    }
}

/// Requests that are under way at once.
const AT_ONCE: usize = 32;

/// Posts one request for each event.
pub(crate) struct Http {
    poster: Poster,
    shape: Shape,
    profile: Profile,
    /// The last batch met a fault of the endpoint.
    shaky: AtomicBool,
}

#[async_trait]
impl Destination for Http {
    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    /// Several at once, each a request of its own; alerts of one key one after the other. After a fault one goes ahead
    /// and sees whether all is well.
    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let mut receipt = Receipt::all();
        let mut faults = Vec::new();
        let mut start = 0;
        if self.shaky.load(Ordering::Relaxed)
            && batch.len() > 1
            && let Some(first) = batch.first()
        {
            start = 1;
            self.sort(0, self.post(first).await, &mut receipt, &mut faults);
            if let Some((_, error)) = faults.pop() {
                return Err(error);
            }
        }
        let lanes = lanes::of(batch.iter().enumerate().skip(start));
        let posts: Vec<_> = lanes.into_iter().map(|lane| self.post_lane(lane)).collect();
        let mut answers = stream::iter(posts).buffer_unordered(AT_ONCE);
        let mut indices = Vec::new();
        while let Some((lane, held)) = answers.next().await {
            for (index, answer) in lane {
                self.sort(index, answer, &mut receipt, &mut faults);
            }
            indices.extend(held);
        }
        drop(answers);
        self.shaky.store(!faults.is_empty(), Ordering::Relaxed);
        indices.extend(faults.iter().map(|(index, _)| *index));
        indices.sort_unstable();
        // The one that asks for the longest pause speaks for all.
        let worst = faults.into_iter().map(|(_, error)| error).max_by_key(Error::retry_after);
        match worst {
            Some(error) if indices.len() == batch.len() => Err(error),
            Some(error) => Ok(Receipt { unfinished: Some(Unfinished { indices, error }), ..receipt }),
            None => Ok(receipt),
        }
    }

    /// Asks with HEAD, which posts nothing. Whether the receiver takes a message only a message shows.
    async fn probe(&self) -> Result<String, Error> {
        let response = self.poster.reach().await?;
        if let Some(error) = errors::sort_reached(&response, self.poster.context()) {
            return Err(error);
        }
        let (at, status) = (self.poster.shown(), response.status);
        Ok(format!(
            "{at} answers ({status}); whether it takes messages shows only a message: `nethical check --send` posts one"
        ))
    }
}

impl Http {
    /// For a destination of this type.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn new(kind: &'static str, options: &Common<'_>, shape: Shape) -> Result<Self, Error> {
        let poster = Poster::new(kind, options)?;
        let profile = Profile { max_events: 4 * AT_ONCE, ..options.profile() };
        Ok(Self { poster, shape, profile, shaky: AtomicBool::new(false) })
    }

    fn sort(
        &self,
        index: usize,
        answer: Result<Option<Answer>, Error>,
        receipt: &mut Receipt,
        faults: &mut Vec<(usize, Error)>,
    ) {
        match answer {
            Ok(answer) => receipt.answers.extend(answer.map(|answer| (index, answer))),
            Err(error) if error.is_endpoint_fault() => faults.push((index, error)),
            Err(error) => receipt.refused.push(Refusal { index, error }),
        }
    }

    /// One after the other, up to a fault of the endpoint; also the places of those after it, which wait.
    async fn post_lane(&self, lane: Lane<'_>) -> (Vec<(usize, Result<Option<Answer>, Error>)>, Vec<usize>) {
        let mut answers = Vec::with_capacity(lane.len());
        let mut lane = lane.into_iter();
        for (index, event) in lane.by_ref() {
            let answer = self.post(event).await;
            let fault = answer.as_ref().is_err_and(Error::is_endpoint_fault);
            answers.push((index, answer));
            if fault {
                break;
            }
        }
        (answers, lane.map(|(index, _)| index).collect())
    }

    async fn post(&self, event: &Event) -> Result<Option<Answer>, Error> {
        let body = wire::body(&self.shape, event).map_err(|why| errors::no_body(&why))?;
        let now = Timestamp::now().as_second();
        let headers = wire::headers(&self.shape, &event.id().to_string(), now, &body);
        if let Some(answer) = self.poster.rehearse(&body) {
            return Ok(Some(answer));
        }
        let Exchange { response, answer } = self.poster.post(headers, body).await?;
        if response.is_success() {
            return Ok(Some(answer));
        }
        Err(errors::sort(&response, self.poster.context()).with_answer(answer))
    }
}

#[cfg(test)]
mod guarded_tests;
