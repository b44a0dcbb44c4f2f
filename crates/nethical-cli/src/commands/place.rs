//! Where events wait on disk, as the command line, the configuration and the environment say it.

use std::path::{Path, PathBuf};

use nethical::Config;
use nethical::config::{CONFIG_VARIABLE, Configured, find};
use nethical::delivery::SpoolSettings;
use nethical::destinations::wandb::left as left_runs;
use nethical::tracking::ARTIFACTS;

use super::load_config;
use crate::failure::Failure;
use crate::render;

/// The directory, and the configuration if there is one.
pub(crate) struct Place {
    /// Where everything is kept.
    pub(crate) home: PathBuf,
    /// Says which destinations there are.
    pub(crate) config: Option<Config>,
}

impl Place {
    /// For verbs that only look: a configuration that nobody asked for may be absent, or wrong.
    pub(crate) fn find(home: Option<&Path>, asked: Option<&Path>) -> Result<Self, Failure> {
        let config = match find(asked).map(Config::load) {
            Some(Err(error)) if asked.is_some() => return Err(error.into()),
            Some(Err(error)) => {
                let hint = "`nethical check --offline` shows the faults";
                let message = format!("{} is wrong, so it is not looked at", error.name());
                render::warning(&message, Some(hint));
                None
            }
            Some(Ok(config)) => Some(config),
            None => None,
        };
        let home = home.map(Path::to_owned);
        let home = home.or_else(|| config.as_ref().map_or_else(default_home, home_of));
        Ok(Self { home: home.ok_or_else(nowhere)?, config })
    }

    /// As [`to_deliver`](Self::to_deliver), but runs of W&B that wait need no configuration.
    pub(crate) fn to_sync(asked: Option<&Path>) -> Result<Self, Failure> {
        let waits = |home: &PathBuf| SpoolSettings::is_allowed() && !left_runs(home).is_empty();
        match default_home().filter(waits) {
            Some(home) if find(asked).is_none() => Ok(Self { home, config: None }),
            _ => Self::to_deliver(asked),
        }
    }

    /// For verbs that deliver: a configuration must be there, and the disk allowed.
    pub(crate) fn to_deliver(asked: Option<&Path>) -> Result<Self, Failure> {
        if !SpoolSettings::is_allowed() {
            let message = "$NETHICAL_SPOOL says that nothing may be kept on disk";
            return Err(Failure::usage(message, "unset it: what is on disk cannot be delivered without"));
        }
        let config = load_config(asked)?;
        Ok(Self { home: home_of(&config).ok_or_else(nowhere)?, config: Some(config) })
    }

    /// Whether the configuration has this destination; `None` without one.
    pub(crate) fn has(&self, key: &str) -> Option<bool> {
        self.config.as_ref().map(|config| destination_of(config, key).is_some())
    }
}

/// The destination of a configuration that is known by this key. A second one of a name that was in use is
/// kept under `name#2`, and the artifacts of a platform have a queue of their own. What a program left without giving the
/// destination a name belongs to the one that leads to the same place.
pub(crate) fn destination_of<'c>(config: &'c Config, key: &str) -> Option<&'c Configured> {
    let key = key.strip_suffix(ARTIFACTS).unwrap_or(key);
    let named = |name: &str| config.destinations().iter().find(|destination| destination.name() == name);
    let numbered = || {
        let (name, number) = key.rsplit_once('#')?;
        number.parse::<u32>().ok().and_then(|_| named(name))
    };
    let same_place = || {
        let home = home_of(config)?;
        let mut all = config.destinations().iter();
        all.find(|destination| destination.key_without_name(&home).is_some_and(|known| known == key))
    };
    named(key).or_else(numbered).or_else(same_place)
}

/// Where a configuration keeps what waits.
pub(crate) fn home_of(config: &Config) -> Option<PathBuf> {
    config.spool().directory()
}

fn default_home() -> Option<PathBuf> {
    SpoolSettings::default().directory()
}

/// No variable of the environment names a directory.
pub(crate) fn nowhere() -> Failure {
    let hint = format!("name one in $NETHICAL_HOME, or a configuration in ${CONFIG_VARIABLE}");
    Failure::usage("there is no directory in which anything is kept", hint)
}
