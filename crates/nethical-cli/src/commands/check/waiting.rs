//! Who is still waited for: a line on a terminal, nothing elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the sign turns.
const TICK: Duration = Duration::from_millis(120);

pub(super) struct Waiting(ProgressBar);

impl Waiting {
    pub(super) fn begin() -> Self {
        let line = ProgressBar::hidden();
        if std::io::stderr().is_terminal() {
            if let Ok(style) = ProgressStyle::with_template("{spinner} waiting for {msg} ({elapsed})") {
                line.set_style(style);
            }
            line.set_draw_target(ProgressDrawTarget::stderr());
            line.enable_steady_tick(TICK);
        }
        Self(line)
    }

    pub(super) fn shows<'n>(&self, names: impl Iterator<Item = &'n str>) {
        if !self.0.is_hidden() {
            self.0.set_message(names.collect::<Vec<_>>().join(", "));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
