//! A program is killed between a breach and its delivery.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nethical::Nethical;
use nethical_receivers::http::HttpPeer;

use crate::PATIENCE;

/// Where the child keeps its state, and where it posts.
const CHILD: &str = "ALERT_TEST_CHILD";

const TEST: &str = "kill::a_breach_is_told_once_whenever_the_program_is_killed";

fn open(home: &Path, url: &str) -> Nethical {
    let text = format!(
        "[alerts.hook]\ntype = 'http'\nurl = '{url}'\nretry_delay = 0.01\n\
         [[monitors]]\nname = 'loss'\nmetric = 'loss'\ncondition = '>'\nthreshold = 1\n"
    );
    crate::open(home, &text)
}

/// Breach the threshold, say so before and after, and go on until the end.
fn be_the_child(arguments: &str) {
    let (home, url) = arguments.split_once('\n').unwrap();
    let nethical = open(Path::new(home), url);
    eprintln!("open");
    nethical.monitoring().observe("loss", 1.5);
    eprintln!("breached");
    std::thread::sleep(Duration::from_secs(600));
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Start the child and kill it so long after it said `word`.
fn kill_after(home: &Path, url: &str, word: &str, wait: Duration) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(CHILD, format!("{}\n{url}", home.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Killed(child.unwrap());
    let said = BufReader::new(child.0.stderr.take().unwrap());
    assert!(said.lines().map_while(Result::ok).any(|line| line == word), "the child never said {word}");
    std::thread::sleep(wait);
}

/// Keys and ids of what came.
fn arrived(peer: &HttpPeer) -> HashSet<(String, String)> {
    let one = |request: &nethical_receivers::http::Request| {
        let body = request.json().unwrap();
        let key = body["metadata"]["key"].as_str().unwrap().to_owned();
        (key, request.header("webhook-id").unwrap().to_owned())
    };
    peer.requests().iter().map(one).collect()
}

fn start_at(address: SocketAddr) -> HttpPeer {
    HttpPeer::start_at(address).unwrap()
}

#[test]
fn a_breach_is_told_once_whenever_the_program_is_killed() {
    if let Ok(arguments) = std::env::var(CHILD) {
        return be_the_child(&arguments);
    }
    let milliseconds = [0, 0, 1, 2, 5, 10, 15, 20, 30, 60, 200, 1_500];
    let rounds = milliseconds
        .iter()
        .flat_map(|ms| [("open", *ms, false), ("breached", *ms, false), ("breached", *ms, true)]);
    for (word, ms, is_there) in rounds {
        let home = tempfile::tempdir().unwrap();
        let mut peer = HttpPeer::start().unwrap();
        let (address, url) = (peer.address(), peer.url());
        if !is_there {
            peer.stop();
        }
        kill_after(home.path(), &url, word, Duration::from_millis(ms));
        if !is_there {
            peer = start_at(address);
        }
        let nethical = open(home.path(), &url);
        nethical.monitoring().observe("loss", 1.6);
        assert!(nethical.alerts().flush(PATIENCE));
        let keys = arrived(&peer);
        assert_eq!(keys.len(), 1, "killed {ms} ms after {word}, receiver there: {is_there}; {keys:?}");
        let state = &nethical.alerts().states()[0];
        assert_eq!((state.key.as_str(), state.sent), ("monitor:loss", 1));
        nethical.monitoring().observe("loss", 0.5);
        assert!(nethical.close(PATIENCE));
        let resolved = arrived(&peer);
        assert_eq!(resolved.len(), 2, "and its end: {resolved:?}");
    }
}
