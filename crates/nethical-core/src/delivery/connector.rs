//! The handle by which a program feeds one destination.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::delivery::backlog::{Flushed, Rejected};
use crate::delivery::dead_letters::DeadLetter;
use crate::delivery::pipeline::Pipeline;
use crate::delivery::settings::Settings;
use crate::delivery::spooled::Spooled;
use crate::delivery::status::{Status, without_former};
use crate::delivery::{Attended, Delivery, Destination, Error, Policy, attended, direct, runtime};
use crate::event::Event;
use crate::fork::PerProcess;

/// How long a [`Connector`] that is dropped waits for what is still to be delivered.
pub const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// How long a `flush` waits unless told otherwise.
pub const FLUSH_PATIENCE: Duration = Duration::from_secs(10);

type Build = Box<dyn Fn() -> Result<Arc<dyn Destination>, Error> + Send + Sync>;

/// Feeds one destination. May be shared by threads, and used on both sides of a fork: a child gets
/// a queue and a worker of its own, and leaves alone what its parent had waiting.
pub struct Connector {
    name: Arc<str>,
    settings: Settings,
    build: Build,
    pipeline: PerProcess<Result<Arc<Pipeline>, Error>>,
}

impl Connector {
    /// Open a destination. `build` is called now, and again in each forked child that uses the connector.
    ///
    /// # Errors
    /// Those of `build`, and a system that gives no thread.
    pub fn open(
        name: impl Into<Arc<str>>,
        settings: Settings,
        build: impl Fn() -> Result<Arc<dyn Destination>, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let connector =
            Self { name: name.into(), settings, build: Box::new(build), pipeline: PerProcess::new() };
        connector.pipeline()?;
        Ok(connector)
    }

    /// Its name, unless told otherwise that of its type.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn pipeline(&self) -> Result<&Arc<Pipeline>, Error> {
        self.pipeline.get(|| self.start()).as_ref().map_err(Clone::clone)
    }

    fn start(&self) -> Result<Arc<Pipeline>, Error> {
        let destination = runtime::as_ours(|| (self.build)())?;
        let pipeline = Pipeline::start(Arc::clone(&self.name), destination, self.settings.clone())?;
        attended::add(Arc::downgrade(&(Arc::<Pipeline>::clone(&pipeline) as Arc<dyn Attended>)));
        Ok(pipeline)
    }

    /// Hand over one event. Returns at once, unless the queue's policy is to wait for room.
    ///
    /// # Errors
    /// [`Rejected::Full`] if it was given up because the queue is full, and [`Rejected::Closed`] after
    /// [`close`](Self::close), both of which are counted, or in a child in which the destination cannot be opened.
    pub fn send(&self, event: Event) -> Result<(), Rejected> {
        self.pipeline().map_err(|_| Rejected::Closed)?.offer(event)
    }

    /// Deliver one event now, past the queue, and wait for what becomes of it: at most for the policy's whole time.
    /// Without a policy the destination's own counts. A failure is a dead letter, and is never tried again behind
    /// the caller's back. The endpoint's pace is kept together with what is queued.
    ///
    /// # Errors
    /// [`Rejected::Closed`] after [`close`](Self::close), or in a child in which the destination cannot be opened.
    pub fn deliver_now(&self, event: Event, policy: Option<Policy>) -> Result<Delivery, Rejected> {
        runtime::wait(self.start_delivery(event, policy)?).map_err(|_| Rejected::Closed)
    }

    /// The same as a future, which must be run on [`runtime::handle`].
    ///
    /// # Errors
    /// As for [`deliver_now`](Self::deliver_now).
    pub fn start_delivery(
        &self,
        event: Event,
        policy: Option<Policy>,
    ) -> Result<impl Future<Output = Delivery> + Send + use<>, Rejected> {
        let pipeline = self.pipeline().map_err(|_| Rejected::Closed)?;
        if pipeline.is_closed() {
            return Err(pipeline.too_late());
        }
        Ok(direct::run(Arc::clone(pipeline), event, policy))
    }

    /// Queue one event as [`send`](Self::send) does, and say so as a delivery.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn queue_delivery(&self, event: Event) -> Result<Delivery, Rejected> {
        let pipeline = self.pipeline().map_err(|_| Rejected::Closed)?;
        let delivery = pipeline.delivery_of(&event);
        pipeline.offer(event).map(|()| delivery)
    }

    /// Deliveries that came to their end lately, oldest first, where a record is kept.
    pub fn recent_deliveries(&self) -> Vec<Delivery> {
        self.pipeline().map(|pipeline| pipeline.recent()).unwrap_or_default()
    }

    /// Hand one event to several destinations; on disk it is stored once for all of them. `true` if all of
    /// them took it; none of them keeps the others from it.
    pub fn send_to_all<'c>(event: &Event, connectors: impl Iterator<Item = &'c Self>) -> bool {
        let mut taken = true;
        let spooled = connectors.filter_map(|connector| match connector.pipeline() {
            Ok(pipeline) => pipeline.spooled().or_else(|| {
                taken &= pipeline.offer(event.clone()).is_ok();
                None
            }),
            Err(_) => {
                taken = false;
                None
            }
        });
        let stored = Spooled::offer_to_all(event, spooled);
        taken & stored
    }

    /// Whether it has been told to take no more.
    pub fn is_closed(&self) -> bool {
        self.pipeline.existing().is_some_and(|pipeline| pipeline.as_ref().is_ok_and(|one| one.is_closed()))
    }

    /// Whether [`send`](Self::send) would wait for room now.
    pub fn would_block(&self) -> bool {
        self.pipeline().is_ok_and(|pipeline| pipeline.would_block())
    }

    /// Deliver what waits now, at once, without waiting for it.
    pub fn request_flush(&self) {
        if let Some(Ok(pipeline)) = self.pipeline.existing() {
            pipeline.request_flush();
        }
    }

    /// Take no more and deliver what waits, without waiting for it.
    pub fn request_close(&self) {
        if let Ok(pipeline) = self.pipeline() {
            pipeline.request_close();
        }
    }

    /// Deliver what waits now, and wait for it. `true` if everything that was accepted so far came to
    /// its end within `patience`; see [`status`](Self::status) for which end. In a forked child that
    /// has sent nothing there is nothing to do.
    pub fn flush(&self, patience: Duration) -> bool {
        self.flush_or_keep(patience) == Flushed::Settled
    }

    /// The same, telling where the rest is if not everything came to its end. Making it durable may take a second
    /// beyond `patience`.
    pub fn flush_or_keep(&self, patience: Duration) -> Flushed {
        let Some(pipeline) = self.pipeline.existing() else { return Flushed::Settled };
        pipeline.as_ref().map_or(Flushed::AtRisk, |pipeline| pipeline.flush(Instant::now() + patience))
    }

    /// The same without making anybody wait: `then` is told what came of it.
    pub(crate) fn flush_then(&self, patience: Duration, then: impl FnOnce(Flushed) + Send + 'static) {
        if let (Some(Ok(pipeline)), Ok(runtime)) = (self.pipeline.existing(), runtime::handle()) {
            let pipeline = Arc::clone(pipeline);
            runtime.spawn_blocking(move || then(pipeline.flush(Instant::now() + patience)));
        }
    }

    /// Take no more, deliver what waits, and let go of the destination. `true` if everything was
    /// settled within `patience`. What was not is dropped and counted as such where it waits in memory, and
    /// stays for a later process where it waits on disk. A second call is harmless.
    pub fn close(&self, patience: Duration) -> bool {
        self.pipeline().is_ok_and(|pipeline| pipeline.close(Instant::now() + patience))
    }

    /// What the destination is doing.
    ///
    /// # Errors
    /// In a forked child in which the destination cannot be opened.
    pub fn status(&self) -> Result<Status, Error> {
        Ok(self.pipeline()?.status())
    }

    /// Its dead letters, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.pipeline().map(|pipeline| pipeline.dead_letters()).unwrap_or_default()
    }

    /// Have files that somebody else has moved away let go of, such as after a rotation by `logrotate`, without
    /// waiting for it. What is written next goes to the new file in any case.
    pub fn reopen(&self) {
        if let (Some(Ok(pipeline)), Ok(runtime)) = (self.pipeline.existing(), runtime::handle()) {
            let destination = Arc::clone(pipeline.destination());
            runtime.spawn(async move { destination.reopen().await });
        }
    }

    /// See whether a delivery would work, without delivering anything.
    ///
    /// # Errors
    /// What a delivery would meet.
    pub fn probe(&self) -> Result<String, Error> {
        let destination = Arc::clone(self.pipeline()?.destination());
        runtime::wait(async move { destination.probe().await })?
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        if let Some(Ok(pipeline)) = self.pipeline.existing() {
            pipeline.close(Instant::now() + DROP_PATIENCE);
        }
    }
}

/// What every destination of this process is doing.
pub fn statuses() -> Vec<Status> {
    without_former(attended::all().iter().map(|one| one.status()).collect())
}

/// Deliver what waits now in every destination of this process that is open, all within `patience` together. Returns
/// those that had something left.
pub fn flush_all(patience: Duration) -> Vec<Status> {
    let deadline = Instant::now() + patience;
    let open: Vec<_> = attended::all().into_iter().filter(|one| !one.is_closed()).collect();
    open.iter().for_each(|pipeline| pipeline.request_flush());
    let left = open.iter().filter(|pipeline| pipeline.flush(deadline) != Flushed::Settled);
    left.map(|pipeline| pipeline.status()).collect()
}

/// Close every destination of this process that is still open, all within `patience` together.
/// Returns those that had something left.
pub fn close_all(patience: Duration) -> Vec<Status> {
    let deadline = Instant::now() + patience;
    let open = attended::take_all();
    // There is no use in waiting for one that was closed before, unlike for one that is still open.
    let mut left = without_former(open.iter().map(|pipeline| pipeline.status()).collect());
    left.retain(|status| status.closed && status.ledger.waiting > 0);
    let open: Vec<_> = open.into_iter().filter(|pipeline| !pipeline.is_closed()).collect();
    for pipeline in &open {
        pipeline.request_close();
    }
    for pipeline in open {
        let before = pipeline.status();
        if !pipeline.close(deadline) {
            let now = pipeline.status();
            // On disk it still waits; in memory it has been given up by now.
            let ledger = if now.key.is_some() { now.ledger } else { before.ledger };
            left.push(Status { ledger, ..now });
        }
    }
    left
}
