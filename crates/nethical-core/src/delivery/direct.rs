//! Deliveries for which the caller waits.
//!
//! They go past the queue and keep the endpoint's pace: the same gate, breaker and lane. They are tried as often as
//! their policy says; what fails then is a dead letter, and is never tried again behind the caller's back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::pace::Wait;
use crate::delivery::pipeline::Pipeline;
use crate::delivery::schedule::luck;
use crate::delivery::{Answer, Batch, Delivery, DeliveryStatus, Error, Kind, Outcome, Policy, Receipt};
use crate::event::Event;

impl Pipeline {
    /// Deliver one event and come back with what became of it, at the latest when the policy's time is over.
    pub(crate) async fn deliver_now(&self, event: Event, policy: Policy) -> Delivery {
        let deadline = Instant::now() + policy.total;
        let batch: Batch = [event.clone()].into_iter().collect();
        // What an open breaker may cost is no more than a usual wait between attempts.
        let patience = policy.delay.max(Duration::from_secs(1));
        let mut attempts = 0;
        let mut last = None;
        loop {
            let error = match self.try_once(&batch, deadline, patience, &mut attempts).await {
                Ok(answer) => return self.succeed_now(&event, attempts, answer.as_ref()).await,
                // What went wrong on the endpoint says more than that there is no time left to ask again.
                Err(error) if error.code() == NO_TURN => last.take().unwrap_or(error),
                Err(error) => {
                    let wait = policy.wait(attempts, error.retry_after(), luck());
                    let is_over = attempts >= policy.max_attempts.max(1) || Instant::now() + wait >= deadline;
                    if !is_over && is_worth_repeating(&error) {
                        last = Some(error);
                        tokio::time::sleep(wait).await;
                        continue;
                    }
                    error
                }
            };
            return self.fail_now(&event, attempts, error).await;
        }
    }

    /// One attempt, when it is its turn.
    async fn try_once(
        &self,
        batch: &Batch,
        deadline: Instant,
        patience: Duration,
        attempts: &mut u32,
    ) -> Result<Option<Answer>, Error> {
        if let Some(error) = self.gone() {
            return Err(error.clone());
        }
        let _lane = match tokio::time::timeout_at(deadline, self.lane()).await {
            Ok(lane) => lane,
            Err(_) => return Err(self.no_turn(Duration::ZERO)),
        };
        while let Err(wait) = self.turn() {
            // Somebody waits: a pause is worth it, an endpoint that keeps failing is not.
            let is_left_alone = matches!(wait, Wait::Breaker(wait) if wait > patience);
            if is_left_alone || Instant::now() + wait.get() >= deadline {
                return Err(self.no_turn(wait.get()));
            }
            tokio::time::sleep(wait.get()).await;
        }
        *attempts += 1;
        let receipt = match tokio::time::timeout_at(deadline, self.attempt(batch)).await {
            Ok(receipt) => receipt,
            Err(_) => {
                let text = format!("{}: no answer within the whole time of the delivery", self.name());
                Err(Error::unavailable("delivery.late", text)
                    .with_hint("see whether the endpoint is well, or raise `total_timeout`")
                    .in_doubt())
            }
        };
        match receipt.and_then(only) {
            Ok((answer, pause)) => {
                self.recovered();
                self.pause(pause);
                Ok(answer)
            }
            Err(error) if error.is_endpoint_fault() => {
                self.fault_now(&error);
                Err(error)
            }
            Err(error) => {
                self.recovered();
                Err(error)
            }
        }
    }

    async fn succeed_now(&self, event: &Event, attempts: u32, answer: Option<&Answer>) -> Delivery {
        self.count(self.outcome());
        let delivery = self.delivery_of(event).after(attempts, answer, None);
        let delivery = Delivery { queued: false, ..delivery.with_status(DeliveryStatus::Success) };
        self.record_now(&delivery, event).await;
        delivery
    }

    async fn fail_now(&self, event: &Event, attempts: u32, error: Error) -> Delivery {
        let delivery = self.delivery_of(event).after(attempts, error.answer(), Some(&error));
        let delivery = Delivery { queued: false, ..delivery.with_status(DeliveryStatus::Failed) };
        self.keep_letters(vec![(event.clone(), error)], attempts).await;
        self.count(Outcome::DeadLettered);
        self.record_now(&delivery, event).await;
        delivery
    }

    fn no_turn(&self, wait: Duration) -> Error {
        let health = self.last_error();
        let because = health.map_or_else(
            || "its rate limit, or the pause that it asked for, lets nothing through".to_owned(),
            |error| format!("it is being left alone since it failed: {error}"),
        );
        let text = format!("{}: no attempt for {:.1} s more: {because}", self.name(), wait.as_secs_f64());
        Error::unavailable(NO_TURN, text).with_hint("send less, queue it, or raise `total_timeout`")
    }
}

/// The code of an attempt for which there was no time.
const NO_TURN: &str = "delivery.no_turn";

/// Whether the endpoint may be well in a moment.
const fn is_worth_repeating(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::RateLimited(_))
}

/// What a receipt says about the only event of its batch.
fn only(receipt: Receipt) -> Result<(Option<Answer>, Option<Duration>), Error> {
    if let Some(refusal) = receipt.refused.into_iter().next() {
        return Err(refusal.error);
    }
    match receipt.unfinished {
        Some(unfinished) => Err(unfinished.error),
        None => Ok((receipt.answers.into_iter().next().map(|(_, answer)| answer), receipt.pause)),
    }
}

/// Also for a pipeline that is shared.
pub(crate) fn run(
    pipeline: Arc<Pipeline>,
    event: Event,
    policy: Option<Policy>,
) -> impl Future<Output = Delivery> + Send {
    let policy = policy.unwrap_or_else(|| pipeline.policy());
    async move { pipeline.deliver_now(event, policy).await }
}
