//! Making a segment smaller that little waits in.
//!
//! One event for a destination that is down keeps its whole segment. When the budget is used up, segments
//! of which at most half is still wanted are written anew with what is wanted, in the same order and with
//! the same sequence numbers, and take the place of the old file. So a destination that lags costs the
//! others about what waits for it, and not all that they have settled long ago; a segment in the middle of
//! which nothing is left shrinks to a stub, which goes once everything before it has gone.
//!
//! The new file is complete and durable before it gets the old one's name, and the positions that make
//! frames unwanted are durable before that. Readers notice by the generation of the segment. One that has
//! the old file open may go on with it: it holds everything that the new one does.

use std::collections::BTreeSet;
use std::io;

use super::destination::Destination;
use super::frame::{self, Frame, Payload};
use super::log::Segment;
use super::scan::{Scanner, Step};
use super::segment::{self, HEADER, Header, Summary};
use super::shared::Shared;
use super::storage::StorageFile;
use super::{DestinationId, Seq, now_micros, random_marker};

/// Smaller files are not worth it.
const LEAST: u64 = 512;

/// Bytes that are written at a time.
const RUN: usize = 256 * 1024;

/// What of the events of a destination was settled at one moment; from then on it only grew.
struct Snapshot {
    id: DestinationId,
    last_read: Seq,
    unsettled: BTreeSet<Seq>,
    ahead: BTreeSet<Seq>,
}

impl Snapshot {
    fn of(destination: &Destination) -> Self {
        let state = destination.state();
        let unsettled = state.flights.iter().filter(|flight| !flight.settled).map(|flight| flight.seq);
        Self {
            id: destination.id,
            last_read: state.last_read,
            unsettled: unsettled.collect(),
            ahead: state.ahead.clone(),
        }
    }

    fn wants(&self, frame: &Frame<'_>) -> bool {
        let settled = frame.seq <= self.last_read || self.ahead.contains(&frame.seq);
        frame.is_for(self.id) && (!settled || self.unsettled.contains(&frame.seq))
    }
}

/// The oldest segment that would lose at least half of its size.
pub(super) fn candidate(shared: &Shared) -> Option<u64> {
    let log = shared.log();
    let wanted = |segment: &Segment| {
        let each =
            segment.remaining.iter().map(|(_, tally)| tally.bytes + tally.events * (frame::HEAD as u64 + 2));
        2 * (HEADER + each.sum::<u64>())
    };
    log.iter()
        .find(|(_, segment)| segment.durable && segment.size > LEAST && wanted(segment) <= segment.size)
        .map(|(ordinal, _)| ordinal)
}

/// Makes one smaller; false when there is none to be, or it did not work.
pub(super) fn any(shared: &Shared) -> bool {
    let Some(ordinal) = candidate(shared) else { return false };
    let done = rewrite(shared, ordinal);
    if let Err(error) = &done {
        shared.note(error);
    }
    done.is_ok()
}

/// Writes a sealed segment anew with what is still wanted.
fn rewrite(shared: &Shared, ordinal: u64) -> io::Result<()> {
    let (old_marker, end) = match shared.log().get(ordinal) {
        Some(segment) => (segment.marker, segment.end),
        None => return Ok(()),
    };
    let destinations = shared.destinations();
    let snapshots: Vec<Snapshot> = destinations.iter().map(|destination| Snapshot::of(destination)).collect();
    for destination in destinations.iter() {
        destination.persist_durably()?;
    }
    let path = segment::path(&shared.dir, ordinal);
    let temporary = path.with_extension("tmp");
    let old = shared.storage.open_read(&path)?;
    let _ = shared.storage.unlink(&temporary);
    let new = shared.storage.create(&temporary)?;
    let marker = random_marker();
    let scanner = Scanner::new(old_marker, HEADER, end);
    let header = Header { marker, ordinal, first: Seq(0), created: now_micros() };
    let written = copy(shared, &*old, scanner, &*new, header, &snapshots)
        .and_then(|summary| replace(shared, ordinal, marker, &*new, &summary));
    if written.is_err() {
        let _ = shared.storage.unlink(&temporary);
    }
    written
}

/// Copies what is wanted, and makes the copy durable.
fn copy(
    shared: &Shared,
    old: &dyn StorageFile,
    mut scanner: Scanner,
    new: &dyn StorageFile,
    header: Header,
    snapshots: &[Snapshot],
) -> io::Result<Summary> {
    let mut summary = Summary::empty();
    let mut run = Vec::new();
    let mut at = HEADER;
    loop {
        // The old file goes, so this is the last chance to keep what is damaged in it.
        if let Some((from, to)) = scanner.skip_damage(old)? {
            shared.quarantine(header.ordinal, from, to);
        }
        let Step::Frame { frame, .. } = scanner.next(old)? else { break };
        let to: Vec<DestinationId> = snapshots.iter().filter(|s| s.wants(&frame)).map(|s| s.id).collect();
        if to.is_empty() {
            continue;
        }
        let start = run.len();
        frame::encode(&mut run, frame.seq, frame.time, &to, &Payload::new([frame.payload, &[]]));
        let bytes = run.get_mut(start..).unwrap_or_default();
        frame::place(bytes, header.marker, summary.end);
        if let Some(copy) = Frame::unchecked(bytes) {
            summary.add(&copy, summary.end + copy.length as u64);
        }
        if run.len() >= RUN {
            new.write_all_at(&run, at)?;
            at += run.len() as u64;
            run.clear();
        }
    }
    new.write_all_at(&run, at)?;
    new.write_all_at(&Header { first: summary.first, ..header }.encode(), 0)?;
    new.write_all_at(&summary.encode(header.marker), summary.end)?;
    new.sync()?;
    Ok(summary)
}

/// Gives the new file the old one's name. The lock of the log keeps readers from opening either of them
/// with what they know of the other.
fn replace(
    shared: &Shared,
    ordinal: u64,
    marker: u32,
    new: &dyn StorageFile,
    summary: &Summary,
) -> io::Result<()> {
    let path = segment::path(&shared.dir, ordinal);
    let size = new.size()?;
    {
        let mut log = shared.log();
        shared.storage.rename(&path.with_extension("tmp"), &path)?;
        if let Some(segment) = log.get_mut(ordinal) {
            segment.marker = marker;
            segment.end = summary.end;
            segment.size = size;
            segment.generation += 1;
        }
    }
    shared.storage.sync_dir(&shared.dir)
}
