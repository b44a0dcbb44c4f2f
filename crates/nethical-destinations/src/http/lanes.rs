//! Which requests of a batch may be under way at once, and which go one after the other.

use std::collections::HashMap;

use nethical_core::event::Event;
use serde::Deserialize;

/// Events that go one after the other, with their places in the batch.
pub(super) type Lane<'a> = Vec<(usize, &'a Event)>;

/// Alerts of one key share a lane, so "resolved" never overtakes "firing"; any other event has one of its own.
pub(super) fn of<'a>(events: impl Iterator<Item = (usize, &'a Event)>) -> Vec<Lane<'a>> {
    let mut lanes: Vec<Lane<'a>> = Vec::new();
    let mut keyed = HashMap::new();
    for (index, event) in events {
        let lane = key(event).map(|key| *keyed.entry(key).or_insert(lanes.len()));
        match lane.and_then(|lane| lanes.get_mut(lane)) {
            Some(lane) => lane.push((index, event)),
            None => lanes.push(vec![(index, event)]),
        }
    }
    lanes
}

/// The key under which an alert is raised and resolved.
fn key(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct OfAlert {
        key: String,
        #[serde(rename = "status")]
        _status: String,
    }
    let message = event.message().ok()?;
    let alert: OfAlert = serde_json::from_str(message.metadata.get()).ok()?;
    Some(alert.key)
}

#[cfg(test)]
mod tests {
    use nethical_core::event::{Alert, Message, Severity};
    use serde_json::json;

    use super::*;

    fn alert(key: &str) -> Event {
        Alert::new(Severity::Error, "Loss", "is high").with_key(key).encode().event
    }

    #[test]
    fn alerts_of_one_key_follow_each_other_and_nothing_else_waits() {
        let plain = || Message::new("t", json!({ "key": "a", "status": "firing" })).encode().event;
        let events = [alert("a"), plain(), alert("b"), alert("a"), plain(), alert("b"), alert("a")];
        let lanes = of(events.iter().enumerate());
        let places: Vec<Vec<_>> =
            lanes.iter().map(|lane| lane.iter().map(|(index, _)| *index).collect()).collect();
        assert_eq!(places, [vec![0, 3, 6], vec![1], vec![2, 5], vec![4]]);
    }
}
