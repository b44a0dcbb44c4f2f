//! Profiles with keys, as the AWS command line writes them (`~/.aws/config`, `~/.aws/credentials`).

use aws_credential_types::Credentials;

/// What the two files say of one profile.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// Whether there is one of this name.
    pub(super) exists: bool,
    /// Its region.
    pub(super) region: Option<String>,
    /// Its keys, if they are what it works with.
    pub(super) keys: Option<Credentials>,
    /// What it works with instead: `sso_session`, `role_arn`, ...
    pub(super) other: Option<&'static str>,
}

/// Settings that say that credentials come from elsewhere.
const OTHERS: [&str; 6] = [
    "role_arn",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "web_identity_token_file",
    "login_session",
];

/// Read the profile `name`. What `credentials` says counts more.
pub(super) fn read(name: &str, config: &str, credentials: &str) -> Profile {
    let in_config = |section: &str| match section.strip_prefix("profile") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim() == name,
        _ => section == name && name == "default",
    };
    let mut settings = Vec::new();
    let known = collect(credentials, |section| section == name, &mut settings)
        | collect(config, in_config, &mut settings);
    let get =
        |key: &str| settings.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    let other = OTHERS.into_iter().find(|key| get(key).is_some());
    let keys = match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (Some(id), Some(secret)) if other.is_none() => {
            Some(Credentials::new(id, secret, get("aws_session_token"), None, "profile"))
        }
        _ => None,
    };
    Profile { exists: known, region: get("region"), keys, other }
}

/// Add the settings of the sections that `wanted` names. Returns whether there was one.
fn collect<'t>(text: &'t str, wanted: impl Fn(&str) -> bool, settings: &mut Vec<(&'t str, &'t str)>) -> bool {
    let (mut inside, mut found) = (false, false);
    for line in text.lines() {
        // An indented line belongs to the setting above it, none of which are ours.
        if line.starts_with(char::is_whitespace) || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            inside = section.split(']').next().is_some_and(|section| wanted(section.trim()));
            found |= inside;
        } else if inside && let Some((key, value)) = line.split_once('=') {
            let value = value.split(" #").next().unwrap_or_default().trim();
            settings.push((key.trim(), value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# comment\n[default]\nregion=eu-west-1\n\n[profile ops]\nregion = us-west-2 # here\n\
        s3 =\n  region = wrong\n[profile sso]\nsso_session = corp\naws_access_key_id = A\naws_secret_access_key = B\n";
    const CREDENTIALS: &str = "[default]\naws_access_key_id = ID\naws_secret_access_key = SECRET=\n\
        [ops]\naws_access_key_id=ID2\naws_secret_access_key=S2\naws_session_token = T\n";

    #[test]
    fn keys_and_region_come_from_both_files() {
        let profile = read("default", CONFIG, CREDENTIALS);
        let keys = profile.keys.unwrap();
        assert_eq!((keys.access_key_id(), keys.secret_access_key()), ("ID", "SECRET="));
        assert_eq!(profile.region.as_deref(), Some("eu-west-1"));
        let profile = read("ops", CONFIG, CREDENTIALS);
        assert_eq!(profile.region.as_deref(), Some("us-west-2"));
        assert_eq!(profile.keys.unwrap().session_token(), Some("T"));
    }

    #[test]
    fn other_kinds_of_profile_are_told_apart() {
        let profile = read("sso", CONFIG, CREDENTIALS);
        assert!(profile.exists && profile.keys.is_none());
        assert_eq!(profile.other, Some("sso_session"));
        assert!(!read("nobody", CONFIG, CREDENTIALS).exists);
    }
}
