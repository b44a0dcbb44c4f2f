//! The letters of one destination on their way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical::config::Configured;
use nethical::delivery::{self, Error, Settings};
use nethical::spool::{DeadLetter, DeadLetterLog, Filter};
use nethical::{Connector, Event};

use super::Ending;
use crate::commands::dead::letters::select;
use crate::failure::Failure;
use crate::render;

/// What a disk gets to take what waits.
const SYNCING: Duration = Duration::from_secs(5);

/// An open destination with letters in its backlog.
pub(super) struct Sending {
    connector: Connector,
    /// Whether each letter was taken for delivery.
    taken: Vec<bool>,
}

impl Sending {
    /// Open the destination and hand it the letters. They wait on disk whatever the configuration says: they
    /// were there before.
    pub(super) fn start(destination: &Configured, name: &str, letters: &[DeadLetter]) -> Result<Self, Error> {
        let connector = destination.connect_as(name, &|mut settings: Settings| {
            settings.observer = Arc::new(render::notice);
            settings.spool.enabled = Some(true);
            settings
        })?;
        let send = |letter: &DeadLetter| {
            Event::from_stored(&letter.payload).is_some_and(|event| connector.send(event).is_ok())
        };
        let taken = letters.iter().map(send).collect();
        connector.request_flush();
        Ok(Self { connector, taken })
    }

    /// Wait for the deliveries, end them, and see what became of each letter. Nothing is delivered any more
    /// when this returns, so whoever marks a letter then does not hide a later refusal.
    pub(super) fn finish(
        self,
        log: &DeadLetterLog,
        letters: &[DeadLetter],
        deadline: Instant,
    ) -> Result<Vec<Ending>, Failure> {
        self.connector.flush(deadline.saturating_duration_since(Instant::now()));
        let ended = self.connector.close(Duration::ZERO);
        let on_disk = delivery::sync(SYNCING);
        let status = self.connector.status().map_err(Failure::from)?;
        let ledger = status.ledger.since(&status.inherited);
        let now = given_up(log, letters)?;
        let is_refused = |letter: &DeadLetter| {
            now.get(letter.id.as_str()).is_some_and(|given_up| *given_up != letter.last_micros)
        };
        let is_safe = ledger.dropped() == 0 && (ended || on_disk);
        let mut endings: Vec<_> = letters
            .iter()
            .zip(&self.taken)
            .map(|(letter, taken)| match taken {
                true if is_refused(letter) => Ending::Refused,
                true if is_safe => Ending::Delivered,
                _ => Ending::Failed,
            })
            .collect();
        keep_last(&mut endings, ledger.waiting);
        Ok(endings)
    }
}

/// When the letters with these ids were given up last.
fn given_up(log: &DeadLetterLog, letters: &[DeadLetter]) -> Result<HashMap<String, u64>, Failure> {
    let destination = letters.first().map(|letter| letter.destination.clone());
    let filter = Filter { destination, ..Filter::default() };
    Ok(select(log, &filter, |letter| (letter.id, letter.last_micros))?.into_iter().collect())
}

/// Deliveries are in order, so those that wait are the last.
fn keep_last(endings: &mut [Ending], waiting: u64) {
    let delivered = endings.iter_mut().rev().filter(|ending| **ending == Ending::Delivered);
    for ending in delivered.take(usize::try_from(waiting).unwrap_or(usize::MAX)) {
        *ending = Ending::Kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_the_last_that_was_sent() {
        use Ending::{Delivered, Failed, Kept, Refused};
        let mut endings = [Delivered, Delivered, Refused, Delivered, Failed];
        keep_last(&mut endings, 2);
        assert_eq!(endings, [Delivered, Kept, Refused, Kept, Failed]);
        keep_last(&mut endings, u64::MAX);
        assert_eq!(endings, [Kept, Kept, Refused, Kept, Failed]);
    }
}
