use std::env;
use std::path::{Path, PathBuf};

/// The variable that names the configuration's file.
pub const CONFIG_VARIABLE: &str = "NETHICAL_CONFIG";

/// The configuration to use: the one that was asked for, else that of [`CONFIG_VARIABLE`], else
/// `nethical.toml` in this folder, else `nethical/nethical.toml` in the user's configuration folder.
///
/// Only the last two are looked for; `None` if neither is there.
pub fn find(asked: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = asked {
        return Some(path.to_owned());
    }
    if let Some(path) = set(CONFIG_VARIABLE) {
        return Some(path);
    }
    let own = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let candidates =
        [Some(PathBuf::from("nethical.toml")), own.map(|folder| folder.join("nethical/nethical.toml"))];
    candidates.into_iter().flatten().find(|path| path.exists())
}

fn set(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
