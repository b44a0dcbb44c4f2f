//! Which webhooks there are.

use std::collections::BTreeMap;

use super::buckets::Buckets;

/// The webhook that is always there.
pub(super) const FIRST: &str = "1234567890123456789";

/// The token of every webhook.
pub(super) const TOKEN: &str = "tokenOfAWebhookThatIsOnlyKnownToThisReceiver-0123456789_abcdefghijkl";

#[derive(Debug, Default)]
pub(super) struct Hook {
    /// Whether every message belongs to a thread.
    pub(super) forum: bool,
    pub(super) buckets: Buckets,
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Hook(String),
    WrongToken,
    Unknown,
}

#[derive(Debug)]
pub(super) struct Hooks(BTreeMap<String, Hook>);

impl Default for Hooks {
    fn default() -> Self {
        Self(BTreeMap::from([(FIRST.to_owned(), Hook::default())]))
    }
}

impl Hooks {
    pub(super) fn add(&mut self, forum: bool) -> String {
        let last = self.0.keys().next_back().and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
        let id = (last + 1).to_string();
        self.0.insert(id.clone(), Hook { forum, ..Hook::default() });
        id
    }

    pub(super) fn delete(&mut self, url: &str) {
        self.0.retain(|id, _| !url.contains(&format!("/{id}/")));
    }

    pub(super) fn get(&mut self, id: &str) -> Option<&mut Hook> {
        self.0.get_mut(id)
    }

    /// `/api/webhooks/ID/TOKEN`, with or without the version of the API.
    pub(super) fn find(&self, path: &str) -> Place {
        let rest = path.strip_prefix("/api/").unwrap_or_default();
        let rest = rest
            .split_once('/')
            .filter(|(version, _)| version.starts_with('v'))
            .map_or(rest, |(_, rest)| rest);
        let Some((id, token)) = rest.strip_prefix("webhooks/").and_then(|rest| rest.split_once('/')) else {
            return Place::Unknown;
        };
        match self.0.contains_key(id) {
            false => Place::Unknown,
            true if token != TOKEN => Place::WrongToken,
            true => Place::Hook(id.to_owned()),
        }
    }
}
