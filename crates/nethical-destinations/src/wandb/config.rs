use std::path::PathBuf;
use std::time::Duration;

use nethical_core::delivery::Error;
use nethical_core::spool::Durability;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::environment::{self, Mode, PUBLIC, Variables};
use super::limits;
use super::upload::Rhythm;

/// Options of `wandb`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WandbConfig {
    /// The project. Without it `WANDB_PROJECT`, then `uncategorized`.
    #[serde(default)]
    pub project: Option<String>,
    /// The user or team that has the project. Without it `WANDB_ENTITY`, then the usual one of the key.
    #[serde(default)]
    pub entity: Option<String>,
    /// The key. Without it `WANDB_API_KEY`, then what `wandb login` left in `~/.netrc`; without any, runs are
    /// written to disk only.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub api_key: Option<String>,
    /// Where the server is. Without it `WANDB_BASE_URL`, then `https://api.wandb.ai`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Whether runs are uploaded. Without it `WANDB_MODE`, then `online`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The folder in which `wandb/` is made, with a directory for each run. Without it `WANDB_DIR`, then the
    /// working directory.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// The job type of each run, for grouping.
    #[serde(default)]
    pub job_type: Option<String>,
    /// Seconds between two requests of a run that goes on, at least. What is left at its end is sent at once, then
    /// twice a second.
    #[serde(default = "default_interval")]
    #[schemars(range(min = 0.0, max = 600.0))]
    pub upload_interval: f64,
    /// What of a run survives on disk; without it as for everything else.
    #[serde(default)]
    pub durability: Option<RunDurability>,
    /// The most that the program gives a request, in all; without it the usual deadlines.
    #[serde(skip)]
    pub request_timeout: Option<Duration>,
}

/// The key is not shown.
impl std::fmt::Debug for WandbConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WandbConfig")
            .field("project", &self.project)
            .field("entity", &self.entity)
            .field("base_url", &self.base_url)
            .field("mode", &self.mode)
            .field("directory", &self.directory)
            .field("upload_interval", &self.upload_interval)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

/// What of a run survives on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunDurability {
    /// The end of the process, but for the last 20 ms.
    None,
    /// Also the end of the machine, but for the last 20 ms.
    Interval,
    /// Everything, when the call returns.
    Every,
}

impl From<RunDurability> for Durability {
    fn from(durability: RunDurability) -> Self {
        match durability {
            RunDurability::None => Self::None,
            RunDurability::Interval => Self::Interval,
            RunDurability::Every => Self::Every,
        }
    }
}

const fn default_interval() -> f64 {
    2.0
}

impl Default for WandbConfig {
    fn default() -> Self {
        Self {
            project: None,
            entity: None,
            api_key: None,
            base_url: None,
            mode: None,
            directory: None,
            job_type: None,
            upload_interval: default_interval(),
            durability: None,
            request_timeout: None,
        }
    }
}

/// An option that cannot be meant as it is.
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

impl WandbConfig {
    /// The usual options for this project.
    pub fn new(project: impl Into<String>) -> Self {
        Self { project: Some(project.into()), ..Self::default() }
    }

    /// The first option that cannot work. Touches nothing.
    pub(super) fn fault(&self) -> Option<Wrong> {
        let wrong =
            |key, (message, hint): (String, &str)| Some(Wrong { key, message, hint: hint.to_owned() });
        if let Some(Err(why)) = self.project.as_deref().map(limits::project) {
            return wrong("project", why);
        }
        if let Some(Err(why)) = self.entity.as_deref().map(limits::entity) {
            return wrong("entity", why);
        }
        if let Some(Err(why)) = self.base_url.as_deref().map(address) {
            return wrong("base_url", why);
        }
        if self.api_key.as_deref().is_some_and(|key| !limits::is_key(key)) {
            return wrong("api_key", (NO_KEY.to_owned(), KEY_HINT));
        }
        if let Some(Err(error)) = self.job_type.as_deref().map(limits::job_type) {
            let hint = error.hint().unwrap_or_default().to_owned();
            return Some(Wrong { key: "job_type", message: error.to_string(), hint });
        }
        if !(0.0..=600.0).contains(&self.upload_interval) {
            let message = format!("upload_interval is {}", self.upload_interval);
            return wrong("upload_interval", (message, "use 0 to 600 seconds"));
        }
        None
    }

    /// The same with what the environment adds.
    ///
    /// # Errors
    /// If something in the environment cannot be meant as it is.
    pub(super) fn resolve(&self, variables: Variables<'_>) -> Result<Resolved, Error> {
        if let Some(wrong) = self.fault() {
            return Err(Error::config("wandb.option", wrong.message).with_hint(wrong.hint));
        }
        let or = |own: &Option<String>, name: &str| own.clone().or_else(|| variables(name));
        let base_url = or(&self.base_url, "WANDB_BASE_URL").unwrap_or_else(|| PUBLIC.to_owned());
        let host = environment::host_of(&base_url);
        let key = or(&self.api_key, "WANDB_API_KEY").or_else(|| environment::key_in_netrc(host, variables));
        let given = self.mode.or_else(|| variables("WANDB_MODE").as_deref().and_then(Mode::of));
        let directory = self.directory.clone().or_else(|| variables("WANDB_DIR").map(PathBuf::from));
        let resolved = Resolved {
            project: or(&self.project, "WANDB_PROJECT"),
            entity: or(&self.entity, "WANDB_ENTITY"),
            key,
            base_url: base_url.trim_end_matches('/').to_owned(),
            mode: given.unwrap_or_default(),
            parent: super::directory::parent(directory.as_deref()),
            job_type: self.job_type.clone().or_else(|| variables("WANDB_JOB_TYPE")),
            interval: Duration::from_secs_f64(self.upload_interval),
            request_timeout: self.request_timeout,
        };
        resolved.check()?;
        Ok(resolved)
    }
}

const NO_KEY: &str = "this is no key of W&B's";
const KEY_HINT: &str = "a key has at least 40 letters, digits, `_` and `-`; see https://wandb.ai/authorize";

/// Whether this can be the address of a server. What may hold a password is not shown.
fn address(text: &str) -> Result<(), (String, &'static str)> {
    match Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(()),
        Some(_) => Err((
            "there is a user or a password in the address of the server".to_owned(),
            "leave it out of the address, and give the key as `api_key` or `WANDB_API_KEY`",
        )),
        None if text.contains('@') => {
            Err(("this is no address of a server".to_owned(), "start it with `https://` and the host"))
        }
        None => Err((format!("`{text}` is no address"), "start it with `https://`")),
    }
}

/// Options with everything that the environment adds.
#[derive(Clone)]
pub(super) struct Resolved {
    pub(super) project: Option<String>,
    pub(super) entity: Option<String>,
    pub(super) key: Option<String>,
    pub(super) base_url: String,
    pub(super) mode: Mode,
    pub(super) parent: PathBuf,
    pub(super) job_type: Option<String>,
    pub(super) interval: Duration,
    pub(super) request_timeout: Option<Duration>,
}

/// A sign of life after so long without a request: W&B calls a run without any crashed.
const HEARTBEAT: Duration = Duration::from_secs(30);

impl Resolved {
    /// How often the server is spoken to.
    pub(super) const fn rhythm(&self) -> Rhythm {
        Rhythm { interval: self.interval, heartbeat: HEARTBEAT }
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |variable: &str, (message, hint): (String, &'static str)| {
            Err(Error::config("wandb.environment", format!("wandb: `{variable}`: {message}")).with_hint(hint))
        };
        if let Err(why) = address(&self.base_url) {
            return wrong("WANDB_BASE_URL", why);
        }
        if let Some(Err(why)) = self.project.as_deref().map(limits::project) {
            return wrong("WANDB_PROJECT", why);
        }
        if let Some(Err(why)) = self.entity.as_deref().map(limits::entity) {
            return wrong("WANDB_ENTITY", why);
        }
        if self.mode == Mode::Online && self.key.as_deref().is_some_and(|key| !limits::is_key(key)) {
            return wrong("WANDB_API_KEY", (NO_KEY.to_owned(), KEY_HINT));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_fills_in_what_is_not_given() {
        let variables = |name: &str| match name {
            "WANDB_PROJECT" => Some("from-env".to_owned()),
            "WANDB_ENTITY" => Some("team".to_owned()),
            "WANDB_API_KEY" => Some("k".repeat(40)),
            "WANDB_BASE_URL" => Some("http://localhost:8080/".to_owned()),
            "WANDB_MODE" => Some("dryrun".to_owned()),
            "WANDB_DIR" => Some("/data".to_owned()),
            _ => None,
        };
        let resolved = WandbConfig::default().resolve(&variables).unwrap();
        assert_eq!(resolved.project.as_deref(), Some("from-env"));
        assert_eq!(resolved.base_url, "http://localhost:8080");
        assert_eq!((resolved.mode, resolved.parent), (Mode::Offline, PathBuf::from("/data/wandb")));
        let given = WandbConfig { mode: Some(Mode::Online), ..WandbConfig::new("mine") };
        let resolved = given.resolve(&variables).unwrap();
        assert_eq!((resolved.project.as_deref(), resolved.mode), (Some("mine"), Mode::Online));
    }

    #[test]
    fn wrong_options_are_named_and_keys_are_not_shown() {
        let none = |_: &str| None;
        let key = |config: WandbConfig| config.fault().map(|wrong| wrong.key);
        assert_eq!(key(WandbConfig::new("a/b")), Some("project"));
        assert_eq!(
            key(WandbConfig { api_key: Some("short".into()), ..WandbConfig::new("p") }),
            Some("api_key")
        );
        assert_eq!(
            key(WandbConfig { base_url: Some("ftp://x".into()), ..WandbConfig::new("p") }),
            Some("base_url")
        );
        for url in
            ["https://ann:s3cret@wandb.local", "https://s3cret@wandb.local", "ftp://ann:s3cret@x", "s3cret@x"]
        {
            let config = WandbConfig { base_url: Some(url.into()), ..WandbConfig::new("p") };
            let wrong = config.fault().unwrap();
            assert_eq!(wrong.key, "base_url");
            assert!(!format!("{} {}", wrong.message, wrong.hint).contains("s3cret"), "{}", wrong.message);
            let inherited = |name: &str| (name == "WANDB_BASE_URL").then(|| url.to_owned());
            let error = WandbConfig::new("p").resolve(&inherited).err().unwrap();
            assert!(
                error.code() == "wandb.environment" && !format!("{error:?}").contains("s3cret"),
                "{error:?}"
            );
        }
        assert_eq!(
            key(WandbConfig { upload_interval: -1.0, ..WandbConfig::new("p") }),
            Some("upload_interval")
        );
        assert_eq!(key(WandbConfig::new("p")), None);
        let secret = WandbConfig { api_key: Some("s3cret".repeat(8)), ..WandbConfig::new("p") };
        assert!(!format!("{secret:?}").contains("s3cret"));
        let bad = |name: &str| (name == "WANDB_API_KEY").then(|| "short".to_owned());
        let error = WandbConfig::new("p").resolve(&bad).err().unwrap();
        assert!(!format!("{error:?}").contains("short"), "{error:?}");
        assert!(WandbConfig::new("p").resolve(&none).is_ok(), "without a key it is offline");
    }
}
