//! A service that takes one message in each request, and whose answer sets the pace of the next.

use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{Answer, Batch, Destination, Error, Profile, Receipt, Refusal, Unfinished};
use nethical_core::event::Event;
use url::Url;

use super::{Context, Exchange, Poster};
use crate::support::http::Response;

/// What such a service does in its own way.
#[async_trait]
pub(crate) trait Service: Send + Sync + 'static {
    /// The body for an event.
    ///
    /// # Errors
    /// Why there is none.
    fn body(&self, event: &Event) -> Result<Vec<u8>, Error>;

    /// Why nothing may be sent just now.
    ///
    /// # Errors
    /// How long not.
    fn may_send(&self) -> Result<(), Error> {
        Ok(())
    }

    /// What an answer means: the message was taken, and how long the next has to wait.
    ///
    /// # Errors
    /// It was not.
    fn receipt(&self, response: &Response, context: Context<'_>) -> Result<Option<Duration>, Error>;

    /// See whether a delivery would work.
    ///
    /// # Errors
    /// What a delivery would meet.
    async fn probe(&self, poster: &Poster) -> Result<String, Error>;
}

/// A destination for such a service.
pub(crate) struct Single<S> {
    service: S,
    poster: Poster,
    /// Where messages are posted.
    url: Url,
    profile: Profile,
}

impl<S: Service> Single<S> {
    /// Post to `url` by this poster.
    pub(crate) fn new(service: S, poster: Poster, url: Url, profile: Profile) -> Self {
        Self { service, poster, url, profile: Profile { one_at_a_time: true, ..profile } }
    }

    async fn post(&self, event: &Event) -> Result<(Answer, Option<Duration>), Error> {
        let body = self.service.body(event)?;
        if let Some(answer) = self.poster.rehearse(&body) {
            return Ok((answer, None));
        }
        self.service.may_send()?;
        // An id that receivers in between may know; the service itself has none.
        let headers =
            [("content-type", "application/json".to_owned()), ("webhook-id", event.id().to_string())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
        let Exchange { response, answer } = self.poster.send("POST", &self.url, headers, body).await?;
        match self.service.receipt(&response, self.poster.context()) {
            Ok(pause) => Ok((answer, pause)),
            Err(error) => Err(error.with_answer(answer)),
        }
    }
}

#[async_trait]
impl<S: Service> Destination for Single<S> {
    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let mut receipt = Receipt::all();
        for (index, event) in batch.iter().enumerate() {
            match self.post(event).await {
                Ok((answer, pause)) => {
                    receipt.answers.push((index, answer));
                    receipt.pause = receipt.pause.max(pause);
                }
                Err(error) if !error.is_endpoint_fault() => receipt.refused.push(Refusal { index, error }),
                Err(error) if index == 0 => return Err(error),
                Err(error) => {
                    let indices = (index..batch.len()).collect();
                    receipt.unfinished = Some(Unfinished { indices, error });
                    break;
                }
            }
        }
        Ok(receipt)
    }

    async fn probe(&self) -> Result<String, Error> {
        self.service.probe(&self.poster).await
    }
}
