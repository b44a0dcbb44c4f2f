//! Runs: experiments as a program tells of them, on their way to whoever keeps them.
//!
//! A [`Platform`] takes the calls of a program: start a run, log parameters, metrics, tags and artifacts, end it. Most
//! are a [`Recorder`]: it checks each call, keeps a [`RunBook`] of the runs of this process, and turns what happens
//! into [`RunUpdate`](crate::event::RunUpdate)s, which a [`Connector`](crate::delivery::Connector) delivers as it does
//! everything else. Times are fixed at the call, and the order within a run is kept; artifacts go beside, in theirs.
//!
//! A run that is open when the program ends is ended by [`end_open_runs`]. If the program could not even do that, its
//! [`marks`](OpenRuns) are still there, and the next process that opens the platform ends its runs as killed.

pub mod artifact;
mod backend;
mod book;
mod connectors;
mod copies;
mod events;
mod open_runs;
mod params;
mod platform;
mod process;
mod recorder;
mod run;

pub use self::backend::Backend;
pub use self::book::RunBook;
pub use self::connectors::{ARTIFACTS, Connectors};
pub use self::events::{Handler, Handlers, RunEvent};
pub use self::open_runs::{OpenRuns, Stale, Taken};
pub use self::params::flatten;
pub use self::platform::{ArtifactOptions, Platform, StartRun};
pub use self::process::{end_open_runs, register};
pub use self::recorder::{Recorder, RecorderOptions};
pub use self::run::{ExperimentRun, LOCAL_PREFIX, local_id};
pub use crate::event::{RunStatus, UnknownStatus};
