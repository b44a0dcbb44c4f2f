//! What ended processes left: taking it over, and letting go of it.
//!
//! An adopted directory is let go when nothing in it is left for us. What waits for others is never held by us. The
//! counts of what we delivered from it are handed over to our own spool, each once (`spool::hand_over`), and a
//! directory in which nothing waits for anybody is removed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Attached, Store, last_reports, lock};
use crate::delivery::Ledger;
use crate::delivery::spooled::Spooled;
use crate::spool::storage::Disk;
use crate::spool::{
    DestinationId, Directory, HandedOver, Spool, SpoolError, clear_handed_over, hand_over, handed_over,
};

/// What a disk gets to take the last positions of a spool that is let go.
const LETTING_GO: Duration = Duration::from_secs(1);

/// When directories with nothing for us are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A directory that an ended process left.
pub(super) struct Adopted {
    pub(super) spool: Spool,
    pub(super) directory: Directory,
    pub(super) sources: Vec<Adoptee>,
}

/// One of its destinations that we deliver.
pub(super) struct Adoptee {
    pub(super) id: DestinationId,
    pub(super) backlog: Weak<Spooled>,
    /// Which source of that backlog it is.
    number: u32,
}

impl Adoptee {
    fn is_done(&self) -> bool {
        let backlog = self.backlog.upgrade();
        backlog.is_none_or(|backlog| backlog.is_finished() || backlog.is_drained(self.number))
    }
}

impl Store {
    /// Let go of what is empty, and adopt what ended processes left for destinations of ours. Says from how
    /// many directories.
    pub(crate) fn adopt(&self) -> usize {
        let _one_at_a_time = lock(&self.adopting);
        self.release();
        let open: Vec<_> = {
            let attached = lock(&self.attached);
            let live = |other: &Attached| Some((other.key.clone(), other.backlog.upgrade()?));
            attached.iter().filter_map(live).filter(|(_, backlog)| backlog.is_open()).collect()
        };
        if open.is_empty() {
            return 0;
        }
        let adopted: Vec<_> =
            self.free_directories().into_iter().filter_map(|free| self.take_over(free, &open)).collect();
        let found = adopted.iter().filter(|one| !one.sources.is_empty()).count();
        lock(&self.adopted).extend(adopted);
        // Those with nothing for us go at once.
        self.release();
        found
    }

    fn free_directories(&self) -> Vec<Directory> {
        let mut looked_at = lock(&self.looked_at);
        if looked_at.0.elapsed() > LOOK_AGAIN {
            *looked_at = (Instant::now(), HashSet::new());
        }
        self.home.adopt_unless(|path| looked_at.1.contains(path)).unwrap_or_default()
    }

    /// Have our destinations also deliver what waits for them in this directory.
    fn take_over(&self, directory: Directory, open: &[(String, Arc<Spooled>)]) -> Option<Adopted> {
        let options = self.spool.options().clone();
        let (spool, _) = Spool::open(Arc::new(Disk), directory.path(), options).ok()?;
        if !take_in_leftovers(&spool, directory.path()).is_empty() {
            return None;
        }
        let stats = spool.stats();
        let waiting = stats.destinations.iter().filter(|destination| destination.waiting.events > 0);
        let sources = waiting.filter_map(|destination| {
            let (_, backlog) = open.iter().find(|(key, _)| **key == *destination.key)?;
            let number = backlog.add_source(&spool, destination.id).ok()?;
            Some(Adoptee { id: destination.id, backlog: Arc::downgrade(backlog), number })
        });
        let sources: Vec<_> = sources.collect();
        let one = Adopted { spool, directory, sources };
        if one.sources.is_empty() {
            lock(&self.looked_at).1.insert(one.directory.path().to_owned());
        } else {
            // Until it is let go, what is left in it for others is told under our name.
            self.write_status_of(&one, &last_reports(one.directory.path()));
        }
        Some(one)
    }

    fn release(&self) {
        let mut adopted = lock(&self.adopted);
        let all = std::mem::take(&mut *adopted);
        let (done, held): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| one.sources.iter().all(Adoptee::is_done));
        *adopted = held;
        done.into_iter().for_each(|one| self.let_go(one));
        self.take_in();
    }

    /// Free for others, or gone if nothing waits in it for anybody. Then all its counts go on in our own spool,
    /// else those of the destinations that we have delivered.
    fn let_go(&self, one: Adopted) {
        let Adopted { spool, directory, sources } = one;
        for source in &sources {
            source.backlog.upgrade().into_iter().for_each(|backlog| backlog.release_source(source.number));
        }
        let destinations = spool.stats().destinations;
        let empty = destinations.iter().all(|destination| destination.waiting.events == 0);
        spool.sync(LETTING_GO);
        spool.close();
        drop(spool);
        let mut whole = true;
        for destination in &destinations {
            let ours = sources.iter().any(|source| source.id == destination.id);
            // A key that is not known any more has no counts that anybody could go on with.
            if destination.key.is_empty() || !(empty || ours) {
                continue;
            }
            match hand_over(&Disk, directory.path(), destination.id, self.directory.path()) {
                Ok(handed) => lock(&self.handing).extend(handed.map(|handed| (handed, ours))),
                // Where the filesystem cannot do that, the counts stay where they are.
                Err(_) => whole = false,
            }
        }
        if empty && whole {
            let _ = directory.remove();
        }
    }

    /// Add what was handed over to the counts of our spool.
    fn take_in(&self) {
        let mut handing = lock(&self.handing);
        if handing.is_empty() {
            return;
        }
        let attached = lock(&self.attached);
        take_in_each(&self.spool, self.directory.path(), &mut handing, |(handed, counted)| {
            let mut same = attached.iter().filter(|other| *other.key == *handed.key);
            let backlog = same.find_map(|other| other.backlog.upgrade().filter(|one| !one.is_finished()));
            let taken = backlog.map_or(Ok(false), |backlog| backlog.take_in(handed, *counted));
            // Kept for whoever opens it.
            taken.is_ok_and(|taken| taken || take_in_closed(&self.spool, handed).is_ok())
        });
    }
}

/// Take what was handed over in, one after the other, and keep what could not be. A cursor names only the last that
/// is in its sum, so the one before must be durable and its file gone.
fn take_in_each(
    spool: &Spool,
    directory: &Path,
    handing: &mut Vec<(HandedOver, bool)>,
    take: impl Fn(&(HandedOver, bool)) -> bool,
) {
    let settled = || spool.sync(LETTING_GO) && clear_handed_over(&Disk, directory).is_ok();
    handing.retain(|one| !(settled() && take(one)));
    settled();
}

/// Add counts to those of a destination that is not open.
fn take_in_closed(spool: &Spool, handed: &HandedOver) -> Result<(), SpoolError> {
    let reader = spool.reader(spool.destination(&handed.key)?, Arc::new(|| {}))?;
    let mut sum = Ledger::from_stored(&reader.note());
    sum.add(&Ledger::from_stored(&handed.note));
    let failed =
        |source| SpoolError::Io { what: "keep the counts of", path: handed.key.clone().into(), source };
    reader.take_in(handed, sum.to_stored()).map(drop).map_err(failed)
}

/// Add what was handed over to a process that ended before it had added it. Returns what could not be.
pub(super) fn take_in_leftovers(spool: &Spool, directory: &Path) -> Vec<(HandedOver, bool)> {
    let found = handed_over(&Disk, directory).unwrap_or_default();
    let mut left: Vec<_> = found.into_iter().map(|handed| (handed, false)).collect();
    if !left.is_empty() {
        take_in_each(spool, directory, &mut left, |(handed, _)| take_in_closed(spool, handed).is_ok());
    }
    left
}
