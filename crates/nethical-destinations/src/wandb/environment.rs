//! What the environment says: the variables of the official client, and the key that `wandb login` left.

use std::path::{Path, PathBuf};

/// Where the public service is.
pub(crate) const PUBLIC: &str = "https://api.wandb.ai";

/// Reads variables; tests give their own.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// The variables of this process. Empty ones count as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether runs are uploaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are.
    #[default]
    Online,
    /// They are written to disk only; `nethical sync` uploads them.
    Offline,
    /// Nothing is kept.
    Disabled,
}

impl Mode {
    /// What `WANDB_MODE` says; `dryrun` is the old word for offline. Other words mean nothing here.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match text {
            "online" | "run" => Some(Self::Online),
            "offline" | "dryrun" => Some(Self::Offline),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// The key for a server that a `.netrc` has: `NETRC`, `~/.netrc` or `~/_netrc`.
pub(crate) fn key_in_netrc(host: &str, variables: Variables<'_>) -> Option<String> {
    let home = variables("HOME").map(PathBuf::from);
    let named = variables("NETRC").map(PathBuf::from);
    let usual = [".netrc", "_netrc"].into_iter().filter_map(|name| Some(home.as_deref()?.join(name)));
    let text =
        named.into_iter().chain(usual).find_map(|path| std::fs::read_to_string(Path::new(&path)).ok())?;
    password_for(&text, host)
}

/// The password of a machine in a netrc file.
fn password_for(text: &str, host: &str) -> Option<String> {
    let mut words =
        text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let mut ours = false;
    while let Some(word) = words.next() {
        match word {
            "machine" => ours = words.next() == Some(host),
            "default" => ours = true,
            "password" if ours => return words.next().map(str::to_owned),
            "login" | "account" | "password" => drop(words.next()),
            _ => {}
        }
    }
    None
}

/// The host of an address, without its port.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_right_machine_is_read() {
        let text = "machine example.com login a password wrong\n# machine api.wandb.ai password no\n\
                    machine api.wandb.ai\n  login user\n  password right # the key\ndefault login x password other";
        assert_eq!(password_for(text, "api.wandb.ai").as_deref(), Some("right"));
        assert_eq!(password_for(text, "elsewhere").as_deref(), Some("other"));
        assert_eq!(password_for("machine a login password password p", "a").as_deref(), Some("p"));
        assert_eq!(password_for("machine a", "a"), None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".netrc"), text).unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let key = key_in_netrc("api.wandb.ai", &|name| (name == "HOME").then(|| home.clone()));
        assert_eq!(key.as_deref(), Some("right"));
    }

    #[test]
    fn hosts_and_modes() {
        for url in [
            "https://api.wandb.ai",
            "http://api.wandb.ai:8080/x",
            "api.wandb.ai",
            "https://u:p@api.wandb.ai/",
        ] {
            assert_eq!(host_of(url), "api.wandb.ai", "{url}");
        }
        assert_eq!(Mode::of("dryrun"), Some(Mode::Offline));
        assert_eq!(Mode::of("shared"), None);
    }
}
