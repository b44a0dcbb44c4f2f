//! What keeps a call of an API from its purpose. Answers are sorted as those of any web receiver are.

use nethical_core::delivery::{Error, Kind};

/// An option that cannot work.
pub(super) fn option(key: &str, why: &str) -> Error {
    Error::config("api.option", format!("`{key}`: {why}")).with_hint("see the options in the guide to `api`")
}

/// Success, but not what was asked for.
pub(super) fn no_json(at: &str, is_large: bool) -> Error {
    if is_large {
        return Error::unavailable("api.too_large", format!("{at} answered more than 16 MiB"))
            .with_hint("ask for less at once");
    }
    Error::unavailable("api.no_json", format!("{at} answered with success, but not with JSON"))
        .with_hint("see the address and `receive_path`, and whether a proxy answers")
}

/// The key is missing, or not taken.
pub(super) fn not_taken(at: &str, has_key: bool) -> Error {
    let text = if has_key { format!("{at} does not take the key") } else { "there is no key".to_owned() };
    Error::new(Kind::Unauthorized, "api.unauthorized", text).with_hint("see `api_key` and `auth_header`")
}
