//! Alerts: who gets them, and how often.
//!
//! ```
//! use nethical::alerts::{AlertSettings, Alerts, Outcome};
//! use nethical::{Webhook, WebhookManager};
//! # use nethical::destinations::{connect, memory::MemoryConfig};
//! # use nethical::delivery::{Settings, SpoolSettings};
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # let memory = MemoryConfig::default();
//! # let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
//! # let connector = connect(Arc::new(memory.clone()), "ops", settings)?;
//!
//! let webhooks = Arc::new(WebhookManager::new());
//! webhooks.add_webhook("ops", Webhook::from(connector).of_kind("slack"));
//! let alerts = Alerts::new(webhooks, AlertSettings::in_memory());
//! let raise = || alerts.critical("Disk full", "97 % of /dev/sda1").field("free_gb", 3).key("disk").send();
//! assert!(matches!(raise(), Outcome::Sent { .. }));
//! assert!(matches!(raise(), Outcome::Suppressed { count: 1, .. }));     // one is sent while it lasts
//! assert!(matches!(alerts.resolve("disk"), Outcome::Sent { .. }));
//! assert!(alerts.close(Duration::from_secs(5)));
//! # assert_eq!(memory.memory().events().len(), 2);
//! # Ok::<(), nethical::Error>(())
//! ```

mod dedup;
mod draft;
mod journal;
mod recovery;
mod routing;
mod store;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nethical_core::delivery::{Delivery, SpoolSettings, runtime};
use nethical_core::event::{Alert, AlertStatus, Event, EventId, Timestamp};
use nethical_core::fork::PerProcess;

pub use self::dedup::{AlertState, Repeats};
pub(crate) use self::dedup::{Manner, elapsed, end_of, spoken};
pub use self::draft::Draft;
use self::journal::Journal;
pub use self::journal::remembered;
pub use self::routing::Route;
use self::routing::{Target, Ways};
use self::watch::Watched;
use crate::{Webhook, WebhookManager};

/// How often is looked after what was sent.
const PAUSE: Duration = Duration::from_secs(1);

/// Seconds after which is looked for what processes left that were killed meanwhile.
const RECOVERING: u64 = 60;

/// Seconds after which is looked for what may be forgotten.
const FORGETTING: u64 = 3_600;

/// How alerts are routed and repeated.
#[derive(Debug, Clone, Default)]
pub struct AlertSettings {
    /// Who gets which alerts, in order. Default: what is critical or an error goes to all destinations, warnings to
    /// every Slack, the rest to every Discord, and to all where there is none.
    pub routes: Vec<Route>,
    /// How often alerts of one key are sent.
    pub repeats: Repeats,
    /// Where it is remembered what was sent; in memory only if nothing may be kept on disk.
    pub spool: SpoolSettings,
}

impl AlertSettings {
    /// Nothing is kept on disk.
    pub fn in_memory() -> Self {
        Self { spool: SpoolSettings::off(), ..Self::default() }
    }
}

/// What became of an alert.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was accepted for these destinations, and is delivered as soon as they take it.
    Sent {
        /// Its id.
        id: EventId,
        /// What is known of its delivery to each.
        deliveries: Vec<Delivery>,
    },
    /// No destination took it: none is there, those that were named are not, or all are closed or full. It is as if it had
    /// not been raised, so the next of its key is sent.
    NotTaken {
        /// Its id.
        id: EventId,
        /// Why each destination did not take it.
        deliveries: Vec<Delivery>,
    },
    /// It was held back, because one of its key was sent not long ago; so many were since.
    Suppressed {
        /// The key.
        key: String,
        /// How many were held back since one was sent.
        count: u64,
    },
    /// It was to end what does not last, as far as is known.
    NotActive {
        /// The key.
        key: String,
    },
}

impl Outcome {
    /// Whether it was sent.
    pub const fn is_sent(&self) -> bool {
        matches!(self, Self::Sent { .. })
    }

    /// The names of the destinations to which it was sent.
    pub fn destinations(&self) -> Vec<&str> {
        match self {
            Self::Sent { deliveries, .. } => deliveries.iter().map(|one| one.destination.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

/// Routes alerts to the webhooks of a manager, and holds back what was sent already. A clone is the same.
#[derive(Debug, Clone)]
pub struct Alerts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    webhooks: Arc<WebhookManager>,
    routes: Vec<Route>,
    repeats: Repeats,
    journal: Journal,
    /// Held from what is decided about a key until it is queued: what is decided later is not queued earlier.
    turn: PerProcess<Mutex<()>>,
    watched: PerProcess<Mutex<Vec<Watched>>>,
    ticking: PerProcess<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alerts {
    /// For the webhooks of this manager, those too that are added later. What a killed process was about to send is
    /// sent now.
    pub fn new(webhooks: Arc<WebhookManager>, settings: AlertSettings) -> Self {
        let AlertSettings { routes, repeats, spool } = settings;
        let journal = Journal::new(spool.home());
        let inner = Inner {
            webhooks,
            routes,
            repeats,
            journal,
            turn: PerProcess::new(),
            watched: PerProcess::new(),
            ticking: PerProcess::new(),
        };
        let alerts = Self(Arc::new(inner));
        alerts.recover();
        alerts
    }

    /// Send what killed processes were about to send to destinations that are there now. Happens when this is made;
    /// again after destinations were added.
    pub fn recover(&self) {
        self.0.recover();
    }

    /// Where it is remembered what was sent; `None` if that is in memory only.
    pub fn home(&self) -> Option<PathBuf> {
        self.0.journal.home()
    }

    /// Begin an alert.
    pub fn alert(&self, alert: Alert) -> Draft<'_> {
        Draft::new(self, alert)
    }

    /// Raise an alert, or end what it is about if its status says so. Returns at once: it is delivered in the
    /// background. Its timestamp is the time that counts.
    pub fn send(&self, alert: &Alert) -> Outcome {
        self.send_to(alert, &[])
    }

    /// The same for these destinations only, whatever the routes say; for none: as the routes say.
    pub fn send_to(&self, alert: &Alert, only: &[String]) -> Outcome {
        match (&alert.key, alert.status) {
            (Some(key), AlertStatus::Resolved) => self.0.resolve(key, alert),
            (Some(key), AlertStatus::Firing) => self.0.raise(key, alert, only, Manner::Called),
            (None, _) => {
                let ways = self.0.ways(alert, only);
                self.0.dispatch(None, &alert.encode().event, ways, None)
            }
        }
    }

    /// What this key is about is over. That goes where its alerts went.
    pub fn resolve(&self, key: &str) -> Outcome {
        self.resolve_at(key, Timestamp::now())
    }

    /// The same at another time.
    pub fn resolve_at(&self, key: &str, now: Timestamp) -> Outcome {
        self.0.resolve(key, &end_of(key, now))
    }

    pub(crate) fn raise_as(&self, key: &str, alert: &Alert, manner: Manner) -> Outcome {
        self.0.raise(key, alert, &[], manner)
    }

    /// Whether an alert of this key was sent and is not over.
    pub fn is_active(&self, key: &str, now: Timestamp) -> bool {
        let state = self.0.journal.state(key);
        state.is_some_and(|state| state.is_active(now, self.0.repeats.window, false))
    }

    /// What is known of every key: what lasts, and what is over since less than a week.
    pub fn states(&self) -> Vec<AlertState> {
        self.0.journal.states(Timestamp::now())
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// See what became of what was sent: what does not arrive is sent elsewhere, and what every destination refused holds
    /// back nothing. Happens every second by itself.
    pub fn look_after(&self) {
        self.0.look_after();
    }

    /// Deliver what waits, everywhere at once. `true` if all of it came to its end within `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let arrive = || {
            let settled = self.0.webhooks.flush_all(left(deadline));
            self.look_after();
            settled
        };
        // What does not arrive may have gone elsewhere.
        let settled = arrive() & arrive();
        self.0.journal.settle(deadline);
        settled
    }

    /// Have the disk take what was sent so far, so that no later process needs to look after it. Waits for the disk at most
    /// `patience`, and for no destination.
    pub fn keep(&self, patience: Duration) {
        self.0.journal.settle(Instant::now() + patience);
    }

    /// Deliver what waits and close the webhooks, all within `patience` together. `true` if nothing was left undone.
    pub fn close(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.0.journal.settle(deadline);
        self.flush(left(deadline));
        self.0.webhooks.close_all(left(deadline))
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

impl Inner {
    fn raise(self: &Arc<Self>, key: &str, alert: &Alert, only: &[String], manner: Manner) -> Outcome {
        let mut ways = Ways::default();
        let _turn = lock(self.turn.get(Mutex::default));
        let decided = self.journal.decide(key, |known| {
            let mut next = dedup::raise(known, alert, key, self.repeats, manner);
            if next.alert.is_some() {
                ways = self.ways(alert, only);
                next.state.also_to(&ways.to);
            } else if manner == Manner::Reminded {
                return None;
            }
            Some((next, ways.to.clone()))
        });
        match decided {
            Some(decided) if decided.event.is_some() => {
                // A monitor raises what lasts with each of its values, and would send what is refused as often.
                let sent = (manner == Manner::Called).then_some(decided.state.last_sent);
                self.carry_out(decided, ways, sent)
            }
            decided => {
                let count = decided.map_or(0, |decided| decided.state.suppressed);
                Outcome::Suppressed { key: key.to_owned(), count }
            }
        }
    }

    fn resolve(self: &Arc<Self>, key: &str, over: &Alert) -> Outcome {
        let mut to = Vec::new();
        let _turn = lock(self.turn.get(Mutex::default));
        let decided = self.journal.decide(key, |known| {
            let next = dedup::resolve(known?, over)?;
            let webhooks = self.webhooks.webhooks();
            to = next.state.to.iter().filter(|name| webhooks.contains_key(*name)).cloned().collect();
            if let (true, Some(alert)) = (to.is_empty(), &next.alert) {
                to = self.ways(alert, &[]).to;
            }
            Some((next, to.clone()))
        });
        match decided {
            Some(decided) => self.carry_out(decided, Ways { to, ..Ways::default() }, None),
            None => Outcome::NotActive { key: key.to_owned() },
        }
    }

    fn carry_out(
        self: &Arc<Self>,
        decided: journal::Decided,
        ways: Ways,
        sent: Option<Timestamp>,
    ) -> Outcome {
        let Some(event) = decided.event.clone() else { return Outcome::NotActive { key: decided.state.key } };
        let outcome = self.dispatch(Some(&decided.state.key), &event, ways, sent);
        match outcome {
            Outcome::NotTaken { .. } => self.journal.undo(decided),
            _ => self.journal.queued(decided.note),
        }
        outcome
    }

    /// Where an alert goes: to those that were asked for, or if none of these is there, to those that the routes say.
    fn ways(&self, alert: &Alert, only: &[String]) -> Ways {
        let webhooks = self.webhooks.webhooks();
        let (to, unknown): (Vec<_>, Vec<_>) =
            only.iter().cloned().partition(|name| webhooks.contains_key(name));
        if !to.is_empty() {
            return Ways { to, unknown, ..Ways::default() };
        }
        let target = |(name, webhook): (&'_ String, &'_ Webhook)| {
            (name.clone(), webhook.clone(), watch::is_up(webhook))
        };
        let known: Vec<_> = webhooks.iter().map(target).collect();
        let targets: Vec<_> = known
            .iter()
            .map(|(name, webhook, is_up)| Target {
                name,
                kind: webhook.kind(),
                level: webhook.level(),
                is_up: *is_up,
            })
            .collect();
        Ways { unknown, ..routing::route(alert, &self.routes, &targets) }
    }

    /// Hand an event to the queues of these destinations. If all of them refuse it, its key is as if this had not been
    /// `sent`.
    fn dispatch(
        self: &Arc<Self>,
        key: Option<&str>,
        event: &Event,
        ways: Ways,
        sent: Option<Timestamp>,
    ) -> Outcome {
        let Ways { to, mut fallback, unknown } = ways;
        if to.is_empty() {
            tracing::warn!(
                target: "nethical",
                hint = "add a destination such as `[alerts.slack]`",
                "an alert has nowhere to go: there is no destination for alerts"
            );
        }
        let mut deliveries: Vec<_> = to.iter().map(|name| self.queue(event, name)).collect();
        let is_rejected = |delivery: &Delivery| delivery.error_code.is_some();
        if deliveries.iter().any(is_rejected) {
            deliveries.extend(fallback.drain(..).map(|name| self.queue(event, &name)));
        }
        deliveries.extend(unknown.iter().map(|name| self.queue(event, name)));
        if deliveries.iter().all(is_rejected) {
            return Outcome::NotTaken { id: event.id(), deliveries };
        }
        let taken = deliveries.iter().filter(|delivery| !is_rejected(delivery));
        let open = taken.map(|delivery| delivery.destination.clone()).collect();
        self.watch(Watched { key: key.map(str::to_owned), event: event.clone(), open, fallback, sent });
        self.tick();
        Outcome::Sent { id: event.id(), deliveries }
    }

    fn queue(&self, event: &Event, name: &str) -> Delivery {
        match self.webhooks.webhook(name) {
            Ok(webhook) => Delivery { destination: name.to_owned(), ..webhook.queue_event(event.clone()) },
            Err(unknown) => Delivery::rejected(
                event.id().to_string(),
                name,
                "alerts.unknown",
                format!("{name}: not sent, there is no such destination"),
                &unknown.hint(),
            ),
        }
    }

    /// Have somebody look after what was sent, as long as this process lives.
    fn tick(self: &Arc<Self>) {
        self.ticking.get(|| {
            let inner = Arc::downgrade(self);
            let work = async move {
                for second in 0_u64.. {
                    tokio::time::sleep(PAUSE).await;
                    let Some(inner) = inner.upgrade() else { return };
                    let looked = runtime::blocking(move || {
                        inner.look_after();
                        inner.journal.settle(Instant::now() + PAUSE);
                        if second.is_multiple_of(RECOVERING) {
                            inner.recover();
                        }
                        if second.is_multiple_of(FORGETTING) {
                            inner.journal.states(Timestamp::now());
                        }
                    });
                    let _ = looked.await;
                }
            };
            // Without a thread nothing is delivered either, and every delivery says so.
            if let Ok(runtime) = runtime::handle() {
                runtime.spawn(work);
            }
        });
    }
}

#[cfg(test)]
mod tests;
