//! Looking after what was sent: what does not arrive goes elsewhere, and what nobody took was not sent.

use std::collections::HashMap;
use std::sync::Mutex;

use nethical_core::delivery::{Delivery, DeliveryStatus};
use nethical_core::event::{AlertStatus, Event, Timestamp};

use super::dedup::Next;
use super::{Inner, lock};
use crate::Webhook;

/// Alerts that are looked after at a time; the oldest give way.
const MOST: usize = 1_000;

/// An alert on its way, and who gets it if it does not arrive.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) key: Option<String>,
    pub(super) event: Event,
    /// Where it may still arrive.
    pub(super) open: Vec<String>,
    pub(super) fallback: Vec<String>,
    /// When it was sent, if that is to be forgotten once everybody has refused it.
    pub(super) sent: Option<Timestamp>,
}

impl Watched {
    /// Take note of how it fares at each. Whether it is to go elsewhere.
    fn note(&mut self, mut fate: impl FnMut(&Event, &str) -> Fate) -> bool {
        let mut fails = false;
        for name in std::mem::take(&mut self.open) {
            let fate = fate(&self.event, &name);
            fails |= matches!(fate, Fate::Fails | Fate::Refused);
            match fate {
                Fate::Open | Fate::Fails => self.open.push(name),
                Fate::Arrived => self.sent = None,
                Fate::Refused => {}
            }
        }
        fails && !self.fallback.is_empty()
    }

    /// Whether anything follows from what becomes of it.
    fn matters(&self) -> bool {
        !self.open.is_empty() && (!self.fallback.is_empty() || self.sent.is_some())
    }
}

/// How an alert fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Arrived,
    /// It may arrive later.
    Fails,
    /// It never will.
    Refused,
}

/// Whether deliveries work, as far as is known.
pub(super) fn is_up(webhook: &Webhook) -> bool {
    webhook.connector().status().is_ok_and(|status| !status.closed && status.down_for.is_none())
}

impl Inner {
    pub(super) fn watch(&self, one: Watched) {
        self.watch_on(one, &mut lock(self.watched.get(Mutex::default)));
    }

    fn watch_on(&self, one: Watched, watched: &mut Vec<Watched>) {
        if one.matters() {
            watched.push(one);
            let excess = watched.len().saturating_sub(MOST);
            watched.drain(..excess);
        } else if let (true, Some(key), Some(sent)) = (one.open.is_empty(), &one.key, one.sent) {
            self.journal.refused(key, &one.event, sent);
        }
    }

    /// See how everything fares, and send elsewhere what fails.
    pub(super) fn look_after(&self) {
        let (mut failing, mut recent) = (Vec::new(), HashMap::new());
        let mut watched = lock(self.watched.get(Mutex::default));
        for mut one in std::mem::take(&mut *watched) {
            if one.note(|event, name| self.fate(event, name, &mut recent)) {
                failing.push(one);
            } else {
                self.watch_on(one, &mut watched);
            }
        }
        drop(watched);
        failing.into_iter().for_each(|one| self.fall_back(one));
    }

    fn fall_back(&self, mut one: Watched) {
        let fallback = std::mem::take(&mut one.fallback);
        if let Some(key) = &one.key {
            let mut is_over = false;
            // Its end goes there too; once that was sent it would be one without an end there.
            self.journal.decide(key, |known| {
                let mut state = known?;
                is_over = state.status == AlertStatus::Resolved;
                state.also_to(&fallback);
                (!is_over).then_some((Next { state, alert: None }, Vec::new()))
            });
            if is_over {
                return self.watch(one);
            }
        }
        let takes = |name: &String| {
            let is_there = self.webhooks.webhook(name).is_ok_and(|webhook| !webhook.connector().is_closed());
            is_there && self.queue(&one.event, name).error_code.is_none()
        };
        one.open.extend(fallback.into_iter().filter(takes));
        self.watch(one);
    }

    fn fate(&self, event: &Event, name: &str, recent: &mut HashMap<String, Vec<Delivery>>) -> Fate {
        let Ok(webhook) = self.webhooks.webhook(name) else { return Fate::Fails };
        let connector = webhook.connector();
        let Ok(status) = connector.status() else { return Fate::Fails };
        let is_dead = || connector.dead_letters().iter().any(|letter| letter.event.id() == event.id());
        let known = recent.entry(name.to_owned()).or_insert_with(|| connector.recent_deliveries());
        // It has come to its end when nothing waits any more.
        let has_no_record = status.ledger.waiting == 0 && known.is_empty();
        let id = event.id().to_string();
        let last =
            known.iter().rev().find(|delivery| delivery.delivery_id == id).map(|delivery| delivery.status);
        match last {
            Some(DeliveryStatus::Success) => Fate::Arrived,
            Some(DeliveryStatus::Failed) => Fate::Refused,
            Some(DeliveryStatus::Retrying) => Fate::Fails,
            None if has_no_record && is_dead() => Fate::Refused,
            _ if status.down_for.is_some() || status.closed => Fate::Fails,
            None if has_no_record => Fate::Arrived,
            _ => Fate::Open,
        }
    }
}
