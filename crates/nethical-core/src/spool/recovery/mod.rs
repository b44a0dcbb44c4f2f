//! Opening a spool, whatever state the last process left it in.
//!
//! Nothing found here stops a start, except a directory that cannot be listed or written. A sealed segment
//! is believed by its footer. A segment is read through when it has none, when a position lies inside it
//! (so that what waits is known exactly), or when it overlaps a later one.
//! While reading through:
//!
//! - bytes that are no frame, with a valid frame behind them, are copied to the quarantine and stepped over,
//!   and the numbers that are missing there are counted as events that wait, see `gap`: the reader that does not
//!   come across them counts them as damaged;
//! - bytes at the end with nothing valid behind them, in this file or by its numbers in a later one, are a torn
//!   tail; they are cut off;
//! - where a later segment begins, the earlier one ends. They overlap after a failed fsync only, when the
//!   later one holds the copies that were written again.
//!
//! The last segment goes on growing if it is small and whole, else it gets its footer now. Files of others,
//! of a later version or full of zeros are left where they are and reported. A position ahead of the log,
//! as when the cursor reached the medium and the frames did not, raises the next sequence number above
//! itself: a number once settled is never given to another event. A position behind the log needs nothing.
//! Frames for a destination whose cursor file is gone or unreadable are kept for an *orphan*.

mod gap;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::spool::cursor::{self, CursorFile, Position};
use crate::spool::destination::Destination;
use crate::spool::log::{Log, Segment};
use crate::spool::scan::{Scanner, Step};
use crate::spool::segment::{self, HEADER, Header, Opening, Summary};
use crate::spool::storage::{Storage, StorageFile};
use crate::spool::tally::{Tallies, Tally};
use crate::spool::writer::Active;
use crate::spool::{DestinationId, Options, Seq, SpoolError, quarantine};

use self::gap::{Gap, Lost};
pub use self::report::Recovery;

/// What is needed to go on.
pub(super) struct Opened {
    pub(super) report: Recovery,
    pub(super) log: Log,
    pub(super) destinations: Vec<Arc<Destination>>,
    pub(super) active: Option<Active>,
    pub(super) next_ordinal: u64,
    pub(super) last: Seq,
}

/// Reads a spool's directory and mends what needs it.
pub(super) fn open(storage: &Arc<dyn Storage>, dir: &Path, options: &Options) -> Result<Opened, SpoolError> {
    let listed = storage.list(dir).map_err(SpoolError::io("list", dir))?;
    let names = || listed.iter().filter(|entry| !entry.is_dir).map(|entry| entry.name.as_str());
    for name in names().filter(|name| name.ends_with(".tmp")) {
        let _ = storage.unlink(&dir.join(name));
    }
    let mut ordinals: Vec<u64> = names().filter_map(segment::ordinal_of).collect();
    ordinals.sort_unstable();
    let mut recovery = Run {
        storage: &**storage,
        dir,
        options,
        report: Recovery::default(),
        cursors: BTreeMap::new(),
        log: Log::default(),
        last: Seq(0),
    };
    for id in names().filter_map(cursor::id_of) {
        recovery.load_cursor(id);
    }
    // A process killed between creating a file and the fsync of its name has left that to us.
    let named = storage.sync_dir(dir).is_ok();
    let found: Vec<Found> = ordinals.iter().filter_map(|ordinal| recovery.inspect(*ordinal)).collect();
    let limits = limits(&found);
    let mut active = None;
    for (found, limit) in found.into_iter().zip(limits) {
        let may_grow = named && ordinals.last() == Some(&found.header.ordinal);
        active = recovery.take_in(&found, limit, may_grow);
    }
    recovery.find_missing(&ordinals);
    let next_ordinal = ordinals.last().map_or(1, |last| last + 1);
    Ok(recovery.finish(active, next_ordinal))
}

/// Where a segment ends by what is known of later ones.
#[derive(Clone, Copy)]
struct Limit {
    /// The first sequence number of which a later segment has a copy.
    copied: Seq,
    /// The number with which the next segment began; the highest there is behind the last one.
    next: Seq,
}

fn limits(found: &[Found]) -> Vec<Limit> {
    let mut limit = Limit { copied: Seq(u64::MAX), next: Seq(u64::MAX) };
    let mut limits = Vec::with_capacity(found.len());
    for found in found.iter().rev() {
        limits.push(limit);
        let copied = limit.copied.min(found.first);
        let began = if found.header.first > Seq(0) { found.header.first } else { copied };
        limit = Limit { copied, next: began.min(copied) };
    }
    limits.reverse();
    limits
}

/// A segment at first sight.
struct Found {
    header: Header,
    size: u64,
    footer: Option<Summary>,
    /// The sequence number of its first frame, the highest there is if it has none.
    first: Seq,
}

struct Run<'a> {
    storage: &'a dyn Storage,
    dir: &'a Path,
    options: &'a Options,
    report: Recovery,
    cursors: BTreeMap<DestinationId, (CursorFile, Position)>,
    log: Log,
    /// The highest sequence number so far.
    last: Seq,
}

/// A segment that has been read through.
struct Scanned {
    /// Everything in it.
    whole: Summary,
    /// What in it waits for whom.
    remaining: Tallies,
    /// Where a torn tail, or what later segments have copies of, begins.
    cut_at: Option<u64>,
    damaged: bool,
}

impl Run<'_> {
    fn load_cursor(&mut self, id: DestinationId) {
        let path = cursor::path(self.dir, id);
        let Ok((file, position)) = self.storage.open(&path).and_then(CursorFile::load) else {
            // Out of the way, so that a new one can take its place if anything waits for this destination.
            let _ = self.storage.rename(&path, &path.with_extension("unreadable"));
            self.report.unreadable.push(path);
            return;
        };
        let position = position.filter(|position| position.id == id).unwrap_or_else(|| {
            self.report.orphans.push(id);
            orphan(id)
        });
        self.cursors.insert(id, (file, position));
    }

    /// Looks at the outside of one segment.
    fn inspect(&mut self, ordinal: u64) -> Option<Found> {
        let path = segment::path(self.dir, ordinal);
        let opened = self.storage.open_read(&path).and_then(|file| {
            let opening = segment::open_header(&*file, ordinal)?;
            Ok((file, opening))
        });
        let (file, header) = match opened {
            Ok((file, Opening::Header(header))) => (file, header),
            Ok((file, Opening::Salvaged(header))) => {
                self.report.salvaged.push(path.clone());
                (file, header)
            }
            Ok((_, Opening::Newer(_))) => return push(&mut self.report.newer, path),
            Ok((_, Opening::Foreign)) => return push(&mut self.report.foreign, path),
            Ok((_, Opening::Zeros)) => {
                let _ = self.storage.unlink(&path);
                return push(&mut self.report.zero_filled, path);
            }
            Err(_) => return push(&mut self.report.unreadable, path),
        };
        match Found::read(&*file, header) {
            Ok(found) => Some(found),
            Err(_) => push(&mut self.report.unreadable, path),
        }
    }

    /// Takes one segment in; gives it back if it can go on growing.
    fn take_in(&mut self, found: &Found, limit: Limit, may_grow: bool) -> Option<Active> {
        self.report.segments += 1;
        let header = found.header;
        if let Some(summary) = found.footer.as_ref().filter(|summary| !self.needs_scan(summary, limit.copied))
        {
            let low = |id| self.cursors.get(&id).map_or(Seq(0), |(_, position)| position.low);
            let mut remaining = Tallies::default();
            for (id, tally) in summary.tallies.iter().filter(|(id, _)| low(*id) < summary.first) {
                *remaining.entry(id) = tally;
            }
            self.insert(header, summary, remaining, found.size, true);
            return None;
        }
        let path = segment::path(self.dir, header.ordinal);
        let Ok(file) = self.storage.open(&path) else { return push(&mut self.report.unreadable, path) };
        let end = found.footer.as_ref().map_or(found.size, |summary| summary.end);
        let Ok(mut scanned) = self.scan(&*file, header, end, limit) else {
            return push(&mut self.report.unreadable, path);
        };
        self.report.scanned += 1;
        if let Some(summary) = &found.footer {
            if summary.last < limit.copied {
                self.lose_rest(&mut scanned, summary);
            }
            self.insert(header, &scanned.whole, scanned.remaining, found.size, true);
            return None;
        }
        self.unsealed(file, header, scanned, may_grow)
    }

    /// Whether the footer does not tell enough: a position lies inside, or copies do.
    fn needs_scan(&self, summary: &Summary, limit: Seq) -> bool {
        let inside = |position: &Position| {
            (position.low >= summary.first && position.low < summary.last)
                || position.window.iter().any(|seq| (summary.first..=summary.last).contains(seq))
        };
        summary.frames > 0
            && (summary.last >= limit || self.cursors.values().any(|(_, position)| inside(position)))
    }

    /// Reads a segment through, up to the first frame that a later segment has a copy of.
    fn scan(
        &mut self,
        file: &dyn StorageFile,
        header: Header,
        end: u64,
        limit: Limit,
    ) -> io::Result<Scanned> {
        let mut scanned =
            Scanned { whole: Summary::empty(), remaining: Tallies::default(), cut_at: None, damaged: false };
        let mut scanner = Scanner::new(header.marker, HEADER, end);
        let mut gap = Gap::new(self.before(&header));
        loop {
            match scanner.next(file)? {
                Step::Frame { frame, offset } => {
                    gap.until(&frame, limit.next).iter().for_each(|lost| self.lose(&mut scanned, lost));
                    if frame.seq >= limit.copied {
                        scanned.cut_at = Some(offset);
                        return Ok(scanned);
                    }
                    gap.pass(&frame);
                    scanned.whole.add(&frame, offset + frame.length as u64);
                    for id in frame.destinations().filter(|id| !self.settled(*id, frame.seq)) {
                        scanned.remaining.entry(id).add(Tally::one(frame.payload.len()));
                    }
                }
                Step::Damaged { from, to } => {
                    gap.widen(to - from);
                    self.keep_aside(&mut scanned, &header, from, to);
                }
                Step::Torn { from, to } => {
                    gap.widen(to - from);
                    // What is followed by the numbers of a later segment was whole once.
                    if let Some(lost) = gap.close(limit.next).filter(|_| limit.next < Seq(u64::MAX)) {
                        self.lose(&mut scanned, &lost);
                        scanned.whole.end = to;
                        self.keep_aside(&mut scanned, &header, from, to);
                    } else {
                        scanned.cut_at = Some(from);
                        self.report.torn += 1;
                        self.report.cut_bytes += to - from;
                    }
                }
                Step::End => return Ok(scanned),
            }
        }
    }

    fn keep_aside(&mut self, scanned: &mut Scanned, header: &Header, from: u64, to: u64) {
        scanned.damaged = true;
        self.report.quarantined += 1;
        self.report.quarantined_bytes += to - from;
        quarantine::keep(self.storage, self.dir, header.ordinal, from, to);
    }

    /// The last number before a segment.
    fn before(&self, header: &Header) -> Seq {
        let follows = header.ordinal.checked_sub(1).is_some_and(|ordinal| self.log.get(ordinal).is_some());
        if follows { self.last } else { header.first.before() }
    }

    fn lose(&self, scanned: &mut Scanned, lost: &Lost<'_>) {
        scanned.whole.lose(lost);
        for id in lost.to {
            let waiting = self.unsettled(*id, lost.after, lost.next).min(lost.events());
            scanned.remaining.entry(*id).add(lost.tally(waiting));
        }
    }

    /// What a footer tells of and was not there, behind the last frame.
    fn lose_rest(&self, scanned: &mut Scanned, footer: &Summary) {
        for (id, tally) in footer.tallies.iter() {
            let lost = tally.less(scanned.whole.tallies.get(id));
            let waiting = self.unsettled(id, scanned.whole.last, footer.last.next()).min(lost.events);
            scanned.remaining.entry(id).add(lost.part(waiting));
        }
        scanned.whole.clone_from(footer);
    }

    /// How many numbers above `after` and below `next` are not settled for a destination.
    fn unsettled(&self, id: DestinationId, after: Seq, next: Seq) -> u64 {
        let (low, window) = self.cursors.get(&id).map_or((Seq(0), &[][..]), |(_, at)| (at.low, &at.window));
        let after = after.max(low);
        let settled = window.iter().filter(|seq| (after < **seq) && (**seq < next)).count();
        next.before().0.saturating_sub(after.0).saturating_sub(settled as u64)
    }

    fn settled(&self, id: DestinationId, seq: Seq) -> bool {
        self.cursors.get(&id).is_some_and(|(_, position)| position.covers(seq))
    }

    /// Cuts the torn tail off a segment without a footer, then lets it grow or seals it.
    fn unsealed(
        &mut self,
        file: Box<dyn StorageFile>,
        header: Header,
        scanned: Scanned,
        may_grow: bool,
    ) -> Option<Active> {
        let summary = scanned.whole;
        let cut = scanned.cut_at.is_none_or(|at| file.truncate(at).is_ok());
        let small = summary.end <= self.options.segment_bytes / 2;
        // The last process may have been killed after an fsync had failed, with less on the medium than the
        // kernel shows, or more: frames that were cut off. So the file grows only when an fsync has worked,
        // and the header is written again, which that fsync may have lost.
        let growable = may_grow && small && cut && !scanned.damaged;
        let rewritten = growable && file.write_all_at(&header.encode(), 0).is_ok();
        if rewritten && file.sync().is_ok() {
            self.insert(header, &summary, scanned.remaining, summary.end, false);
            return Some(Active {
                file: file.into(),
                ordinal: header.ordinal,
                marker: header.marker,
                summary,
            });
        }
        let mut size = file.size().unwrap_or(summary.end);
        let footer = summary.encode(header.marker);
        // The footer vouches for the frames, so they go first. Without it, it is read through again.
        let whole = cut && size == summary.end && file.sync().is_ok();
        if whole && file.write_all_at(&footer, size).is_ok() {
            size += footer.len() as u64;
        }
        self.insert(header, &summary, scanned.remaining, size, true);
        None
    }

    fn insert(&mut self, header: Header, summary: &Summary, remaining: Tallies, size: u64, sealed: bool) {
        let last = summary.last.max(header.first.before());
        let segment = Segment {
            marker: header.marker,
            last,
            end: summary.end,
            size,
            sealed,
            durable: sealed,
            generation: 0,
            remaining,
        };
        self.last = self.last.max(last);
        self.log.insert(header.ordinal, segment);
    }

    fn find_missing(&mut self, ordinals: &[u64]) {
        let (Some(first), Some(last)) = (ordinals.first(), ordinals.last()) else { return };
        let present = |ordinal: &u64| ordinals.binary_search(ordinal).is_ok();
        self.report.missing = (*first..*last).filter(|ordinal| !present(ordinal)).take(1000).collect();
    }

    /// Gives what waits for nobody known a destination without a key.
    fn adopt_orphans(&mut self) {
        let unknown: BTreeSet<DestinationId> = self
            .log
            .iter()
            .flat_map(|(_, segment)| segment.remaining.iter().map(|(id, _)| id))
            .filter(|id| !self.cursors.contains_key(id))
            .collect();
        for id in unknown {
            self.report.orphans.push(id);
            // If the disk does not even take that, the events stay where they are until the next start.
            if let Ok(file) = CursorFile::create(self.storage, self.dir, &orphan(id)) {
                self.cursors.insert(id, (file, orphan(id)));
            }
        }
    }

    fn finish(mut self, active: Option<Active>, next_ordinal: u64) -> Opened {
        self.adopt_orphans();
        let in_log = self.last;
        for (id, (_, position)) in &self.cursors {
            let highest = position.window.last().copied().unwrap_or_default().max(position.low);
            self.last = self.last.max(highest);
            if highest > in_log && self.log.len() > 0 {
                self.report.mended.push(*id);
            }
        }
        let destinations = self.cursors.into_values().map(|(file, position)| {
            let destination = Destination::new(position, file);
            destination.counters.accepted.add(self.log.remaining(destination.id));
            Arc::new(destination)
        });
        let destinations = destinations.collect();
        let (report, log, last) = (self.report, self.log, self.last);
        Opened { report, log, destinations, active, next_ordinal, last }
    }
}

impl Found {
    fn read(file: &dyn StorageFile, header: Header) -> io::Result<Self> {
        let size = file.size()?;
        let footer = segment::read_footer(file, header.marker)?;
        let first = match &footer {
            Some(summary) if summary.frames > 0 => summary.first,
            Some(_) => Seq(u64::MAX),
            None => first_frame(file, header, size)?,
        };
        Ok(Self { header, size, footer, first })
    }
}

fn first_frame(file: &dyn StorageFile, header: Header, size: u64) -> io::Result<Seq> {
    let mut scanner = Scanner::new(header.marker, HEADER, size);
    loop {
        match scanner.next(file)? {
            Step::Frame { frame, .. } => return Ok(frame.seq),
            Step::Damaged { .. } => {}
            Step::Torn { .. } | Step::End => return Ok(Seq(u64::MAX)),
        }
    }
}

/// Stands in for a destination whose position is lost.
fn orphan(id: DestinationId) -> Position {
    Position { id, ..Position::default() }
}

fn push<T>(list: &mut Vec<PathBuf>, path: PathBuf) -> Option<T> {
    list.push(path);
    None
}
