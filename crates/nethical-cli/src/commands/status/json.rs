//! The view for programs.

use nethical::delivery::{DestinationReport, ProcessReport};
use serde_json::{Value, json};

use super::View;
use super::view::Left;

/// All of it.
pub(super) fn whole(view: &View) -> Value {
    let total = &view.total;
    let mut sums = json!(total.ledger);
    if let Some(sums) = sums.as_object_mut() {
        sums.insert("waiting_bytes".to_owned(), total.bytes.into());
        sums.insert("oldest".to_owned(), json!(total.oldest));
    }
    json!({
        "home": view.home,
        "config": view.config,
        "processes": view.processes.iter().map(process).collect::<Vec<_>>(),
        "left": left(&view.left, Left::remedy),
        "total": sums,
    })
}

/// What is in nobody's hands.
pub(crate) fn left(left: &[Left], remedy: impl Fn(&Left) -> String) -> Value {
    let one = |left: &Left| {
        json!({
            "key": left.key,
            "waiting": left.events,
            "waiting_bytes": left.bytes,
            "orphan": left.is_orphan(),
            "remedy": remedy(left),
            "server": left.runs.as_ref().map(|runs| &runs.server),
            "runs": left.runs.as_ref().map(|runs| &runs.paths),
        })
    };
    left.iter().map(one).collect()
}

fn process(process: &ProcessReport) -> Value {
    let ProcessReport { directory, running, pid, written, destinations } = process;
    json!({
        "pid": pid,
        "running": running,
        "directory": directory,
        "written": written,
        "destinations": destinations.iter().map(|report| destination(report, *running)).collect::<Vec<_>>(),
    })
}

fn destination(report: &DestinationReport, running: bool) -> Value {
    json!({
        "key": report.key,
        "open": running && report.open,
        "ledger": report.ledger,
        "waiting_bytes": report.waiting_bytes,
        "oldest": report.oldest,
        "down_since": report.down_since,
        "breaker_open": report.breaker_open,
        "last_error": report.last_error,
    })
}
