//! `nethical run`

mod input;
mod platform;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nethical::RunStatus;
use nethical::tracking::{ArtifactOptions, StartRun};
use serde_json::json;

use self::platform::Shell;
use crate::commands::fields;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::seconds;

/// Track a run from the shell, in MLflow.
///
/// `start` prints the id of the run; the other commands take it from $NETHICAL_RUN, --run or --run-file. Between them the
/// run stays open, whichever processes tell of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Where runs are kept, and how long is waited for that.
#[derive(Debug, clap::Args)]
struct PlaceArgs {
    /// The file (`sqlite:///mlflow.db`) or server that keeps the run. Without it the first `mlflow` of the
    /// configuration, else $MLFLOW_TRACKING_URI, else `mlflow.db` here.
    #[arg(long, global = true, value_name = "URI")]
    tracking_uri: Option<String>,
    /// Wait at most this long for everything to be delivered.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Start(Start),
    Params(Params),
    Metrics(Metrics),
    Tags(Tags),
    Artifact(Artifact),
    End(End),
}

/// Which run is meant.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The id of the run.
    #[arg(long, env = "NETHICAL_RUN", value_name = "ID")]
    run: Option<String>,
    /// A file that holds the id, as `start` writes it; counts before the id.
    #[arg(long, value_name = "PATH")]
    run_file: Option<PathBuf>,
}

/// Start a run, and print its id.
#[derive(Debug, clap::Args)]
struct Start {
    /// The experiment that it belongs to.
    #[arg(long, short, value_name = "NAME", default_value = "Default")]
    experiment: String,
    /// The name of the run; without it one is found.
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    /// Tags that it has from the start.
    #[arg(value_name = "KEY=VALUE")]
    tags: Vec<OsString>,
    /// Also write the id to this file.
    #[arg(long, value_name = "PATH")]
    run_file: Option<PathBuf>,
    /// Print the id as JSON.
    #[arg(long)]
    json: bool,
}

/// Set parameters.
#[derive(Debug, clap::Args)]
struct Params {
    /// A number, `true`, `false` or `null` is what it is in JSON; anything else is text.
    #[arg(value_name = "KEY=VALUE", required = true)]
    words: Vec<OsString>,
    #[command(flatten)]
    run: RunArgs,
}

/// Add a point to each of some metrics, or read points from standard input.
///
/// Without arguments each line of standard input is a JSON object of numbers; its `step` is the step.
#[derive(Debug, clap::Args)]
struct Metrics {
    /// Numbers, also `nan` and `inf`.
    #[arg(value_name = "KEY=NUMBER")]
    words: Vec<OsString>,
    /// The step that they belong to; that of lines which name none.
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    step: Option<i64>,
    #[command(flatten)]
    run: RunArgs,
}

/// Set tags.
#[derive(Debug, clap::Args)]
struct Tags {
    /// Texts, in the place of those of the same names.
    #[arg(value_name = "KEY=VALUE", required = true)]
    words: Vec<OsString>,
    #[command(flatten)]
    run: RunArgs,
}

/// Add files, or folders with all that is in them.
#[derive(Debug, clap::Args)]
struct Artifact {
    /// Files and folders.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The folder in the run to which they go.
    #[arg(long, value_name = "PATH")]
    folder: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

/// End the run. One that has ended keeps its status: another one is refused, the same one changes nothing.
#[derive(Debug, clap::Args)]
struct End {
    /// How it ended: completed, failed or killed.
    #[arg(long, value_name = "STATUS", default_value = "completed")]
    status: RunStatus,
    /// The exit code of the program: 0 is completed, more than 128 killed by a signal, all else failed.
    #[arg(long, value_name = "N", conflicts_with = "status")]
    exit_code: Option<u8>,
    #[command(flatten)]
    run: RunArgs,
}

const EXAMPLES: &str = "\
Examples:
  export NETHICAL_RUN=$(nethical run start --experiment spirals)
  nethical run params rate=0.003 batch_size=20
  nethical run metrics loss=0.41 accuracy=0.83 --step 12
  ./train | nethical run metrics          # {\"step\": 1, \"loss\": 0.5} on each line
  nethical run artifact model.bin
  nethical run end --exit-code $?";

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = &args.place;
    match &args.verb {
        Verb::Start(start) => begin(start, &Shell::open(place.tracking_uri.as_deref(), config)?, place.wait),
        Verb::Params(Params { words, run }) => {
            let parameters = fields::read(words.iter().collect())?;
            tell(place, run, config, |shell, id| Ok(shell.platform.log_parameters(id, &parameters)?))
        }
        Verb::Metrics(Metrics { words, step, run }) => {
            let points = input::points(words)?;
            tell(place, run, config, |shell, id| match &*points {
                [] => input::read(|line, own| Ok(shell.platform.log_metrics(id, line, own.or(*step))?)),
                points => Ok(shell.platform.log_metrics(id, &input::borrowed(points), *step)?),
            })
        }
        Verb::Tags(Tags { words, run }) => {
            let tags = input::pairs(words)?;
            let tags: Vec<_> = tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            tell(place, run, config, |shell, id| Ok(shell.platform.set_tags(id, &tags)?))
        }
        Verb::Artifact(Artifact { paths, folder, run }) => tell(place, run, config, |shell, id| {
            let options = ArtifactOptions { folder: folder.as_deref(), copy: true };
            Ok(paths.iter().try_for_each(|path| shell.platform.log_artifact(id, path, &options))?)
        }),
        Verb::End(End { status, exit_code, run }) => {
            let status = exit_code.map_or(*status, of_exit_code);
            tell(place, run, config, |shell, id| shell.end(id, status, place.wait))
        }
    }
}

fn begin(start: &Start, shell: &Shell, wait: Duration) -> Result<Exit, Failure> {
    let tags = input::pairs(&start.tags)?;
    let tags: Vec<_> = tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted = StartRun { experiment: &start.experiment, name: start.name.as_deref(), tags: &tags };
    // Before there is a run whose id nobody would learn.
    let run_file = start.run_file.as_deref().map(RunFile::create).transpose()?;
    let id = shell.platform.start_run(&wanted)?;
    let exit = shell.finish(wait);
    shell.platform.leave_run(&id)?;
    let shown = match start.json {
        true => json!({ "run_id": id, "experiment": start.experiment }).to_string(),
        false => id.clone(),
    };
    let printed = writeln!(anstream::stdout(), "{shown}");
    run_file.map_or(Ok(()), |file| file.write(&id))?;
    printed?;
    Ok(exit)
}

/// Where the id of a run is to be written.
struct RunFile<'p>(std::fs::File, &'p Path);

impl<'p> RunFile<'p> {
    fn create(path: &'p Path) -> Result<Self, Failure> {
        std::fs::File::create(path).map(|file| Self(file, path)).map_err(|error| not_written(path, &error))
    }

    fn write(mut self, id: &str) -> Result<(), Failure> {
        writeln!(self.0, "{id}").map_err(|error| not_written(self.1, &error))
    }
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(&format!("write {}", path.display()), error)
}

/// Tell of a run that was started before.
fn tell(
    place: &PlaceArgs,
    run: &RunArgs,
    config: Option<&Path>,
    what: impl FnOnce(&Shell, &str) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let id = run.id()?;
    let shell = Shell::open(place.tracking_uri.as_deref(), config)?;
    shell.platform.join_run(&id)?;
    let told = what(&shell, &id);
    let exit = shell.finish(place.wait);
    told.map(|()| exit)
}

impl RunArgs {
    fn id(&self) -> Result<String, Failure> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path);
            text.map_err(|error| Failure::io(&format!("read {}", path.display()), &error))
        };
        let id = self.run_file.as_ref().map(read).transpose()?.or_else(|| self.run.clone());
        let id = id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        id.ok_or_else(|| {
            let hint = "`export NETHICAL_RUN=$(nethical run start)`, or name one with --run or --run-file";
            Failure::usage("it is not said which run is meant", hint)
        })
    }
}

const fn of_exit_code(code: u8) -> RunStatus {
    match code {
        0 => RunStatus::Completed,
        1..=128 => RunStatus::Failed,
        129.. => RunStatus::Killed,
    }
}
