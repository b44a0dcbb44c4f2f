//! What these commands say, and in which voice: results on stdout, everything else on stderr, lowercase,
//! no trailing period, `hint:` after a blank line. Colour only on a terminal and never as the only sign.

use std::fmt;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// An error that knows how to get out of it.
#[derive(Debug)]
pub(crate) struct Hinted {
    message: String,
    hint: String,
    source: Option<anyhow::Error>,
}

impl Hinted {
    /// What failed, and the command or change that helps.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), source: None }
    }

    /// The same, because of another error. (A context of `anyhow` could not be found again in the chain.)
    pub(crate) fn caused_by(self, error: anyhow::Error) -> anyhow::Error {
        Self { source: Some(error), ..self }.into()
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn std::error::Error + 'static))
    }
}

/// A line that opens a stage or a contest.
pub(crate) fn heading(name: &str, about: &str) {
    eprintln!("\n{BOLD}== {name}{BOLD:#}  {DIM}{about}{DIM:#}");
}

/// A command about to be run.
pub(crate) fn command(line: &str) {
    eprintln!("{DIM}$ {line}{DIM:#}");
}

/// Something worth knowing that is no result.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A line of a result.
pub(crate) fn result(text: &str) {
    println!("{text}");
}

/// Prints an error, its causes and then every hint along the way, the one nearest to the cause first.
pub(crate) fn report(error: &anyhow::Error) {
    eprintln!("\n{RED}error{RED:#}: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
    for hint in error.chain().rev().filter_map(|cause| cause.downcast_ref::<Hinted>()) {
        eprintln!("\n{CYAN}hint{CYAN:#}: {}", hint.hint);
    }
}

/// Prints a table to stdout; every column from `numbers` on is aligned to the right.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, numbers: usize) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{}", table.trim_fmt());
}
