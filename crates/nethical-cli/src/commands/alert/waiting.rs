//! The wait for an alert to arrive, at a fallback too.

use std::time::{Duration, Instant};

use nethical::alerts::{Alerts, Outcome};
use nethical::delivery::{Delivery, sync};
use nethical::{Webhook, WebhookManager};

use crate::commands::webhook::sending::latest;

/// Between two looks at what waits.
const STEP: Duration = Duration::from_millis(50);

/// What a disk gets to take what waits.
pub(crate) const SYNCING: Duration = Duration::from_secs(5);

/// Wait until everything came to its end, or the deadline; close everything, and say what became of the alert at each
/// destination that got it.
pub(super) fn finish(
    alerts: &Alerts,
    webhooks: &WebhookManager,
    outcome: &Outcome,
    deadline: Instant,
) -> Vec<Delivery> {
    let all = webhooks.webhooks();
    let is_sent = outcome.is_sent();
    all.values().for_each(|webhook| webhook.connector().request_flush());
    while is_sent && Instant::now() < deadline && all.values().any(waits) {
        std::thread::sleep(STEP);
        alerts.look_after();
    }
    alerts.keep(SYNCING);
    alerts.close(Duration::ZERO);
    sync(SYNCING);
    let (id, deliveries) = match outcome {
        Outcome::Sent { id, deliveries } => (id, deliveries),
        Outcome::NotTaken { deliveries, .. } => return deliveries.clone(),
        _ => return Vec::new(),
    };
    let id = id.to_string();
    let of = |(name, webhook): (&String, &Webhook)| {
        let queued = deliveries.iter().find(|delivery| delivery.destination == *name);
        latest(webhook.connector(), &id, queued)
    };
    all.iter().filter_map(of).collect()
}

fn waits(webhook: &Webhook) -> bool {
    webhook.connector().status().is_ok_and(|status| status.ledger.waiting > 0)
}
