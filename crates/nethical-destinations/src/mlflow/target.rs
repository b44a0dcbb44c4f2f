//! Where runs are kept: by a tracking server, or in an SQLite file of this machine.

use std::path::{Path, PathBuf};

use super::address::Address;
use super::config::{MlflowConfig, Wrong};
use crate::support::aws::Environment;

/// Where `mlflow ui` looks when it is told nothing, in the folder in which it is started.
const USUAL: &str = "sqlite:///mlflow.db";

/// Where runs are kept.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// By a server.
    Server(Address),
    /// In the file at this absolute path.
    Store(PathBuf),
}

impl MlflowConfig {
    /// What was asked for: by the option, else by the environment, else the usual file.
    pub(super) fn uri(&self, environment: &Environment) -> String {
        let given = self.tracking_uri.clone().or_else(|| environment.var("MLFLOW_TRACKING_URI"));
        let given = given.map(|uri| uri.trim().to_owned()).filter(|uri| !uri.is_empty());
        given.unwrap_or_else(|| USUAL.to_owned())
    }

    /// Where that is.
    pub(super) fn target(&self, environment: &Environment) -> Result<Target, Wrong> {
        let wrong = |message, hint: &str| Wrong { key: "tracking_uri", message, hint: hint.to_owned() };
        let uri = self.uri(environment);
        if uri.starts_with("sqlite:") {
            let hint = "name a file: `sqlite:///runs.db` here, `sqlite:////data/runs.db` anywhere";
            let path = file(&uri).map_err(|why| wrong(format!("`{uri}` names no file: {why}"), hint))?;
            if !cfg!(feature = "mlflow-embedded") {
                let text = format!("`{uri}` is a file, and this build only knows servers");
                let hint =
                    "build it with the feature `mlflow-embedded`, or name a server: `http://localhost:5000`";
                return Err(wrong(text, hint));
            }
            return Ok(Target::Store(path));
        }
        Address::parse(&uri, environment).map(Target::Server).map_err(|why| {
            let shown = Address::without_secrets(&uri);
            wrong(
                format!("`{shown}` is no MLflow server: {why}"),
                "use an address such as `http://localhost:5000`, or a file: `sqlite:///mlflow.db`",
            )
        })
    }

    /// The same place, also after the program changes its folder or environment.
    #[must_use]
    pub fn absolute(mut self) -> Self {
        if let Ok(Target::Store(path)) = self.target(&Environment::default()) {
            self.tracking_uri = Some(uri_of(&path));
        }
        self
    }

    /// What was asked for as it is used, without a password: a file by its whole path.
    pub fn shown(&self) -> String {
        Address::without_secrets(&self.clone().absolute().uri(&Environment::default()))
    }

    /// The file in which runs are kept, unless that is a server's matter.
    pub fn file(&self) -> Option<PathBuf> {
        match self.target(&Environment::default()) {
            Ok(Target::Store(path)) => Some(path),
            _ => None,
        }
    }
}

/// The URI of a file, as MLflow takes it.
pub fn uri_of(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

/// The path in `sqlite:///relative` or `sqlite:////absolute`, made absolute.
fn file(uri: &str) -> Result<PathBuf, String> {
    let path = uri.strip_prefix("sqlite:///").ok_or("there must be three `/`, and a path")?;
    if path.is_empty() || path == ":memory:" {
        return Err("what is in memory ends with the program".to_owned());
    }
    if path.contains('?') {
        return Err("it carries options".to_owned());
    }
    std::path::absolute(path).map_err(|error| error.to_string())
}

#[cfg(all(test, feature = "mlflow-embedded"))]
mod tests {
    use super::*;

    fn target(uri: Option<&str>, environment: &Environment) -> Result<Target, String> {
        let config = MlflowConfig { tracking_uri: uri.map(str::to_owned), ..MlflowConfig::default() };
        config.target(environment).map_err(|wrong| wrong.message)
    }

    #[test]
    fn an_argument_beats_the_environment_beats_the_usual_file() {
        let here = std::env::current_dir().unwrap();
        let (none, server) =
            (Environment::from([]), Environment::from([("MLFLOW_TRACKING_URI", "http://a:1")]));
        let file = |target| match target {
            Ok(Target::Store(path)) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(file(target(None, &none)), here.join("mlflow.db"));
        assert_eq!(file(target(Some(" "), &none)), here.join("mlflow.db"));
        assert!(matches!(target(None, &server), Ok(Target::Server(_))));
        assert_eq!(file(target(Some("sqlite:///b.db"), &server)), here.join("b.db"));
        assert_eq!(file(target(Some("sqlite:////x/b.db"), &none)), PathBuf::from("/x/b.db"));
        assert!(matches!(target(Some("https://a"), &none), Ok(Target::Server(_))));
    }

    #[test]
    fn what_is_no_file_is_said() {
        let none = Environment::from([]);
        for uri in [
            "sqlite://",
            "sqlite:",
            "sqlite:///:memory:",
            "sqlite:///a.db?mode=ro",
            "file:///mlruns",
            "mlruns",
        ] {
            assert!(target(Some(uri), &none).is_err(), "{uri}");
        }
    }

    #[test]
    fn a_file_stays_the_same_when_the_folder_changes() {
        let config = MlflowConfig::new("sqlite:///b.db").absolute();
        let there = std::env::current_dir().unwrap().join("b.db");
        assert_eq!(config.tracking_uri.as_deref(), Some(&*uri_of(&there)));
        assert_eq!(config.file(), Some(there));
        assert_eq!(MlflowConfig::new("http://u:p@a").shown(), "http://a");
    }
}
