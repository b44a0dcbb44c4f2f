//! A program is killed in the middle of what it had queued.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nethical::destinations::http::HttpConfig;
use nethical::event::Message;
use nethical::webhooks::Webhook;
use nethical_receivers::http::HttpPeer;
use serde_json::json;

use crate::{PATIENCE, settings};

const MESSAGES: usize = 10_000;

/// Where the child keeps its messages, and where it posts them.
const CHILD: &str = "WEBHOOK_TEST_CHILD";

fn open(home: &Path, url: &str) -> Webhook {
    Webhook::open("hook", Arc::new(HttpConfig::new(url.parse().unwrap())), settings(home)).unwrap()
}

fn queued_mark(home: &Path) -> PathBuf {
    home.join("queued")
}

/// Queue everything, make it durable, and go on until the end.
fn be_the_child(arguments: &str) {
    let (home, url) = arguments.split_once('\n').unwrap();
    let home = Path::new(home);
    let hook = open(home, url);
    for number in 0..MESSAGES {
        hook.queue(&Message::new("counted", json!({ "number": number })));
    }
    assert!(nethical::delivery::sync(PATIENCE));
    std::fs::write(queued_mark(home), "").unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn none_of_10_000_is_lost_and_repeats_share_their_id() {
    if let Ok(arguments) = std::env::var(CHILD) {
        return be_the_child(&arguments);
    }
    let home = tempfile::tempdir().unwrap();
    let before = HttpPeer::start().unwrap();
    let (address, url) = (before.address(), before.url());
    // Nobody listens until everything is queued.
    before.stop();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::none_of_10_000_is_lost_and_repeats_share_their_id"])
        .env(CHILD, format!("{}\n{url}", home.path().display()))
        .stdout(Stdio::null())
        .spawn();
    let child = Killed(child.unwrap());
    testkit::until("all are queued", || queued_mark(home.path()).exists());
    let peer = HttpPeer::start_at(address).unwrap();
    testkit::until("it is in the middle", || peer.count() >= MESSAGES as u64 / 3);
    drop(child);
    let at_the_kill = peer.count();
    assert!(at_the_kill < MESSAGES as u64, "killed too late: {at_the_kill}");

    let hook = open(home.path(), &url);
    assert!(hook.connector().close(PATIENCE), "{:?}", hook.connector().status());
    let requests = peer.requests();
    let mut seen = HashSet::new();
    let mut ids = HashSet::new();
    for request in &requests {
        let number = request.json().unwrap()["data"]["number"].as_u64().unwrap();
        let id = request.header("webhook-id").unwrap().to_owned();
        seen.insert((number, id.clone()));
        ids.insert(id);
    }
    assert_eq!((seen.len(), ids.len()), (MESSAGES, MESSAGES), "of {} requests", requests.len());
    assert!(requests.len() < MESSAGES + 256, "{} repeats", requests.len() - MESSAGES);
    assert!(hook.connector().status().unwrap().ledger.balances());
}
