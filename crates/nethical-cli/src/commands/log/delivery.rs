//! The destinations that entries go to, from the first one to the account of all.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use nethical::config::{Configured, Section};
use nethical::delivery::{self, Error, Full, Settings, Status};
use nethical::destinations::connect;
use nethical::destinations::jsonl::{DESCRIPTOR, JsonlConfig};
use nethical::destinations::support::options::{Options, OptionsError, nearest, one_of};
use nethical::event::Encoded;
use nethical::{Config, LogAggregator, LogEntry, spool};

use super::Args;
use super::report::{Account, Fate, Input};
use crate::commands::{fields, load_config};
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::{render, signals};

/// How many entries of standard input may wait: enough for two batches, little enough for any machine.
const MAX_WAITING: usize = 16_384;

/// Reading goes on when there is room, whenever that is.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What is left to do once everything is delivered: closing files, and compressing those that were moved away.
const CLOSING: Duration = Duration::from_secs(12);

/// What a disk gets to take what waits.
const SYNCING: Duration = Duration::from_secs(5);

/// Open destinations, and how the account of what they got is given.
pub(super) struct Delivery {
    logs: LogAggregator,
    pub(super) progress: ProgressBar,
    patience: Duration,
    json: bool,
    /// The command that delivers later what waits on disk.
    later: String,
    /// Destinations that could not be opened.
    unopened: Vec<(String, Error)>,
    finished: Mutex<bool>,
}

impl Delivery {
    /// Open the destinations that the command names. One that cannot be opened is told, and keeps the
    /// others from nothing.
    pub(super) fn open(args: &Args, config: Option<&Path>) -> Result<Self, Failure> {
        let progress = ProgressBar::hidden();
        let (logs, unopened) = match &args.file {
            Some(path) if path.as_os_str() == "-" => {
                let hint =
                    "write `--file /dev/stdout | cat` to see the entries, or `./-` for a file of that name";
                return Err(Failure::usage("`--file -` names no file", hint));
            }
            Some(path) => {
                let file = file_with(path, args.option.iter().collect())?;
                open_file(path, file, &|settings| feeding(args, settings, &progress))
            }
            None => {
                let config = load_config(config)?;
                let chosen = choose(&config, &args.to)?;
                open_all(&config, &chosen, &|settings| feeding(args, settings, &progress))
            }
        };
        for (name, error) in &unopened {
            render::destination_error(name, error);
        }
        let (patience, json) = (args.patience(), args.json);
        let asked = config.map(|path| format!(" --config {}", path.display())).unwrap_or_default();
        let later = format!("nethical sync{asked}");
        Ok(Self { logs, progress, patience, json, later, unopened, finished: Mutex::default() })
    }

    pub(super) fn log(&self, entry: &LogEntry) {
        if !self.is_nowhere() && !self.logs.wants(entry.level) {
            render::warning(&format!("no destination takes entries of level {}", entry.level), None);
        }
        self.logs.log_entry(entry);
    }

    pub(super) fn publish(&self, encoded: &Encoded) {
        self.logs.publish_encoded(encoded);
    }

    /// Whether there is nobody to deliver to.
    pub(super) fn is_nowhere(&self) -> bool {
        self.logs.connectors().is_empty()
    }

    pub(super) const fn logs(&self) -> &LogAggregator {
        &self.logs
    }

    /// Deliver what waits, close, and give the account. Only the first call returns: after it the
    /// command ends.
    pub(super) fn finish(&self, input: &Input) -> Result<Exit, Failure> {
        if std::mem::replace(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner), true) {
            signals::wait_for_the_end();
        }
        let settled = self.logs.flush_all(self.patience);
        let fates = self.close(if settled { CLOSING } else { Duration::ZERO });
        self.progress.finish_and_clear();
        let exit = self.exit(&fates);
        let (patience, later) = (self.patience, &*self.later);
        let account = Account { input, fates: &fates, unopened: &self.unopened, patience, later, exit };
        match account.give(self.json) {
            Ok(()) | Err(Failure::BrokenPipe) => Ok(exit),
            Err(failure) => Err(failure),
        }
    }

    /// Close every destination. What waits in memory is given up by it, and counts as waiting here.
    fn close(&self, patience: Duration) -> Vec<Fate> {
        let before = self.logs.statuses();
        self.logs.close_all(patience);
        let on_disk = delivery::sync(SYNCING);
        let after = self.logs.statuses();
        let fate = |(before, after): (Status, Status)| {
            Fate::of(if after.key.is_some() { after } else { before }, on_disk)
        };
        before.into_iter().zip(after).map(fate).collect()
    }

    fn exit(&self, fates: &[Fate]) -> Exit {
        let ledgers = fates.iter().map(|fate| match fate.ledger {
            ledger if ledger.dead_lettered + ledger.dropped() > 0 => Exit::Refused,
            ledger if ledger.waiting > 0 => Exit::Later,
            _ => Exit::Success,
        });
        let unopened = self.unopened.iter().map(|(_, error)| exit_of(error));
        ledgers.chain(unopened).max().unwrap_or(Exit::Success)
    }
}

/// Feed a destination as this command wants it.
fn feeding(args: &Args, mut settings: Settings, progress: &ProgressBar) -> Settings {
    let progress = progress.clone();
    settings.observer = Arc::new(move |notice| progress.suspend(|| render::notice(notice)));
    if args.stdin {
        settings.queue.full = Full::Block(FOREVER);
        settings.queue.max_events = settings.queue.max_events.min(MAX_WAITING);
        settings.spool.options.full = spool::Full::Block(FOREVER);
    }
    settings
}

type Opened = (LogAggregator, Vec<(String, Error)>);

/// The file with these options.
fn file_with(path: &Path, words: Vec<&OsString>) -> Result<Arc<JsonlConfig>, Failure> {
    let mut options = Options::new();
    for (key, value) in fields::read(words)?.iter() {
        if key == "filepath" {
            let hint = "write to several files with a configuration, or by running it for each";
            return Err(Failure::usage("`--file` says the path already", hint));
        }
        options.set(key, value.clone());
    }
    options.set("filepath", "-");
    let wrong = |error: OptionsError| {
        let place = if error.path().is_empty() { String::new() } else { format!("{}: ", error.path()) };
        let all = || "`nethical destinations jsonl` shows all options".to_owned();
        Failure::usage(format!("{place}{error}"), error.hint().unwrap_or_else(all))
    };
    options.check_ranges(&(DESCRIPTOR.schema)()).map_err(wrong)?;
    let read = options.read::<JsonlConfig>().map_err(wrong)?;
    Ok(Arc::new(JsonlConfig { filepath: JsonlConfig::new(path).filepath, ..read }))
}

fn open_file(path: &Path, file: Arc<JsonlConfig>, change: &dyn Fn(Settings) -> Settings) -> Opened {
    let (logs, name) = (LogAggregator::new(), path.display().to_string());
    let settings = change(Settings::default());
    match connect(file, name.as_str(), settings) {
        Ok(connector) => {
            logs.add(connector);
            (logs, Vec::new())
        }
        Err(error) => (logs, vec![(name, error)]),
    }
}

fn open_all(config: &Config, chosen: &[&Configured], change: &dyn Fn(Settings) -> Settings) -> Opened {
    let (logs, mut unopened) = (LogAggregator::with_rules(config.rules().clone()), Vec::new());
    for destination in chosen {
        match destination.connect(change) {
            Ok(connector) => logs.add_from(connector, destination.level()),
            Err(error) => unopened.push((destination.name().to_owned(), error)),
        }
    }
    (logs, unopened)
}

/// The destinations of these names, or all.
fn choose<'c>(config: &'c Config, to: &[String]) -> Result<Vec<&'c Configured>, Failure> {
    let all: Vec<_> = config.section(Section::Logging).collect();
    if all.is_empty() {
        let hint =
            "add a table such as `[logging.jsonl]`, or switch one on; `nethical init -` shows all of them";
        return Err(Failure::usage(format!("{} has no destination for logs", config.name()), hint));
    }
    if to.is_empty() {
        return Ok(all);
    }
    let named = |name: &String| {
        all.iter()
            .copied()
            .find(|destination| destination.name() == name)
            .ok_or_else(|| unknown(config, name))
    };
    to.iter().map(named).collect()
}

fn unknown(config: &Config, name: &str) -> Failure {
    let names = || config.section(Section::Logging).map(Configured::name);
    let hint = match nearest(name, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", one_of(names(), "and")),
    };
    Failure::usage(format!("{} has no destination `{name}`", config.name()), hint)
}
