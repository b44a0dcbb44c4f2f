//! What the receiver holds, and the chances that it takes.

use std::collections::BTreeMap;

use super::{Artifact, Behaviour, Call, Chances, Run, Trouble};

/// A place for bytes, behind an address that carries its own permission.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// A file of a run.
    File { run: String, name: String },
    /// A file of an artifact; its MD5 in base64 was announced.
    Entry { artifact: usize, name: String, md5: String },
    /// A part of such a file; its MD5 in hexadecimal was announced.
    Part { artifact: usize, name: String, number: u64, md5: String },
    /// The manifest of an artifact.
    Manifest { artifact: usize, md5: String },
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) behaviour: Behaviour,
    /// By entity, project and id.
    pub(super) runs: BTreeMap<(String, String, String), Run>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) slots: Vec<Slot>,
    pub(super) calls: Vec<Call>,
    pub(super) violations: Vec<String>,
    chance: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            behaviour: Behaviour { entity: "fake-team".to_owned(), ..Behaviour::default() },
            runs: BTreeMap::new(),
            artifacts: Vec::new(),
            slots: Vec::new(),
            calls: Vec::new(),
            violations: Vec::new(),
            chance: 0,
        }
    }
}

impl State {
    /// What goes wrong with this call.
    pub(super) fn trouble(&mut self, operation: &str) -> Option<Trouble> {
        let planned = self.behaviour.next.get_mut(operation).and_then(std::collections::VecDeque::pop_front);
        planned.or(self.behaviour.always).or_else(|| self.draw())
    }

    /// The same in every run: SplitMix64 from zero.
    fn draw(&mut self) -> Option<Trouble> {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut draw = ((mixed ^ (mixed >> 31)) % 1_000) as u32;
        let Chances { rate_limited, unavailable, conflict, dropped } = self.behaviour.per_mille;
        let all = [
            (rate_limited, Trouble::RateLimited(0.01)),
            (unavailable, Trouble::Status(500)),
            (conflict, Trouble::Status(409)),
            (dropped, Trouble::DropAnswer),
        ];
        for (chance, trouble) in all {
            if draw < chance {
                return Some(trouble);
            }
            draw -= chance;
        }
        None
    }

    /// Note a broken rule, and say it.
    pub(super) fn violation(&mut self, what: String) -> String {
        self.violations.push(what.clone());
        what
    }

    /// An address for bytes.
    pub(super) fn slot(&mut self, base: &str, slot: Slot) -> String {
        self.slots.push(slot);
        format!("{base}/storage/{}", self.slots.len() - 1)
    }
}
