//! What one log call with five fields costs its caller in Python, beside `logging` of the standard library.

use super::{Contest, Needs, Unit, script};
use crate::workspace::Workspace;

/// Time in the calling thread only; whatever a background thread does later is not counted.
pub(super) fn contest(workspace: &Workspace) -> Contest {
    let contestant = |name| script::contestant(workspace, "logging_calls.py", name);
    Contest {
        name: "python-log-call",
        about: "one log call with five fields, in the thread that makes it",
        unit: Unit::NanosecondsPer("call"),
        size: 100_000,
        quick: 2_000,
        needs: Needs::Python,
        contestants: ["nethical", "FileHandler", "FileHandler, JSON", "QueueHandler, JSON"]
            .map(contestant)
            .into(),
    }
}
