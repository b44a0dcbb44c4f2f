//! A run log from its start to its end, without a server.

use std::collections::BTreeMap;
use std::io;

use nethical_core::spool::storage::StorageFile;

use super::assembly::Assembly;
use super::log::reader::Reader;

/// What a run log holds, as it would be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLogContents {
    /// The id of its run, if it says it.
    pub run: Option<String>,
    /// Its rows, each a line of history.
    pub rows: Vec<String>,
    /// Its configuration: names, and values as JSON.
    pub config: Vec<(String, String)>,
    /// Its summary.
    pub summary: String,
    /// How it ended, if it has.
    pub exit_code: Option<i32>,
    /// Records of kinds that are not known here, by name.
    pub unknown: BTreeMap<String, u64>,
    /// Records that are missing where something is damaged.
    pub damaged: u64,
    /// Bytes at its end that are no whole record.
    pub torn: u64,
}

impl RunLogContents {
    /// Reads a log. At its end `grown` is asked whether there is more by now.
    ///
    /// # Errors
    /// If it cannot be read, or is no run log.
    pub fn read(file: Box<dyn StorageFile>, mut grown: impl FnMut() -> bool) -> io::Result<Self> {
        let mut assembly = Assembly::of(Reader::of(file)?)?;
        let mut rows = Vec::new();
        loop {
            assembly.read(usize::MAX)?;
            rows.extend(assembly.lines.drain(..).map(|line| line.text));
            if !grown() {
                break;
            }
        }
        assembly.close_row();
        rows.extend(assembly.lines.drain(..).map(|line| line.text));
        Ok(Self {
            run: assembly.run.as_ref().map(|run| run.run_id.clone()),
            rows,
            config: assembly.config.entries().map(|(name, value)| (name.to_owned(), value)).collect(),
            summary: assembly.summary(),
            exit_code: assembly.exit.map(|exit| exit.exit_code),
            damaged: assembly.damage().records,
            torn: assembly.torn(),
            unknown: assembly.unknown,
        })
    }
}
