//! What the rest of Nethical knows of a destination before it is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use nethical_core::delivery::{Connector, Destination, Error, Observer, Settings, SpoolSettings};
use nethical_core::event::{Family, Redaction};
use nethical_core::tracking::Platform;

use crate::support::options::{Options, OptionsError};
use crate::wandb::{RunServer, Syncer};

/// A kind of destination.
pub struct Descriptor {
    /// Its name: the folder, the `type` in a configuration, the word on the command line.
    pub name: &'static str,
    /// What it takes.
    pub families: &'static [Family],
    /// What it does, in one line.
    pub summary: &'static str,
    /// The guide for its users, in Markdown.
    pub docs: &'static str,
    /// A configuration that works.
    pub example: &'static str,
    /// The JSON Schema of its options.
    pub schema: fn() -> schemars::Schema,
    /// Read and check its options, touching nothing.
    pub parse: fn(&Options) -> Result<Arc<dyn Validated>, OptionsError>,
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Options that were checked, ready to be opened.
pub trait Validated: fmt::Debug + Send + Sync + 'static {
    /// Open the destination: files, sockets. Called again in a forked child.
    ///
    /// # Errors
    /// What keeps it from being opened, with a hint.
    fn open(&self) -> Result<Arc<dyn Destination>, Error>;

    /// What these options say about how the destination is fed; the rest stays as in `usual`.
    fn settings(&self, usual: Settings) -> Settings {
        usual
    }

    /// What tells this destination from others of its type, where a program may open it without a name; no secret is
    /// in it. `None`: its name alone does.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Where runs are on this machine, for [`Stored::open`](crate::stored::Stored::open); `None` if they are elsewhere.
    fn stored(&self) -> Option<PathBuf> {
        None
    }

    /// What uploads runs that wait in directories of their own, under this name; `None` if there are no such.
    fn syncer(
        &self,
        _name: &str,
        _spool: &SpoolSettings,
        _observer: Observer,
    ) -> Option<Result<Syncer, Error>> {
        None
    }

    /// Where [`syncer`](Self::syncer) sends such runs; `None` if there are no such.
    fn run_server(&self) -> Option<RunServer> {
        None
    }

    /// # Errors
    /// If a dead letter of it cannot be sent again: what to do instead.
    fn check_replay(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Open it as a platform for runs, fed as `settings` say; `None` if it is none.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    fn platform(
        self: Arc<Self>,
        _name: &str,
        _settings: Settings,
        _redaction: &Redaction,
    ) -> Option<Result<Arc<dyn Platform>, Error>> {
        None
    }
}

/// Open a destination and connect to it.
///
/// # Errors
/// Those of [`Validated::open`].
pub fn connect(
    config: Arc<dyn Validated>,
    name: impl Into<Arc<str>>,
    usual: Settings,
) -> Result<Connector, Error> {
    let settings = config.settings(usual);
    Connector::open(name, settings, move || config.open())
}
