//! Sending elsewhere what does not arrive.

use std::collections::HashMap;
use std::sync::Mutex;

use nethical_core::delivery::{Delivery, DeliveryStatus};
use nethical_core::event::Event;

use super::dedup::Next;
use super::{Inner, lock};
use crate::Webhook;

/// Alerts that are looked after at a time; the oldest give way.
const MOST: usize = 1_000;

/// An alert on its way, and who gets it if it does not arrive.
#[derive(Debug)]
pub(super) struct Watched {
    key: Option<String>,
    event: Event,
    /// Where it did not arrive yet.
    open: Vec<String>,
    fallback: Vec<String>,
}

impl Watched {
    pub(super) fn new(key: Option<&str>, event: &Event, to: &[String], fallback: Vec<String>) -> Self {
        Self { key: key.map(str::to_owned), event: event.clone(), open: to.to_vec(), fallback }
    }
}

/// How an alert fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Arrived,
    Fails,
}

/// Whether deliveries work, as far as is known.
pub(super) fn is_up(webhook: &Webhook) -> bool {
    webhook.connector().status().is_ok_and(|status| !status.closed && status.down_for.is_none())
}

impl Inner {
    pub(super) fn watch(&self, one: Watched) {
        let mut watched = lock(self.watched.get(Mutex::default));
        watched.push(one);
        let excess = watched.len().saturating_sub(MOST);
        watched.drain(..excess);
    }

    /// See how everything fares that has a fallback, and send there what fails.
    pub(super) fn look_after(&self) {
        let (mut failing, mut recent) = (Vec::new(), HashMap::new());
        let mut watched = lock(self.watched.get(Mutex::default));
        for mut one in std::mem::take(&mut *watched) {
            let mut fails = false;
            one.open.retain(|name| match self.fate(&one.event, name, &mut recent) {
                Fate::Open => true,
                Fate::Arrived => false,
                Fate::Fails => {
                    fails = true;
                    false
                }
            });
            if fails {
                failing.push(one);
            } else if !one.open.is_empty() {
                watched.push(one);
            }
        }
        drop(watched);
        failing.into_iter().for_each(|one| self.fall_back(&one));
    }

    fn fall_back(&self, one: &Watched) {
        for name in &one.fallback {
            self.queue(&one.event, name);
        }
        if let Some(key) = &one.key {
            // Its end goes there too.
            self.journal.decide(key, |known| {
                let mut state = known?;
                state.also_to(&one.fallback);
                Some((Next { state, alert: None }, Vec::new()))
            });
        }
    }

    fn fate(&self, event: &Event, name: &str, recent: &mut HashMap<String, Vec<Delivery>>) -> Fate {
        let Ok(webhook) = self.webhooks.webhook(name) else { return Fate::Fails };
        let connector = webhook.connector();
        let Ok(status) = connector.status() else { return Fate::Fails };
        let known = recent.entry(name.to_owned()).or_insert_with(|| connector.recent_deliveries());
        let id = event.id().to_string();
        let last =
            known.iter().rev().find(|delivery| delivery.delivery_id == id).map(|delivery| delivery.status);
        match last {
            Some(DeliveryStatus::Success) => Fate::Arrived,
            Some(DeliveryStatus::Failed | DeliveryStatus::Retrying) => Fate::Fails,
            _ if status.down_for.is_some() || status.closed => Fate::Fails,
            // One that keeps no record has it when nothing waits any more.
            None if status.ledger.waiting == 0 && known.is_empty() => Fate::Arrived,
            _ => Fate::Open,
        }
    }
}
