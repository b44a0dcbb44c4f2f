//! One destination and everything between it and the caller.
//!
//! ```text
//! offer(event) -> queue -> batch -> deliver { gate, breaker; destination.deliver } -> settle
//! ```
//!
//! One worker per destination delivers one batch at a time, in order. While the endpoint is at fault
//! the batch is held, for as long as it takes, and no event is given up for it. A refused batch is
//! halved until the refused event stands alone, which then ends as a dead letter.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::delivery::backlog::{Backlog, BatchLimits, Flushed, Rejected};
use crate::delivery::dead_letters::{DeadLetter, DeadLetters};
use crate::delivery::notice::{Change, Health, Notice};
use crate::delivery::pace::{Pace, Wait};
use crate::delivery::queue::Queue;
use crate::delivery::records::Records;
use crate::delivery::schedule::{MAX_RETRY_AFTER, luck};
use crate::delivery::settings::Settings;
use crate::delivery::spooled::Spooled;
use crate::delivery::status::Status;
use crate::delivery::store::Reports;
use crate::delivery::{
    Answer, Batch, Delivery, DeliveryStatus, Destination, DropReason, Error, Kind, Outcome, Policy, Profile,
    Receipt, ReceiptKind, runtime,
};
use crate::event::{Event, Timestamp};

/// One destination with its queue, worker and accounts.
pub(crate) struct Pipeline {
    name: Arc<str>,
    destination: Arc<dyn Destination>,
    profile: Profile,
    limits: BatchLimits,
    settings: Settings,
    backlog: Arc<dyn Backlog>,
    /// The same, if it is on disk.
    spooled: Option<Arc<Spooled>>,
    /// Where on the disk.
    directory: Option<PathBuf>,
    pace: Arc<Pace>,
    health: Mutex<Health>,
    /// Why the endpoint is not asked any more.
    gone: OnceLock<Error>,
    dead_letters: Arc<DeadLetters>,
    /// What became of each delivery, where that is kept.
    records: Option<Arc<Records>>,
    stop: Stop,
}

/// Tells the worker to give up waiting.
#[derive(Default)]
struct Stop {
    stopped: AtomicBool,
    notify: Notify,
}

impl Stop {
    fn now(&self) {
        self.stopped.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    fn is_on(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// Some events on their way, and how they fared so far.
struct Part {
    batch: Batch,
    attempts: u32,
    in_doubt: u32,
}

impl From<Batch> for Part {
    fn from(batch: Batch) -> Self {
        Self { batch, attempts: 0, in_doubt: 0 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipeline {
    /// Build it and start its worker.
    pub(crate) fn start(
        name: Arc<str>,
        destination: Arc<dyn Destination>,
        settings: Settings,
    ) -> Result<Arc<Self>, Error> {
        let (store, spooled) = settings.spool.backlog(&name, destination.profile().local)?.unzip();
        let directory = store.as_ref().map(|store| store.directory().to_owned());
        let pipeline = Arc::new(Self { directory, ..Self::new(name, destination, settings, spooled) });
        if let Some(store) = store {
            store.watch(&(Arc::<Self>::clone(&pipeline) as Arc<dyn Reports>));
        }
        runtime::handle()?.spawn(Arc::clone(&pipeline).run());
        Ok(pipeline)
    }

    fn new(
        name: Arc<str>,
        destination: Arc<dyn Destination>,
        settings: Settings,
        spooled: Option<Arc<Spooled>>,
    ) -> Self {
        let backlog: Arc<dyn Backlog> = match &spooled {
            Some(spooled) => Arc::<Spooled>::clone(spooled),
            None => Arc::new(Queue::new(settings.queue)),
        };
        let profile = destination.profile();
        // Where each event is a request of its own, each takes its turn at the gate.
        let alone = profile.one_at_a_time || profile.request_each && settings.rate_limit_per_sec.is_some();
        // A full queue is never left waiting for a batch that it cannot hold.
        let close_at = settings.batch_size.min(profile.max_events).min(settings.queue.max_events);
        let limits = BatchLimits {
            // Where each event is a request of its own there is nothing to gain from waiting for more of them.
            close_at: if profile.request_each { 1 } else { close_at.max(1) },
            max_events: if alone { 1 } else { profile.max_events.max(1) },
            max_bytes: profile.max_bytes.min(settings.queue.max_bytes),
            event_overhead: profile.event_overhead,
            max_age: settings.batch_age,
        };
        let pace = Pace::of(profile.endpoint.as_deref(), &settings);
        let records = profile.address.is_some().then(|| Arc::new(Records::new(settings.spool.home())));
        Self {
            name,
            destination,
            profile,
            limits,
            backlog,
            spooled,
            directory: None,
            pace,
            health: Mutex::default(),
            gone: OnceLock::new(),
            records,
            dead_letters: Arc::new(DeadLetters::new(settings.dead_letter_bytes, settings.spool.home())),
            settings,
            stop: Stop::default(),
        }
    }

    /// Take an event. Never waits for the endpoint; waits for room only where the policy says so.
    pub(crate) fn offer(&self, event: Event) -> Result<(), Rejected> {
        let taken = self.backlog.offer(event);
        if taken == Err(Rejected::Full) {
            self.note_drops(DropReason::QueueFull);
        }
        taken
    }

    /// An event came after the close, and is counted as such.
    pub(crate) fn too_late(&self) -> Rejected {
        self.backlog.too_late()
    }

    /// Its backlog, if that is on disk.
    pub(crate) const fn spooled(&self) -> Option<&Arc<Spooled>> {
        self.spooled.as_ref()
    }

    /// Whether an offer would wait for room now.
    pub(crate) fn would_block(&self) -> bool {
        self.backlog.would_block()
    }

    /// Deliver what waits now, at once. What is not settled by the deadline is at least made durable.
    pub(crate) fn flush(&self, deadline: std::time::Instant) -> Flushed {
        let mark = self.backlog.request_flush();
        if self.backlog.wait_settled(&mark, deadline) {
            return Flushed::Settled;
        }
        if self.keep() { Flushed::Kept } else { Flushed::AtRisk }
    }

    /// Make what waits durable, and say so where the disk that was to take it does not.
    fn keep(&self) -> bool {
        let kept = self.backlog.make_durable();
        if self.spooled.is_some() {
            let waiting = self.backlog.ledger().waiting;
            let change = lock(&self.health).kept(kept, waiting, Instant::now());
            self.notify(change);
        }
        kept
    }

    /// Take no more, flush until the deadline, then end the worker. `true` if everything was settled.
    pub(crate) fn close(&self, deadline: std::time::Instant) -> bool {
        /// What an attempt that was under way at the deadline still gets.
        const GRACE: Duration = Duration::from_secs(1);
        if self.is_closed() {
            // What it left on disk is nothing to wait for.
            return self.backlog.ledger().waiting == 0;
        }
        self.backlog.close();
        let all_settled = self.flush(deadline) == Flushed::Settled;
        self.stop.now();
        self.backlog.end();
        let finished = self.backlog.wait_finished(deadline + GRACE);
        if self.spooled.is_some() {
            self.keep();
            self.watch_drops();
        }
        self.records.iter().for_each(|records| records.write());
        finished && all_settled
    }

    /// Whether it was closed and has come to its end.
    pub(crate) fn is_closed(&self) -> bool {
        self.backlog.wait_finished(std::time::Instant::now())
    }

    /// Deliver what waits now, at once, without waiting for it.
    pub(crate) fn request_flush(&self) {
        self.backlog.request_flush();
    }

    /// Take no more and deliver what waits, without waiting for it.
    pub(crate) fn request_close(&self) {
        self.backlog.close();
    }

    /// What it is doing.
    pub(crate) fn status(&self) -> Status {
        let health = lock(&self.health);
        Status {
            name: Arc::clone(&self.name),
            key: self.spooled.as_ref().map(|spooled| spooled.key().to_owned()),
            directory: self.directory.clone(),
            closed: self.is_closed(),
            ledger: self.backlog.ledger(),
            inherited: self.backlog.inherited(),
            waiting_bytes: self.backlog.waiting_bytes(),
            oldest: self.backlog.oldest(),
            down_for: health.down_since().map(|since| since.elapsed()),
            breaker_open: self.gone.get().is_some() || self.pace.lock().breaker.is_open(),
            at_risk: health.is_at_risk(),
            offline: false,
            last_error: health.last_error().cloned(),
        }
    }

    /// The dead letters that are kept.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead_letters.list()
    }

    /// See whether a delivery would work.
    pub(crate) fn destination(&self) -> &Arc<dyn Destination> {
        &self.destination
    }

    /// The worker.
    async fn run(self: Arc<Self>) {
        while let Some(batch) = self.backlog.next(&self.limits).await {
            self.deliver_batch(batch).await;
        }
        self.destination.close().await;
        self.backlog.finish();
    }

    /// Bring one batch to its end: every event of it is settled when this returns.
    async fn deliver_batch(&self, batch: Batch) {
        let mut parts = vec![Part::from(batch)];
        while let Some(mut part) = parts.pop() {
            // Whoever holds the lane may hold it for long; the end does not wait for them.
            let lane = tokio::select! {
                lane = self.lane() => lane,
                () = self.stop.notify.notified() => None,
            };
            if !self.wait_for_turn().await {
                self.backlog.put_back(&part.batch);
                continue;
            }
            part.attempts += 1;
            let answer = self.attempt(&part.batch).await;
            if let Ok(receipt) = &answer {
                self.pause(receipt.pause);
            }
            if let Err(error) = &answer {
                self.note_attempt(&part, error);
            }
            match answer {
                Ok(receipt) => parts.extend(self.take_receipt(&part, receipt).await),
                Err(error) if error.is_in_doubt() => parts.extend(self.doubt(part, &error).await),
                Err(error) if error.is_endpoint_fault() => {
                    self.fault(&error);
                    parts.push(part);
                }
                Err(error) => parts.extend(self.refuse(&part, &error).await),
            }
            drop(lane);
        }
    }

    /// One delivery. A destination that panics is at fault like one that answers nonsense.
    pub(super) async fn attempt(&self, batch: &Batch) -> Result<Receipt, Error> {
        let entries = self.profile.log_entries.then(|| batch.as_entries()).flatten();
        let delivery = self.destination.deliver(entries.as_ref().unwrap_or(batch));
        let delivery = AssertUnwindSafe(delivery).catch_unwind();
        delivery.await.unwrap_or_else(|_| {
            let message = "the destination panicked, see standard error";
            Err(Error::unavailable("delivery.panicked", message).in_doubt())
        })
    }

    /// Wait until an attempt may be made. `false`: the destination is being closed.
    async fn wait_for_turn(&self) -> bool {
        while !self.stop.is_on() {
            // What is gone is not asked again; its events wait for another configuration.
            let wait = match (self.gone.get(), self.turn()) {
                (Some(_), _) => Duration::MAX,
                (None, Err(wait)) => wait.get(),
                (None, Ok(())) => return true,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.notify.notified() => {}
            }
        }
        false
    }

    /// The endpoint answered. Returns what is still to be delivered.
    async fn take_receipt(&self, part: &Part, receipt: Receipt) -> Option<Part> {
        // Before anything is settled: who sees that it is done must not still see that it fails.
        match &receipt.unfinished {
            None => self.recovered(),
            Some(unfinished) => self.fault(&unfinished.error),
        }
        let left = receipt.unfinished.as_ref().map_or(&[][..], |unfinished| &unfinished.indices);
        let refused: Vec<_> = receipt.refused.iter().map(|refusal| refusal.index).collect();
        let taken = part.batch.without(left, &refused);
        self.record_taken(part, &taken, &receipt.answers);
        self.backlog.settle(&taken, self.outcome());
        let letters = receipt.refused.into_iter();
        let letters =
            letters.filter_map(|refusal| Some((part.batch.get(refusal.index)?.clone(), refusal.error)));
        self.bury(letters.collect(), part.attempts).await;
        receipt.unfinished.map(|unfinished| Part { batch: part.batch.pick(&unfinished.indices), ..*part })
    }

    /// The endpoint is at fault: wait before the next attempt, and tell people.
    fn fault(&self, error: &Error) {
        let now = Instant::now();
        {
            let mut pace = self.pace.lock();
            pace.breaker.failed(now);
            let wait = self.profile.retry.wait(pace.breaker.failures(), error.retry_after(), luck());
            pace.gate.close_until(now + wait);
        }
        self.seen_down(error, now);
    }

    /// The events were sent, and nobody knows whether they were applied.
    async fn doubt(&self, mut part: Part, error: &Error) -> Vec<Part> {
        self.fault(error);
        if !self.profile.repeat_safe {
            let letters = part.batch.iter().map(|event| (event.clone(), error.clone()));
            self.bury(letters.collect(), part.attempts).await;
            return Vec::new();
        }
        part.in_doubt += 1;
        if part.in_doubt >= self.settings.max_in_doubt && self.destination.probe().await.is_ok() {
            return self.refuse(&part, error).await;
        }
        vec![part]
    }

    /// The endpoint refuses the batch: halve it, or bury the one event that is left.
    async fn refuse(&self, part: &Part, error: &Error) -> Vec<Part> {
        self.recovered();
        match &*part.batch {
            [] => Vec::new(),
            [event] => {
                self.bury(vec![(event.clone(), error.clone())], part.attempts).await;
                Vec::new()
            }
            _ => {
                let (first, rest) = part.batch.halves();
                // The last one is delivered first.
                [rest, first].map(|batch| Part { batch, attempts: part.attempts, in_doubt: 0 }).into()
            }
        }
    }

    /// Keep refused events among the dead letters, on disk before they count as settled.
    async fn bury(&self, letters: Vec<(Event, Error)>, attempts: u32) {
        let events: Vec<_> = letters.iter().map(|(event, _)| event.clone()).collect();
        self.record_failed(&letters, attempts);
        self.keep_letters(letters, attempts).await;
        self.backlog.settle(&events, Outcome::DeadLettered);
    }

    /// Put refused events among the dead letters.
    pub(super) async fn keep_letters(&self, letters: Vec<(Event, Error)>, attempts: u32) {
        let Some((_, error)) = letters.last() else { return };
        let change = lock(&self.health).dead_letter(error, Instant::now());
        let (graves, name) = (Arc::clone(&self.dead_letters), Arc::clone(&self.name));
        let at = Timestamp::now();
        let letters =
            letters.into_iter().map(move |(event, error)| DeadLetter { event, error, attempts, at });
        // Only a panic can keep it from being done, and then the letters are lost with the thread.
        let _ = runtime::blocking(move || letters.for_each(|letter| graves.push(&name, letter))).await;
        self.notify(change);
    }

    pub(super) fn recovered(&self) {
        self.pace.lock().breaker.succeeded();
        let change = lock(&self.health).up();
        self.notify(change);
    }

    fn note_drops(&self, reason: DropReason) {
        let total = self.backlog.ledger().dropped_because(reason);
        let change = lock(&self.health).dropped(reason, total, Instant::now());
        self.notify(change);
    }

    /// Tell of what the spool has dropped since the last look.
    fn watch_drops(&self) {
        let ledger = self.backlog.ledger().since(&self.backlog.inherited());
        let change = lock(&self.health).drops(&ledger, Instant::now());
        self.notify(change);
    }

    /// Tell the observer, on a thread that it may block.
    fn notify(&self, change: Option<Change>) {
        if let (Some(change), Ok(runtime)) = (change, runtime::handle()) {
            let notice = Notice { destination: Arc::clone(&self.name), change };
            let observer = Arc::clone(&self.settings.observer);
            runtime.spawn_blocking(move || observer(&notice));
        }
    }
}

/// What deliveries need for which the caller waits.
impl Pipeline {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn policy(&self) -> Policy {
        self.profile.policy
    }

    pub(super) fn gone(&self) -> Option<&Error> {
        self.gone.get()
    }

    pub(super) fn last_error(&self) -> Option<Error> {
        let health = lock(&self.health);
        health.down_since().and_then(|_| health.last_error().cloned())
    }

    /// Take a turn at the gate and the breaker, or see how long to wait.
    pub(super) fn turn(&self) -> Result<(), Wait> {
        self.pace.turn(Instant::now())
    }

    /// Keep others from an endpoint that takes one attempt at a time.
    pub(super) async fn lane(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if self.profile.one_at_a_time { Some(self.pace.lane.lock().await) } else { None }
    }

    /// The endpoint wants to be left alone for this long.
    pub(super) fn pause(&self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            self.pace.lock().gate.close_until(Instant::now() + pause.min(MAX_RETRY_AFTER));
        }
    }

    /// The endpoint is at fault, and whoever tries again has a schedule of its own.
    pub(super) fn fault_now(&self, error: &Error) {
        let now = Instant::now();
        self.pace.lock().breaker.failed(now);
        self.pause(error.retry_after());
        self.seen_down(error, now);
    }

    fn seen_down(&self, error: &Error, now: Instant) {
        if error.kind() == Kind::Gone {
            let _ = self.gone.set(error.clone());
        }
        let change = lock(&self.health).down(error, now);
        self.notify(change);
    }

    /// How an event ends that the endpoint took.
    pub(super) const fn outcome(&self) -> Outcome {
        match self.profile.receipt {
            ReceiptKind::Confirmed => Outcome::Confirmed,
            ReceiptKind::Sent => Outcome::Sent,
        }
    }

    /// Count an event that never waited and came to its end.
    pub(super) fn count(&self, outcome: Outcome) {
        self.backlog.count(outcome);
    }
}

/// The record of deliveries.
impl Pipeline {
    /// The delivery of an event, before anything is known of it.
    pub(crate) fn delivery_of(&self, event: &Event) -> Delivery {
        Delivery::pending(event.id().to_string(), &self.name, self.profile.address.as_deref())
    }

    /// Deliveries that came to their end lately.
    pub(crate) fn recent(&self) -> Vec<Delivery> {
        self.records.as_ref().map_or_else(Vec::new, |records| records.recent())
    }

    pub(super) async fn record_now(&self, delivery: &Delivery, event: &Event) {
        if let Some(records) = self.records.clone() {
            records.push(delivery, event);
            // Somebody waits, and may look at the record next.
            let _ = runtime::blocking(move || records.write()).await;
        }
    }

    fn record_taken(&self, part: &Part, taken: &Batch, answers: &[(usize, Answer)]) {
        if self.records.is_none() {
            return;
        }
        let mut by_id = std::collections::HashMap::with_capacity(answers.len());
        for (index, answer) in answers {
            if let Some(event) = part.batch.get(*index) {
                by_id.insert(event.id(), answer);
            }
        }
        for event in taken.iter() {
            let delivery =
                self.delivery_of(event).after(part.attempts, by_id.get(&event.id()).copied(), None);
            self.record(&delivery.with_status(DeliveryStatus::Success), event);
        }
    }

    fn record_failed(&self, letters: &[(Event, Error)], attempts: u32) {
        for (event, error) in letters {
            let delivery = self.delivery_of(event).after(attempts, error.answer(), Some(error));
            self.record(&delivery.with_status(DeliveryStatus::Failed), event);
        }
    }

    /// The first time that an event is to be tried again.
    fn note_attempt(&self, part: &Part, error: &Error) {
        if let (Some(records), 1, true) = (&self.records, part.attempts, error.is_endpoint_fault()) {
            for event in part.batch.iter() {
                let delivery = self.delivery_of(event).after(1, error.answer(), Some(error));
                records.push(&delivery.with_status(DeliveryStatus::Retrying), event);
            }
        }
    }

    fn record(&self, delivery: &Delivery, event: &Event) {
        let Some(records) = &self.records else { return };
        records.push(delivery, event);
        if let (Some(tell), Ok(runtime)) = (&self.settings.on_delivery, runtime::handle()) {
            let (tell, delivery) = (Arc::clone(tell), delivery.clone());
            runtime.spawn_blocking(move || tell(&delivery));
        }
    }
}

impl Reports for Pipeline {
    fn report(&self) -> Status {
        self.watch_drops();
        self.status()
    }

    fn is_finished(&self) -> bool {
        self.spooled.as_ref().is_some_and(|spooled| spooled.is_finished())
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
