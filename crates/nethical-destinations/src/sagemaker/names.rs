//! Names as SageMaker takes them.

use nethical_core::event::{EventId, Timestamp};
use sha2::{Digest, Sha256};

/// "Length Constraints: Minimum length of 1. Maximum length of 120. Pattern: `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}`"
pub(super) const NAME: usize = 120;
/// The name of a training job: "Maximum length of 63." That of a run is one too, as a job is called like its run.
pub(super) const JOB: usize = 63;
/// `-2026-03-01-12-34-56-789-a1b2c3d4`
const STAMP: usize = 33;

/// Whether this is a name of an experiment, trial or component.
pub(super) fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    bytes.len() <= NAME && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(known)
}

/// Whether this is the name of a component that metrics can be put to: "must be entirely lowercase".
pub(super) fn is_run(text: &str) -> bool {
    is_name(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The name of an experiment: in lower case, with `-` for whatever cannot be in it. A part of the hash of what was given
/// tells names apart that would be the same.
pub(super) fn experiment(given: &str) -> String {
    let cleaned = cleaned(given, char::to_ascii_lowercase);
    if cleaned == given && (1..=NAME).contains(&given.len()) {
        return cleaned;
    }
    let digest = Sha256::digest(given.as_bytes());
    let hash: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    match cut(&cleaned, NAME - 7) {
        "" => format!("experiment-{hash}"),
        start => format!("{start}-{hash}"),
    }
}

/// The nearest to what was given that may be shown as a name.
pub(super) fn shown(given: &str) -> String {
    let cleaned = cleaned(given, |char| *char);
    match cut(&cleaned, NAME) {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// A name for a run that no other has: what it is called, the time, and chance.
pub(super) fn run(called: &str, at: Timestamp) -> String {
    let cleaned = cleaned(called, char::to_ascii_lowercase);
    let start = match cut(&cleaned, JOB - STAMP) {
        "" => "run",
        start => start,
    };
    let stamp: String =
        at.to_string().chars().map(|char| if char.is_ascii_digit() { char } else { '-' }).take(19).collect();
    let chance = EventId::new();
    let chance: String = chance.as_bytes().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{start}-{stamp}-{:03}-{chance}", at.as_millisecond().rem_euclid(1_000))
}

/// Runs of characters that cannot be in a name become one `-` each, and none stands at an end.
fn cleaned(given: &str, change: impl Fn(&char) -> char) -> String {
    let mut name = String::with_capacity(given.len());
    for char in given.chars() {
        if char.is_ascii_alphanumeric() {
            name.push(change(&char));
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(name.trim_end_matches('-').len());
    name
}

/// The first characters of a cleaned name.
fn cut(name: &str, most: usize) -> &str {
    name.get(..most.min(name.len())).unwrap_or(name).trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_name_stays_and_what_is_none_is_told_apart() {
        assert_eq!(experiment("sentiment-2"), "sentiment-2");
        assert_eq!(experiment("a".repeat(120).as_str()), "a".repeat(120));
        let changed = ["a b", "a_b", "A-b", "a--b", "a-b-", "-a-b"].map(experiment);
        let mut apart = changed.to_vec();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), changed.len());
        assert!(changed.iter().all(|name| name.starts_with("a-b-") && name.len() == 10), "{changed:?}");
        assert_eq!(experiment(&"a".repeat(121)).len(), 120);
        assert!(["日本", ""].iter().all(|given| experiment(given).starts_with("experiment-")));
    }

    #[test]
    fn the_own_name_is_shown_as_near_as_can_be() {
        assert_eq!(shown("Fraud-Detection"), "Fraud-Detection");
        assert_eq!(shown("fraud_detection v2"), "fraud-detection-v2");
        assert_eq!(shown("…"), "unnamed");
    }

    #[test]
    fn a_run_is_named_by_what_it_is_called_and_when() {
        let at: Timestamp = "2026-03-01T12:34:56.789Z".parse().unwrap();
        let name = run("BERT_base", at);
        assert!(name.starts_with("bert-base-2026-03-01-12-34-56-789-"), "{name}");
        assert_eq!(run(&"x".repeat(500), at).len(), JOB);
        assert_ne!(run("a", at), run("a", at));
    }

    proptest! {
        #[test]
        fn whatever_is_given_is_a_name_in_the_end(given in any::<String>()) {
            let (name, run) = (experiment(&given), run(&given, Timestamp::now()));
            prop_assert!(is_run(&name), "{name}");
            prop_assert!(is_run(&run) && run.len() <= JOB, "{run}");
            prop_assert!(is_name(&shown(&given)));
        }
    }
}
