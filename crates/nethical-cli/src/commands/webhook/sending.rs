//! Events on their way to one webhook.

use std::time::{Duration, Instant};

use nethical::Connector;
use nethical::delivery::{self, Delivery, DeliveryStatus, Rejected};
use nethical::event::Event;
use serde_json::Value;

use crate::exit::Exit;

/// What a disk gets to take what waits.
const SYNCING: Duration = Duration::from_secs(5);

/// A webhook with events in its queue.
pub(crate) struct Sending {
    connector: Connector,
    queued: Vec<Delivery>,
}

impl Sending {
    /// Queue events. One that the queue does not take has failed.
    pub(crate) fn start(connector: Connector, events: &[Event]) -> Self {
        let queue = |event: &Event| {
            let name = connector.name();
            connector.queue_delivery(event.clone()).unwrap_or_else(|why| {
                let why = if why == Rejected::Full { "its queue is full" } else { "it is closed" };
                let message = format!("{name}: {why}");
                Delivery::rejected(
                    event.id().to_string(),
                    name,
                    "delivery.rejected",
                    message,
                    "see `nethical status`",
                )
            })
        };
        let queued = events.iter().map(queue).collect();
        connector.request_flush();
        Self { connector, queued }
    }

    /// Wait until they are delivered, end it, and say what became of each.
    pub(crate) fn finish(self, deadline: Instant) -> Vec<Delivery> {
        self.connector.flush(deadline.saturating_duration_since(Instant::now()));
        self.connector.close(Duration::ZERO);
        delivery::sync(SYNCING);
        let of = |queued: &Delivery| latest(&self.connector, &queued.delivery_id, Some(queued));
        self.queued.iter().filter_map(of).collect()
    }
}

/// What is known of an event at a destination that was closed and began with nothing delivered: `queued` is what was said
/// when it was queued. `None` if it never was there.
pub(crate) fn latest(connector: &Connector, id: &str, queued: Option<&Delivery>) -> Option<Delivery> {
    let known = connector.recent_deliveries();
    let found = known.iter().rev().find(|delivery| delivery.delivery_id == id);
    let mut delivery = found.or(queued)?.clone();
    let Ok(status) = connector.status() else { return Some(delivery) };
    if delivery.status == DeliveryStatus::Pending {
        let ledger = status.ledger.since(&status.inherited);
        if let Some(error) = &status.last_error {
            delivery.error_message = Some(error.message().to_owned());
            delivery.hint = error.hint().map(str::to_owned);
        } else if ledger.waiting == 0 && ledger.dead_lettered == 0 && ledger.dropped() == 0 {
            // It keeps no record of deliveries.
            delivery.status = DeliveryStatus::Success;
        }
    }
    if is_open(&delivery) && status.key.is_none() {
        delivery.status = DeliveryStatus::Failed;
        delivery.error_message.get_or_insert_with(|| "there was no answer in time".to_owned());
        delivery.hint.get_or_insert_with(|| "wait longer: `--wait`".to_owned());
    }
    Some(delivery)
}

/// Whether it may still arrive.
pub(crate) const fn is_open(delivery: &Delivery) -> bool {
    matches!(delivery.status, DeliveryStatus::Pending | DeliveryStatus::Retrying)
}

/// What a delivery means for the command.
pub(crate) const fn exit(delivery: &Delivery) -> Exit {
    match delivery.status {
        DeliveryStatus::Success => Exit::Success,
        DeliveryStatus::Pending | DeliveryStatus::Retrying => Exit::Later,
        DeliveryStatus::Failed => Exit::Refused,
    }
}

/// One line for people.
pub(crate) fn sentence(delivery: &Delivery) -> String {
    let code = delivery.response_code.map(|code| format!(", {code}")).unwrap_or_default();
    let took = delivery.duration_ms.map(|ms| format!(" in {ms:.0} ms")).unwrap_or_default();
    let why = delivery.error_message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match delivery.status {
        DeliveryStatus::Success => format!("delivered{code}{took}"),
        DeliveryStatus::Failed => format!("failed{why}"),
        _ => format!("kept for later{why}"),
    }
}

/// The delivery as JSON.
pub(crate) fn as_json(delivery: &Delivery) -> Value {
    let mut value = serde_json::to_value(delivery).unwrap_or_default();
    if let Some(headers) = value.get_mut("response_headers") {
        let pairs = delivery.response_headers.iter();
        *headers = pairs.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    }
    value
}
