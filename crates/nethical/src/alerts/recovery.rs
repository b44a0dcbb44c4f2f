//! Sending what a killed process was about to send.

use std::path::Path;
use std::sync::Arc;

use nethical_core::delivery::{DeliveryStatus, RecordFilter, deliveries};
use nethical_core::event::{Event, Timestamp};
use nethical_core::spool::{Disk, Home, contains};

use super::Inner;
use super::dedup::elapsed;
use super::journal::REMEMBERED;
use super::routing::Ways;
use super::store::{Outgoing, Store};

impl Inner {
    /// What ended processes decided to send is in the spool, or it is queued now: once for each destination.
    pub(super) fn recover(self: &Arc<Self>) {
        let (Some(store), Some(home)) = (&self.journal.store, self.journal.home()) else { return };
        store.leftovers(|outgoing| self.take_over(store, &home, &outgoing));
    }

    fn take_over(self: &Arc<Self>, store: &Store, home: &Path, outgoing: &Outgoing) -> bool {
        let event = outgoing.event();
        let _alone = store.lock();
        let known = store.state(&outgoing.state.key);
        if known.is_none_or(|known| known.last_raised < outgoing.state.last_raised)
            && store.save(&outgoing.state).is_err()
        {
            return false;
        }
        let missing = outgoing.to.iter().filter(|name| !is_on_its_way(home, name, &event)).cloned();
        let (there, absent): (Vec<_>, Vec<_>) = missing.partition(|name| self.webhooks.webhook(name).is_ok());
        if !there.is_empty() {
            self.dispatch(Some(&outgoing.state.key), &event, Ways { to: there, ..Ways::default() }, None);
            // Before the note about it goes.
            if !nethical_core::delivery::sync(super::PAUSE) {
                return false;
            }
        }
        // One that is not there may be in another process, or later; but not for ever.
        absent.is_empty() || elapsed(event.at(), Timestamp::now()) > REMEMBERED
    }
}

/// Whether the spool has it, or had it: then it is on record what became of it.
fn is_on_its_way(home: &Path, destination: &str, event: &Event) -> bool {
    let stored = event.to_stored();
    let directories = Home::new(Arc::new(Disk), home).list().unwrap_or_default();
    let has =
        |path: &std::path::PathBuf| contains(Arc::new(Disk), path, destination, |bytes| bytes == stored);
    let is_spooled = directories.iter().any(|path| has(path).unwrap_or(false));
    let filter = RecordFilter {
        destination: Some(destination.to_owned()),
        id: Some(event.id().to_string()),
        status: None,
    };
    let ended = |found: &nethical_core::delivery::Record| {
        matches!(found.delivery.status, DeliveryStatus::Success | DeliveryStatus::Failed)
    };
    is_spooled || deliveries(home, &filter, 1).is_ok_and(|found| found.iter().any(ended))
}
