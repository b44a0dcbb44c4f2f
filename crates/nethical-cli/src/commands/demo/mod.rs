//! `nethical demo`: a real small training run, logged through the real engine.
//!
//! Needs no account, server or configuration. It grows with every destination.

mod alarms;
mod inbox;
mod model;
mod offline;
mod tracked;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use nethical::delivery::Settings;
use nethical::destinations::jsonl::JsonlConfig;
use nethical::destinations::memory::MemoryConfig;
use nethical::destinations::{Validated, connect};
use nethical::{Error, Level, LogAggregator, Metadata, Status, fields};

use self::alarms::Alarms;
use self::inbox::{Inbox, Received};
use self::model::{Network, Score, Spirals};
use self::offline::{OfflineRun, Written};
use self::tracked::{Tracked, TrackedRun};
use crate::exit::Exit;
use crate::failure::Failure;

const POINTS: usize = 2_000;
const BATCH: usize = 20;
const HIDDEN: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// Train a small model and log it to local destinations: shows what you get, needs nothing.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where to put the files; emptied of an earlier demo's.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Passes over the training data.
    #[arg(long, default_value_t = 150, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,
}

/// A row of the last table.
struct Shown {
    name: &'static str,
    takes: &'static str,
    look: String,
}

/// Run the demo.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let dir = args.dir.clone().unwrap_or_else(|| std::env::temp_dir().join("nethical-demo"));
    let inbox = Inbox::open()?;
    let (logs, shown) = destinations(&dir, &inbox)?;
    let parameters = fields! { points: POINTS, batch_size: BATCH, hidden: HIDDEN };
    let runs = (TrackedRun::start(&dir, &parameters)?, OfflineRun::start(&dir, &parameters)?);
    let alarms = Alarms::open()?;
    let (calls, best_loss) = train(&logs, &runs, &alarms, args.epochs);
    let told = alarms.end(args.epochs, best_loss);
    let (tracked, written) = (runs.0.end()?, runs.1.end()?);
    let all_delivered = logs.close_all(PATIENCE);
    let (statuses, received) = (logs.statuses(), inbox.read());
    report(&statuses, &shown, &calls, &received)
        .and_then(|()| show_runs(&tracked, &written))
        .and_then(|()| told.write(&mut anstream::stdout()))
        .map_err(Failure::from)?;
    let sent = statuses.iter().map(|status| status.ledger.sent).sum::<u64>();
    let whole = all_delivered
        && written.whole
        && tracked.whole
        && told.whole
        && statuses.iter().all(|status| status.ledger.balances())
        && (received.understood, received.malformed) == (sent, 0);
    Ok(if whole { Exit::Success } else { Exit::Refused })
}

fn destinations(dir: &Path, inbox: &Inbox) -> Result<(LogAggregator, Vec<Shown>), Error> {
    let (all, alarms) = (dir.join("training.jsonl"), dir.join("warnings.jsonl"));
    for file in [&all, &alarms] {
        let _ = fs::remove_file(file);
    }
    let logs = LogAggregator::new();
    let open = |config: Arc<dyn Validated>, name: &str| connect(config, name, Settings::default());
    logs.add(open(Arc::new(JsonlConfig::new(&all)), "training")?);
    logs.add_from(open(Arc::new(JsonlConfig::new(&alarms)), "warnings")?, Level::Warning);
    logs.add_from(open(Arc::new(MemoryConfig::default()), "memory")?, Level::Info);
    logs.add_from(inbox.connect()?, Level::Info);
    let shown = vec![
        Shown { name: "training", takes: "every entry", look: all.display().to_string() },
        Shown { name: "warnings", takes: "from WARNING", look: alarms.display().to_string() },
        Shown { name: "memory", takes: "from INFO", look: "in this process only".to_owned() },
        Shown { name: "syslog", takes: "from INFO", look: inbox.shown() },
    ];
    Ok((logs, shown))
}

/// Logs, and notes how long each call kept the caller.
struct Timed<'l> {
    logs: &'l LogAggregator,
    calls: Vec<Duration>,
}

impl Timed<'_> {
    fn log(&mut self, level: Level, message: &str, metadata: Metadata) {
        let start = Instant::now();
        self.logs.log(level, message, "trainer", metadata);
        self.calls.push(start.elapsed());
    }
}

/// Train, and log every step. Returns how long each log call took, and the best loss.
fn train(
    logs: &LogAggregator,
    runs: &(TrackedRun, OfflineRun),
    alarms: &Alarms,
    epochs: u32,
) -> (Vec<Duration>, f32) {
    let rng = &mut Rng::with_seed(2_026);
    let mut data = Spirals::new(POINTS, rng);
    let mut network = Network::new(HIDDEN, rng);
    let mut timed = Timed { logs, calls: Vec::new() };
    let start =
        fields! { points: POINTS, parameters: network.parameters(), epochs: epochs, batch_size: BATCH };
    timed.log(Level::Info, "training started", start);
    let progress = progress_bar(epochs);
    let mut best = f32::INFINITY;
    for epoch in 1..=epochs {
        let score = one_epoch(&mut network, &mut data, epoch, &mut timed, rng);
        let metadata = fields! { epoch: epoch, loss: score.loss(), accuracy: score.accuracy() };
        if score.loss() > best * 1.05 {
            timed.log(Level::Warning, "the loss rose", metadata.with("best", best));
        } else {
            timed.log(Level::Info, "epoch done", metadata);
        }
        runs.0.epoch(epoch, score.loss(), score.accuracy());
        runs.1.epoch(epoch, score.loss(), score.accuracy());
        alarms.epoch(score.accuracy());
        best = best.min(score.loss());
        progress.set_message(format!("loss {:.3}  accuracy {:.1} %", score.loss(), score.accuracy() * 100.0));
        progress.inc(1);
    }
    progress.finish();
    timed.log(Level::Info, "training finished", fields! { best_loss: best });
    (timed.calls, best)
}

fn one_epoch(
    network: &mut Network,
    data: &mut Spirals,
    epoch: u32,
    timed: &mut Timed<'_>,
    rng: &mut Rng,
) -> Score {
    let mut epoch_score = Score::default();
    for (step, samples) in data.shuffled(BATCH, rng).enumerate() {
        let score = network.train(samples);
        epoch_score.add(score);
        let metadata = fields! { epoch: epoch, step: step, loss: score.loss(), accuracy: score.accuracy() };
        timed.log(Level::Debug, "step", metadata);
    }
    epoch_score
}

/// Shown on a terminal only.
fn progress_bar(epochs: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("training  [{bar:30}] epoch {pos}/{len}  {msg}");
    let bar = ProgressBar::new(u64::from(epochs));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar
}

fn report(statuses: &[Status], shown: &[Shown], calls: &[Duration], received: &Received) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", table(statuses, shown, &CallTimes::of(calls)))?;
    if statuses.iter().all(|status| status.ledger.balances() && status.ledger.waiting == 0) {
        let green = Style::new().fg_color(Some(AnsiColor::Green.into()));
        writeln!(
            out,
            "{green}every entry is accounted for{green:#}: accepted = confirmed + sent + dead + dropped + waiting"
        )?;
    }
    writeln!(
        out,
        "call: how long one log call, to all destinations together, kept the training ({} calls)",
        calls.len()
    )?;
    let Received { understood, malformed, last } = received;
    writeln!(
        out,
        "syslog: the receiver took {understood} messages of RFC 5424, {malformed} malformed; the last one:\n  {last}"
    )?;
    out.flush()
}

/// Where the run is, and what to do with it.
fn show_runs(tracked: &Tracked, written: &Written) -> io::Result<()> {
    let Tracked { updates, file, id, .. } = tracked;
    let file = file.display();
    writeln!(
        anstream::stdout(),
        "mlflow: a run of {updates} updates in a file; look at it with one of\n  \
         nethical runs show {id} --in {file}\n  mlflow ui --backend-store-uri sqlite:///{file}"
    )?;
    let Written { updates, directory, .. } = written;
    let directory = directory.display();
    writeln!(
        anstream::stdout(),
        "wandb: an offline run of {updates} updates, which `nethical sync` and `wandb sync` upload:\n  {directory}"
    )
}

/// Microseconds.
struct CallTimes {
    p50: f64,
    p99: f64,
}

impl CallTimes {
    fn of(calls: &[Duration]) -> Self {
        let mut sorted = calls.to_vec();
        sorted.sort_unstable();
        let at = |share: f64| {
            sorted.get((sorted.len() as f64 * share) as usize).map_or(0.0, Duration::as_secs_f64) * 1e6
        };
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

fn table(statuses: &[Status], shown: &[Shown], times: &CallTimes) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "destination",
        "takes",
        "accepted",
        "confirmed",
        "sent",
        "dead",
        "dropped",
        "waiting",
        "call p50/p99",
        "where to look",
    ]);
    for (status, row) in statuses.iter().zip(shown) {
        let ledger = &status.ledger;
        let counts = [
            ledger.accepted,
            ledger.confirmed,
            ledger.sent,
            ledger.dead_lettered,
            ledger.dropped(),
            ledger.waiting,
        ];
        let mut cells = vec![row.name.to_owned(), row.takes.to_owned()];
        cells.extend(counts.map(|count| count.to_string()));
        cells.extend([format!("{:.1}/{:.1} us", times.p50, times.p99), row.look.clone()]);
        table.add_row(cells);
    }
    table
        .column_iter_mut()
        .skip(2)
        .take(7)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}
