//! Any bytes in place of a small file of a home: what is known of alerts, of deliveries, of processes and of open runs.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nethical::config::Format;
use nethical::delivery::{RecordFilter, Settings, SpoolSettings, deliveries, survey};
use nethical::tracking::StartRun;
use nethical::{Config, Nethical};

const CONFIG: &str = "[logging.memory]\n[alerts.ops]\ntype = 'memory'\n[alerts.hook]\ntype = 'http'\nurl = 'http://127.0.0.1:9/'\n[runs.kept]\ntype = 'memory'\n";

fuzz_target!(|input: &[u8]| {
    let [which, bytes @ ..] = input else { return };
    let template = template();
    let folder = tempfile::tempdir().expect("a folder");
    for (path, usual) in template {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, usual).expect("room");
    }
    let (damaged, _) = &template[usize::from(*which) % template.len()];
    fs::write(folder.path().join(damaged), bytes).expect("room");
    let _ = survey(folder.path());
    let _ = deliveries(folder.path(), &RecordFilter::default(), 100);
    let nethical = open(folder.path());
    raise(&nethical);
    let run = nethical.runs().platform("kept").expect("it is configured");
    run.start_run(&StartRun { experiment: "e", ..StartRun::default() }).expect("a run");
    nethical.close(Duration::from_millis(1));
});

fn open(home: &Path) -> Nethical {
    let home = home.to_owned();
    let change = move |settings: Settings| Settings {
        spool: SpoolSettings { home: Some(home.clone()), enabled: None, ..settings.spool },
        observer: std::sync::Arc::new(|_| {}),
        ..settings
    };
    let config = Config::parse("fuzz", CONFIG, Format::Toml).expect("it is sound");
    config.open_with(&change).expect("damage stops no start")
}

fn raise(nethical: &Nethical) {
    let _ = nethical.alerts().critical("title", "message").key("k").send();
}

/// The small files of a home that was used, by their places in it.
fn template() -> &'static [(PathBuf, Vec<u8>)] {
    static TEMPLATE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let nethical = open(folder.path());
        raise(&nethical);
        let run = nethical.runs().platform("kept").expect("it is configured");
        run.start_run(&StartRun { experiment: "e", ..StartRun::default() }).expect("a run");
        std::thread::sleep(Duration::from_millis(1_500));
        let mut files = Vec::new();
        list(folder.path(), folder.path(), &mut files);
        nethical.close(Duration::from_millis(1));
        assert!(!files.is_empty(), "a home that was used has files");
        files.sort();
        files
    })
}

fn list(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            list(root, &path, files);
        } else if let Ok(bytes) = fs::read(&path) {
            let is_small = bytes.len() < 8_192 && !path.ends_with("lock");
            is_small.then(|| files.push((path.strip_prefix(root).expect("below").to_owned(), bytes)));
        }
    }
}
