//! Opening a spool, whatever state the last process left it in.
//!
//! Nothing found here stops a start, except a directory that cannot be listed or written. A sealed segment
//! is believed by its footer. A segment is read through when it has none, when a position lies inside it
//! (so that what waits is known exactly), or when it overlaps a later one.
//! While reading through:
//!
//! - bytes that are no frame, with a valid frame behind them, are copied to the quarantine and stepped over;
//! - bytes at the end with nothing valid behind them are a torn tail; they are cut off;
//! - where a later segment begins, the earlier one ends. They overlap after a failed fsync only, when the
//!   later one holds the copies that were written again.
//!
//! The last segment goes on growing if it is small and whole, else it gets its footer now. Files of others,
//! of a later version or full of zeros are left where they are and reported. A position ahead of the log,
//! as when the cursor reached the medium and the frames did not, raises the next sequence number above
//! itself: a number once settled is never given to another event. A position behind the log needs nothing.
//! Frames for a destination whose cursor file is gone or unreadable are kept for an *orphan*.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::{self, CursorFile, Position};
use super::destination::Destination;
use super::log::{Log, Segment};
use super::scan::{Scanner, Step};
use super::segment::{self, HEADER, Header, Opening, Summary};
use super::storage::{Storage, StorageFile};
use super::tally::{Tallies, Tally};
use super::writer::Active;
use super::{DestinationId, Options, Seq, SpoolError, quarantine};

/// What opening a spool found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that hold events.
    pub segments: usize,
    /// How many of them had to be read through.
    pub scanned: usize,
    /// Torn tails, and their bytes, which were cut off.
    pub torn: usize,
    /// Bytes of the torn tails.
    pub cut_bytes: u64,
    /// Damaged stretches between valid frames.
    pub quarantined: usize,
    /// Bytes of the damaged stretches.
    pub quarantined_bytes: u64,
    /// Segments whose header was damaged and whose frames are intact.
    pub salvaged: Vec<PathBuf>,
    /// Files that are named like segments and are none.
    pub foreign: Vec<PathBuf>,
    /// Segments of a later version of the format.
    pub newer: Vec<PathBuf>,
    /// Segments of nothing but zeros.
    pub zero_filled: Vec<PathBuf>,
    /// Segments that could not be opened or read.
    pub unreadable: Vec<PathBuf>,
    /// Ordinals that are missing between others.
    pub missing: Vec<u64>,
    /// Destinations whose position was ahead of the log.
    pub mended: Vec<DestinationId>,
    /// Destinations that events wait for, and whose key is not known any more.
    pub orphans: Vec<DestinationId>,
}

impl Recovery {
    /// Whether there is nothing in it that somebody should hear of.
    pub fn is_clean(&self) -> bool {
        let calm = Self { segments: self.segments, scanned: self.scanned, ..Self::default() };
        *self == calm
    }
}

impl fmt::Display for Recovery {
    /// What was found wrong, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.torn, "unfinished tails were cut off"),
            (self.quarantined, "damaged stretches were put into quarantine"),
            (self.salvaged.len(), "segments with a damaged header were read nevertheless"),
            (self.foreign.len(), "files that are no segments were left alone"),
            (self.newer.len(), "segments of a later version were left alone"),
            (self.zero_filled.len(), "segments held nothing but zeros"),
            (self.unreadable.len(), "segments could not be read"),
            (self.missing.len(), "segments are missing"),
            (self.mended.len(), "positions were ahead of the log and were mended"),
            (self.orphans.len(), "destinations have events and no name any more"),
        ];
        let found = counts.iter().filter(|(count, _)| *count > 0);
        let found: Vec<_> = found.map(|(count, what)| format!("{count} {what}")).collect();
        write!(f, "the spool was opened after damage: {}", found.join("; "))
    }
}

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

/// For each segment, the first sequence number that a later one has.
fn limits(found: &[Found]) -> Vec<Seq> {
    let mut limit = Seq(u64::MAX);
    let mut limits = Vec::with_capacity(found.len());
    for found in found.iter().rev() {
        limits.push(limit);
        limit = limit.min(found.first);
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
    fn take_in(&mut self, found: &Found, limit: Seq, may_grow: bool) -> Option<Active> {
        self.report.segments += 1;
        let header = found.header;
        if let Some(summary) = found.footer.as_ref().filter(|summary| !self.needs_scan(summary, limit)) {
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
        let Ok(scanned) = self.scan(&*file, header, end, limit) else {
            return push(&mut self.report.unreadable, path);
        };
        self.report.scanned += 1;
        if found.footer.is_some() {
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
    fn scan(&mut self, file: &dyn StorageFile, header: Header, end: u64, limit: Seq) -> io::Result<Scanned> {
        let mut scanned =
            Scanned { whole: Summary::empty(), remaining: Tallies::default(), cut_at: None, damaged: false };
        let mut scanner = Scanner::new(header.marker, HEADER, end);
        loop {
            match scanner.next(file)? {
                Step::Frame { frame, offset } => {
                    if frame.seq >= limit {
                        scanned.cut_at = Some(offset);
                        return Ok(scanned);
                    }
                    scanned.whole.add(&frame, offset + frame.length as u64);
                    for id in frame.destinations().filter(|id| !self.settled(*id, frame.seq)) {
                        scanned.remaining.entry(id).add(Tally::one(frame.payload.len()));
                    }
                }
                Step::Damaged { from, to } => {
                    scanned.damaged = true;
                    self.report.quarantined += 1;
                    self.report.quarantined_bytes += to - from;
                    quarantine::keep(self.storage, self.dir, header.ordinal, from, to);
                }
                Step::Torn { from, to } => {
                    scanned.cut_at = Some(from);
                    self.report.torn += 1;
                    self.report.cut_bytes += to - from;
                }
                Step::End => return Ok(scanned),
            }
        }
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
