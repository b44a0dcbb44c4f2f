//! The environment and the profile files, in one place that tests replace.

use std::collections::HashMap;
use std::path::PathBuf;

use super::profile::{self, Profile};

/// Where settings come from that nobody configured.
#[derive(Debug, Clone, Default)]
pub(crate) enum Environment {
    /// The environment of this process, as it is when it is asked.
    #[default]
    Process,
    /// These variables, and nothing else.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    Only(HashMap<String, String>),
}

impl Environment {
    /// A variable that is set and not empty.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        let value = match self {
            Self::Process => std::env::var(name).ok(),
            Self::Only(vars) => vars.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The name of the profile: as configured, else `AWS_PROFILE`, else `default`.
    pub(super) fn profile_name(&self, configured: Option<&str>) -> String {
        configured
            .map(str::to_owned)
            .or_else(|| self.var("AWS_PROFILE"))
            .unwrap_or_else(|| "default".to_owned())
    }

    /// What the files say of a profile: empty if there are none. Reads files.
    pub(super) fn profile(&self, configured: Option<&str>) -> Profile {
        let name = self.profile_name(configured);
        let read = |variable, usual| {
            let home = || self.var("HOME").map(|home| PathBuf::from(home).join(".aws").join(usual));
            let path = self.var(variable).map(PathBuf::from).or_else(home);
            path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let config = read("AWS_CONFIG_FILE", "config");
        let credentials = read("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        profile::read(&name, &config, &credentials)
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(vars: [(&str, &str); N]) -> Self {
        Self::Only(vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
