//! What W&B takes, checked at the call: what is wrong is told to the caller, not to a log hours later.

use nethical_core::delivery::Error;

/// The most bytes that W&B takes in one line of history: 10 MiB less what the request needs around it.
pub(crate) const LARGEST_ROW: usize = 10_383_360;

/// The most bytes of a configuration: W&B refuses more than 15 MB.
pub(crate) const LARGEST_CONFIG: usize = 15_000_000;

fn wrong(code: &'static str, message: String, hint: &str) -> Error {
    Error::refused(code, message).with_hint(hint)
}

fn within(what: &str, text: &str, most: usize, code: &'static str) -> Result<(), Error> {
    let length = text.chars().count();
    if length <= most {
        return Ok(());
    }
    Err(wrong(
        code,
        format!("wandb: this {what} has {length} characters, and W&B takes {most}"),
        &format!("use a shorter {what}"),
    ))
}

/// Whether this can be the id of a run.
///
/// # Errors
/// If not.
pub(crate) fn run_id(id: &str) -> Result<(), Error> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(known) {
        return Ok(());
    }
    Err(wrong(
        "wandb.run_id",
        format!("wandb: `{id}` cannot be the id of a run"),
        "use 1 to 64 of letters, digits, `_` and `-`",
    ))
}

/// Whether this can be the name of a project.
///
/// # Errors
/// If not: in words, and what to do.
pub(crate) fn project(name: &str) -> Result<(), (String, &'static str)> {
    let length = name.chars().count();
    if !(1..=128).contains(&length) || name.contains(['/', '\\', '#', '?', '%', ':']) {
        return Err((
            format!("`{name}` cannot be the name of a project"),
            "use 1 to 128 characters without `/ \\ # ? % :`",
        ));
    }
    Ok(())
}

/// Whether this can be the name of a user or team.
///
/// # Errors
/// If not: in words, and what to do.
pub(crate) fn entity(name: &str) -> Result<(), (String, &'static str)> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !(1..=128).contains(&name.len()) || !name.bytes().all(known) {
        let hint = "use the name of a user or team as it stands in the address of its pages";
        return Err((format!("`{name}` cannot be an entity"), hint));
    }
    Ok(())
}

/// The display name and the group of a run.
///
/// # Errors
/// If W&B would refuse them.
pub(crate) fn names(group: &str, name: Option<&str>) -> Result<(), Error> {
    within("experiment name", group, 128, "wandb.experiment")?;
    within("run name", name.unwrap_or_default(), 128, "wandb.run_name")
}

/// The job type of a run.
///
/// # Errors
/// If W&B would refuse it.
pub(crate) fn job_type(text: &str) -> Result<(), Error> {
    within("job type", text, 64, "wandb.job_type")
}

/// A tag.
///
/// # Errors
/// If W&B would refuse it.
pub(crate) fn tag(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        let hint = "use 1 to 64 characters";
        return Err(wrong("wandb.tag", "wandb: a tag is empty".to_owned(), hint));
    }
    within(&format!("tag (`{text}`)"), text, 64, "wandb.tag")
}

/// The name of a metric or parameter.
///
/// # Errors
/// If it is empty, or one of those that the client sets.
pub(crate) fn metric(name: &str) -> Result<(), Error> {
    match name {
        "" => Err(wrong(
            "wandb.metric",
            "wandb: a metric has no name".to_owned(),
            "W&B drops values without a name: give it one",
        )),
        "_step" => Err(wrong(
            "wandb.metric",
            "wandb: `_step` is W&B's own".to_owned(),
            "give the step as `step`, or use another name and `define_metric`",
        )),
        "_runtime" => {
            Err(wrong("wandb.metric", "wandb: `_runtime` is W&B's own".to_owned(), "use another name"))
        }
        _ => Ok(()),
    }
}

/// The bytes of a row as one line.
///
/// # Errors
/// If W&B would drop it.
pub(crate) fn row(bytes: usize) -> Result<(), Error> {
    if bytes <= LARGEST_ROW {
        return Ok(());
    }
    Err(wrong(
        "wandb.row_size",
        format!("wandb: this row has {bytes} bytes, and W&B takes {LARGEST_ROW}"),
        "log less at once, or large values as an artifact",
    ))
}

/// The bytes of a configuration.
///
/// # Errors
/// If W&B would refuse it.
pub(crate) fn config(bytes: usize) -> Result<(), Error> {
    if bytes <= LARGEST_CONFIG {
        return Ok(());
    }
    Err(wrong(
        "wandb.config_size",
        format!("wandb: the parameters have {bytes} bytes, and W&B takes 15 MB"),
        "log large values as an artifact",
    ))
}

/// The name of a parameter.
///
/// # Errors
/// If it is empty, or W&B's own.
pub(crate) fn parameter(name: &str) -> Result<(), Error> {
    if name.is_empty() || name == "_wandb" {
        let message = format!("wandb: `{name}` cannot be the name of a parameter");
        return Err(wrong("wandb.parameter", message, "use another name"));
    }
    Ok(())
}

/// The name of an artifact.
///
/// # Errors
/// If W&B would refuse it.
pub(crate) fn artifact(name: &str) -> Result<(), Error> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(known) {
        return Ok(());
    }
    Err(wrong(
        "wandb.artifact_name",
        format!("wandb: `{name}` cannot be the name of an artifact"),
        "use 1 to 128 of letters, digits, `_`, `-` and `.`",
    ))
}

/// A name that W&B takes for an artifact, made of any text.
pub(crate) fn artifact_name_of(text: &str) -> String {
    let known = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
    let name: String = text.chars().take(128).map(known).collect();
    if name.is_empty() { "artifact".to_owned() } else { name }
}

/// Whether a key has the shape of one: an optional prefix and `-`, then at least 40 of letters, digits, `_`
/// and `-`; or a JSON Web Token.
pub(crate) fn is_key(key: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let token = key.split('.').count() == 3;
    let part = |part: &str| !part.is_empty() && part.bytes().all(known);
    if token { key.split('.').all(part) } else { key.len() >= 40 && part(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_holds_at_its_edge_and_not_beyond() {
        let text = |length: usize| "x".repeat(length);
        assert!(run_id(&text(64)).is_ok() && run_id(&text(65)).is_err());
        for bad in ["", " a", "a b", "a:b", "a;b", "a,b", "a#b", "a?b", "a/b", "a'b", "a\\b", "a%b", "é"] {
            assert!(run_id(bad).is_err(), "{bad:?}");
        }
        assert!(project(&text(128)).is_ok() && project(&text(129)).is_err() && project("").is_err());
        assert!("/\\#?%:".chars().all(|c| project(&format!("a{c}b")).is_err()));
        assert!(project("my project").is_ok());
        assert!(tag(&text(64)).is_ok() && tag(&text(65)).is_err() && tag("").is_err());
        assert!(job_type(&text(64)).is_ok() && job_type(&text(65)).is_err());
        assert!(names(&text(128), Some(&text(128))).is_ok());
        assert!(names(&text(129), None).is_err() && names("", Some(&text(129))).is_err());
        assert!(artifact(&text(128)).is_ok() && artifact(&text(129)).is_err() && artifact("a/b").is_err());
        assert_eq!(artifact(&artifact_name_of("models/x y.pkl")).map_err(|error| error.to_string()), Ok(()));
        for bad in ["", "_step", "_runtime"] {
            assert!(metric(bad).is_err(), "{bad:?}");
        }
        assert!(metric("_timestamp").is_ok() && metric("val/loss").is_ok());
        assert!(parameter("").is_err() && parameter("_wandb").is_err() && parameter("lr").is_ok());
        assert!(entity("my-team").is_ok() && entity("my team").is_err());
        assert!(row(LARGEST_ROW).is_ok() && row(LARGEST_ROW + 1).is_err());
        assert!(config(LARGEST_CONFIG).is_ok() && config(LARGEST_CONFIG + 1).is_err());
    }

    #[test]
    fn keys_have_a_shape() {
        assert!(is_key(&"0".repeat(40)) && is_key(&format!("local-{}", "a".repeat(40))));
        assert!(is_key("aa.bb.cc") && !is_key(&"0".repeat(39)) && !is_key("") && !is_key("aa..cc"));
        assert!(!is_key(&format!("{} ", "0".repeat(40))));
    }
}
