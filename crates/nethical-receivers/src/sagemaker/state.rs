//! What the receiver holds, and the chances that it takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::limits::Refused;
use super::{Behaviour, Trouble};
use crate::http::Request;

/// A trial component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Component {
    /// `DisplayName`.
    pub display_name: Option<String>,
    /// `Status`.
    pub status: Option<Value>,
    /// `StartTime`, in seconds since 1970.
    pub start: Option<Value>,
    /// `EndTime`.
    pub end: Option<Value>,
    /// `Parameters`.
    pub parameters: Map<String, Value>,
    /// `InputArtifacts`.
    pub inputs: Map<String, Value>,
    /// `OutputArtifacts`.
    pub outputs: Map<String, Value>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The trials that it belongs to.
    pub trials: BTreeSet<String>,
    /// The points that were put to it.
    pub points: Vec<Point>,
}

/// A point that was put to a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The name of the metric.
    pub name: String,
    /// The number.
    pub value: f64,
    /// The step.
    pub step: i64,
    /// Seconds since 1970.
    pub time: f64,
}

/// A datum that CloudWatch got.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// The namespace.
    pub namespace: String,
    /// The name of the metric.
    pub name: String,
    /// The number.
    pub value: f64,
    /// The dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// Seconds since 1970.
    pub time: f64,
    /// Whether it came compressed.
    pub compressed: bool,
}

/// A training job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// The request that created it.
    pub request: Value,
    /// How often it was looked at.
    pub looks: usize,
    /// Whether it was told to stop.
    pub stopped: bool,
}

#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) experiment: String,
}

#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    /// By number: the bytes, the tag, the checksum.
    pub(super) parts: BTreeMap<u64, (Vec<u8>, String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) behaviour: Behaviour,
    pub(super) experiments: BTreeMap<String, Value>,
    pub(super) trials: BTreeMap<String, Trial>,
    pub(super) components: BTreeMap<String, Component>,
    pub(super) data: Vec<Datum>,
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) violations: Vec<String>,
    pub(super) calls: BTreeMap<String, u64>,
    pub(super) throttled: u64,
    pub(super) dropped: u64,
    chance: u64,
}

impl State {
    /// Whether the request is signed for this service by somebody who is known.
    pub(super) fn identify(&self, request: &Request, service: &str) -> Result<(), Refused> {
        let identified = self.behaviour.access.identify(request, service);
        identified.map(drop).map_err(|refused| (refused.code, refused.message))
    }

    /// Whether whoever calls may do this.
    pub(super) fn allow(&self, action: &str) -> Result<(), Refused> {
        self.behaviour.access.allow(action, "*").map_err(|refused| (refused.code, refused.message))
    }

    /// What goes wrong with this call.
    pub(super) fn trouble(&mut self, operation: &str) -> Option<Trouble> {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        let planned = self.behaviour.always.or_else(|| self.behaviour.next.pop_front());
        let trouble = planned.or_else(|| {
            let (throttled, dropped) = (self.behaviour.throttled_per_mille, self.behaviour.dropped_per_mille);
            match self.draw() {
                draw if draw < throttled => Some(Trouble::Throttle),
                draw if draw < throttled + dropped => Some(Trouble::DropAnswer),
                _ => None,
            }
        });
        match trouble {
            Some(Trouble::Throttle) => self.throttled += 1,
            Some(Trouble::DropAnswer) => self.dropped += 1,
            _ => {}
        }
        trouble
    }

    /// Something from 0 to 999, the same in every run: SplitMix64 from zero.
    pub(super) fn draw(&mut self) -> u32 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % 1_000) as u32
    }
}
