//! What the file and the environment say beside the destinations.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nethical::Config;
use nethical::config::CONFIG_VARIABLE;
use nethical::destinations::support::options::{nearest, one_of};
use nethical::destinations::support::webhook::WebhookUrl;

use super::finding::Finding;

/// The variables that this project knows.
const KNOWN: [&str; 6] = [
    CONFIG_VARIABLE,
    "NETHICAL_EXIT_TIMEOUT",
    "NETHICAL_HOME",
    "NETHICAL_RUN",
    "NETHICAL_SPOOL",
    "NETHICAL_WEBHOOK_SECRET",
];

/// Those that name proxies for HTTP.
const PROXIES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Those that name authorities to trust.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Everything that is worth a line.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut found = vec![file(config)];
    found.extend(env::vars_os().filter_map(|(name, _)| unknown(name.to_str()?)));
    found.extend(PROXIES.into_iter().filter_map(proxy));
    found.extend(AUTHORITIES.into_iter().filter_map(authority));
    found
}

/// Who may read the secrets of the file.
fn file(config: &Config) -> Finding {
    let path = config.name();
    let mode = fs::metadata(path).map(|about| about.permissions().mode() & 0o777).unwrap_or_default();
    let secrets = config.destinations().iter().flat_map(|destination| {
        let (section, name) = (destination.section().name(), destination.name());
        destination.inline_secrets().iter().map(move |key| format!("{section}.{name}.{key}"))
    });
    let secrets: Vec<_> = secrets.collect();
    let Some(first) = secrets.first().filter(|_| mode & 0o044 != 0) else {
        return Finding::ok("file", format!("{path}, read and right"));
    };
    let key = first.rsplit('.').next().unwrap_or_default();
    Finding::warning(
        "file",
        format!(
            "{path} has the mode {mode:o}, so others can read {}",
            one_of(secrets.iter().map(String::as_str), "and")
        ),
        format!("`chmod 600 {path}`, or leave the secret to the environment: `{key} = \"${{NAME}}\"`"),
    )
}

/// A variable that looks like one of ours and is none.
fn unknown(name: &str) -> Option<Finding> {
    if !name.starts_with("NETHICAL_") || KNOWN.contains(&name) {
        return None;
    }
    let hint = match nearest(name, KNOWN) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("those that are known: {}", one_of(KNOWN, "and")),
    };
    Some(Finding::warning(name, "nothing reads this variable, unless the configuration does", hint))
}

fn proxy(name: &str) -> Option<Finding> {
    let value = env::var(name).ok().filter(|value| !value.is_empty())?;
    let with_scheme = if value.contains("://") { value } else { format!("http://{value}") };
    Some(match with_scheme.parse::<WebhookUrl>() {
        Ok(proxy) => {
            let proxy = proxy.to_string();
            let except = ["NO_PROXY", "no_proxy"].into_iter().find(|name| env::var_os(name).is_some());
            let except = except.map(|name| format!(", except to what {name} names")).unwrap_or_default();
            Finding::ok(name, format!("requests go through {}{except}", proxy.trim_end_matches(['/', '…'])))
        }
        Err(why) => {
            Finding::warning(name, format!("no proxy that can be used: {why}"), "write `http://HOST:PORT`")
        }
    })
}

fn authority(name: &str) -> Option<Finding> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    let path = Path::new(&value);
    if path.exists() {
        return Some(Finding::ok(name, format!("{} says whom TLS trusts", path.display())));
    }
    let hint = "correct or unset it: without an authority no certificate is trusted";
    Some(Finding::warning(name, format!("{} is not there", path.display()), hint))
}
