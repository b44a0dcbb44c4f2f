//! What began is told before that it is over, also where many requests are under way at once.

use std::collections::HashMap;

use nethical_receivers::http::{Answer, HttpPeer};

use crate::{PATIENCE, open};

#[test]
fn a_web_address_hears_of_each_key_in_order_also_after_faults() {
    const KEYS: usize = 4;
    const TURNS: usize = 8;
    let home = tempfile::tempdir().unwrap();
    let hook = HttpPeer::start().unwrap();
    hook.answer(Answer::new(503));
    hook.answer(Answer::new(200));
    (0..3).for_each(|_| hook.answer(Answer::new(503)));
    let nethical = open(home.path(), &format!("[alerts.http]\nurl = '{}'\n", hook.url()));
    let alerts = nethical.alerts();
    for turn in 0..TURNS {
        for key in 0..KEYS {
            let key = format!("key {key}");
            if turn % 2 == 0 {
                assert!(alerts.error("Loss", "is high").key(&key).send().is_sent());
            } else {
                assert!(alerts.resolve(&key).is_sent());
            }
        }
    }
    assert!(nethical.close(PATIENCE));

    // A request that was refused came again: the last of each id is the one that was taken.
    let requests = hook.requests();
    assert!(requests.len() > KEYS * TURNS, "the faults were met");
    let last: HashMap<_, _> =
        requests.iter().enumerate().map(|(place, request)| (request.header("webhook-id"), place)).collect();
    let mut told = HashMap::<String, Vec<String>>::new();
    for (place, request) in requests.iter().enumerate() {
        if last[&request.header("webhook-id")] == place {
            let metadata = request.json().unwrap()["metadata"].take();
            let text = |name: &str| metadata[name].as_str().unwrap().to_owned();
            told.entry(text("key")).or_default().push(text("status"));
        }
    }
    let in_turn: Vec<_> =
        ["firing", "resolved"].iter().cycle().take(TURNS).map(|&text| text.to_owned()).collect();
    assert_eq!(told.len(), KEYS);
    for (key, statuses) in told {
        assert_eq!(statuses, in_turn, "{key}");
    }
}
