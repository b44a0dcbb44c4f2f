//! What there is to know about a home.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nethical::delivery::{DestinationReport, Ledger, ProcessReport, survey};
use nethical::destinations::wandb::{LeftRun, RunServer, WandbConfig, left as left_runs};
use nethical::event::Timestamp;

use crate::commands::place::Place;
use crate::failure::Failure;

/// How runs are called that no destination of the configuration is for.
const WANDB: &str = "wandb";

/// Everything at one moment.
pub(crate) struct View {
    /// Where it was looked.
    pub(crate) home: PathBuf,
    /// The configuration that was looked at, if any.
    pub(crate) config: Option<String>,
    /// Every process, the oldest directory first.
    pub(crate) processes: Vec<ProcessReport>,
    /// What waits and is in nobody's hands.
    pub(crate) left: Vec<Left>,
    /// All of them together.
    pub(crate) total: Total,
}

/// The sums of all destinations.
#[derive(Default)]
pub(crate) struct Total {
    pub(crate) ledger: Ledger,
    pub(crate) bytes: u64,
    pub(crate) oldest: Option<Timestamp>,
}

/// What ended processes left for one destination.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) key: String,
    /// The runs whose updates these are, if they are in directories of their own.
    pub(crate) runs: Option<Runs>,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// When the oldest of them happened, where that is known without the process's report.
    pub(crate) oldest: Option<Timestamp>,
    /// Whether the configuration has the destination, if there is one.
    pub(crate) configured: Option<bool>,
    /// Whether a running process has it open, and so adopts this in some seconds.
    pub(crate) expected: bool,
}

/// Runs in directories of their own, for one server.
#[derive(Clone)]
pub(crate) struct Runs {
    /// Empty if it is not known any more.
    pub(crate) server: String,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) way: Way,
}

/// What leads runs to their server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `nethical sync` does, as things are.
    Plain,
    /// It does with the server in the environment.
    Variable,
    /// It does with another configuration.
    Config,
    /// Whoever names their directories says where they go.
    Paths,
}

impl View {
    /// Look.
    pub(crate) fn of(place: &Place) -> Result<Self, Failure> {
        let processes = survey(&place.home).map_err(|error| {
            let action = format!("look into {}", place.home.display());
            Failure::io(&action, &error)
        })?;
        let config = place.config.as_ref().map(|config| config.name().to_owned());
        let mut left = left(&processes, place);
        left.extend(runs(place));
        let mut total = Total::of(processes.iter().flat_map(|process| &process.destinations));
        left.iter().filter(|left| left.runs.is_some()).for_each(|left| total.add(left));
        Ok(Self { home: place.home.clone(), config, processes, left, total })
    }

    /// What running processes hold for destinations that they have open.
    pub(crate) fn held(&self) -> u64 {
        let running = self.processes.iter().filter(|process| process.running);
        let open = running.flat_map(|process| &process.destinations).filter(|destination| destination.open);
        open.map(|destination| destination.ledger.waiting).sum()
    }
}

impl Total {
    fn of<'r>(reports: impl Iterator<Item = &'r DestinationReport>) -> Self {
        reports.fold(Self::default(), |mut total, report| {
            total.ledger.add(&report.ledger);
            total.bytes += report.waiting_bytes;
            if report.ledger.waiting > 0 {
                total.oldest = total.oldest.into_iter().chain(report.oldest).min();
            }
            total
        })
    }

    /// Runs stand in no report of a process once that has ended.
    fn add(&mut self, left: &Left) {
        self.ledger.add(&left.ledger());
        self.bytes += left.bytes;
        self.oldest = self.oldest.into_iter().chain(left.oldest).min();
    }
}

/// What no running process has open, by destination.
fn left(processes: &[ProcessReport], place: &Place) -> Vec<Left> {
    let mut left: Vec<Left> = Vec::new();
    let open: BTreeSet<_> = processes.iter().filter(|process| process.running).flat_map(opened).collect();
    for process in processes {
        let kept = process.destinations.iter();
        for report in kept.filter(|report| report.ledger.waiting > 0 && !(process.running && report.open)) {
            let (events, bytes) = (report.ledger.waiting, report.waiting_bytes);
            match left.iter_mut().find(|known| known.key == report.key) {
                Some(known) => (known.events, known.bytes) = (known.events + events, known.bytes + bytes),
                None => left.push(Left {
                    key: report.key.clone(),
                    runs: None,
                    events,
                    bytes,
                    oldest: None,
                    configured: place.has(&report.key),
                    expected: open.contains(report.key.as_str()),
                }),
            }
        }
    }
    left
}

/// Runs whose writers are gone and that are not at their server, by server.
fn runs(place: &Place) -> Vec<Left> {
    let configured = place.config.iter().flat_map(|config| config.destinations());
    let mut servers: Vec<(&str, RunServer)> =
        configured.filter_map(|one| Some((one.name(), one.run_server()?))).collect();
    if servers.is_empty() {
        servers.extend(RunServer::of(&WandbConfig::default()).map(|server| (WANDB, server)));
    }
    let mut all: Vec<Left> = Vec::new();
    for run in left_runs(&place.home) {
        let server = goes_to(&run, &servers);
        let same = |left: &&mut Left| left.runs.as_ref().is_some_and(|known| known.server == server);
        match all.iter_mut().find(same) {
            Some(left) => left.take(&run),
            None => all.push(Left::of(&run, server, &servers)),
        }
    }
    all
}

/// The server to which `nethical sync` sends a run, or else the one to which it belongs.
fn goes_to(run: &LeftRun, servers: &[(&str, RunServer)]) -> String {
    match servers {
        [(_, only)] if run.unbound => only.url.clone(),
        _ => run.server.clone(),
    }
}

fn opened(process: &ProcessReport) -> impl Iterator<Item = &str> {
    process.destinations.iter().filter(|report| report.open).map(|report| report.key.as_str())
}

impl Left {
    fn of(run: &LeftRun, server: String, servers: &[(&str, RunServer)]) -> Self {
        let known = servers.iter().find(|(_, known)| known.url == server);
        let way = match known {
            Some(_) => Way::Plain,
            None if server.is_empty() => Way::Paths,
            None if servers.iter().any(|(_, known)| !known.chosen) => Way::Variable,
            None => Way::Config,
        };
        let mut left = Self {
            key: known.map_or(WANDB, |(name, _)| *name).to_owned(),
            runs: Some(Runs { server, paths: Vec::new(), way }),
            events: 0,
            bytes: 0,
            oldest: None,
            configured: Some(way == Way::Plain),
            expected: false,
        };
        left.take(run);
        left
    }

    /// One more run for the same server.
    fn take(&mut self, run: &LeftRun) {
        (self.events, self.bytes) = (self.events + run.updates, self.bytes + run.bytes);
        self.oldest = self.oldest.into_iter().chain(run.begun).min();
        self.runs.iter_mut().for_each(|runs| runs.paths.push(run.path.clone()));
    }

    /// The account of it.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        (ledger.accepted, ledger.waiting) = (self.events, self.events);
        ledger
    }

    /// Whether nobody will deliver it by himself.
    pub(crate) fn is_orphan(&self) -> bool {
        !self.expected && self.configured != Some(true)
    }

    /// What delivers it.
    pub(crate) fn remedy(&self) -> String {
        let key = &self.key;
        if let Some(runs) = &self.runs {
            return runs.remedy();
        }
        match (self.expected, self.configured) {
            (true, _) => "a running process has this destination and adopts them in some seconds".to_owned(),
            (false, Some(true)) => "`nethical sync` delivers them".to_owned(),
            (false, Some(false)) => format!(
                "the configuration has no destination `{key}`: `nethical sync --config FILE` with one that has delivers them"
            ),
            (false, None) => format!(
                "`nethical sync --config FILE`, with a configuration that has a destination `{key}`, delivers them"
            ),
        }
    }
}

impl Runs {
    /// What sends them to their server.
    fn remedy(&self) -> String {
        let Self { server, paths, way } = self;
        match way {
            Way::Plain => "`nethical sync` delivers them".to_owned(),
            Way::Variable => {
                format!("they are for {server}: `WANDB_BASE_URL={server} nethical sync` delivers them")
            }
            Way::Config => format!(
                "they are for {server}: `nethical sync --config FILE`, with `base_url = \"{server}\"` in it, \
                 delivers them"
            ),
            Way::Paths => {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                format!(
                    "nobody knows any more for which server: `nethical sync {}` delivers them",
                    paths.join(" ")
                )
            }
        }
    }
}
